"""The daemon's cut-down description of EC2 does what the whole one does, and is given up when it cannot be made."""

from __future__ import annotations

import ast
import gzip
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import botocore
import pytest
from botocore.loaders import JSONFileLoader
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.regions import EndpointResolver
from botocore.serialize import create_serializer
from botocore.session import Session

from spot_agent import ec2, ec2_balancing, ec2_dns, ec2_volumes
from spot_agent.ec2_clients import Ec2Session
from spot_agent.ec2_models import ENDPOINT_SERVICES, OPERATIONS, ReducedFiles
from spot_agent.logs import Log

pytestmark = pytest.mark.long

DATA = Path(botocore.__file__).parent / "data"
VERSIONS = {"ec2": "2016-11-15", "elbv2": "2015-12-01", "route53": "2013-04-01"}
MODELS = {service: str(DATA / service / version / "service-2") for service, version in VERSIONS.items()}
MODEL = MODELS["ec2"]
CALLS = [(service, name) for service, names in OPERATIONS.items() for name in names]
ENDPOINTS = str(DATA / "endpoints")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


Models = dict[str, ServiceModel]


@pytest.fixture(scope="module")
def full() -> Models:
    return {service: ServiceModel(JSONFileLoader().load_file(path), service) for service, path in MODELS.items()}


@pytest.fixture(scope="module")
def reduced() -> Models:
    return {service: ServiceModel(ReducedFiles(Log()).load_file(path), service) for service, path in MODELS.items()}


def _sample(shape: Any, within: tuple[str, ...] = ()) -> Any:
    """A value with every member of the shape; a shape inside itself is left empty."""
    if shape.type_name == "structure":
        members = {} if shape.name in within else shape.members
        return {name: _sample(member, (*within, shape.name)) for name, member in members.items()}
    if shape.type_name == "list":
        return [_sample(shape.member, within), _sample(shape.member, within)]
    if shape.type_name == "map":
        return {_sample(shape.key, within): _sample(shape.value, within)}
    texts = {"timestamp": MOMENT, "blob": b"bytes", "boolean": True, "double": 1.5, "float": 1.5, "integer": 7, "long": 7}
    return texts.get(shape.type_name) or next(iter(shape.enum), f"a {shape.name}")


def _answer(shape: Any, within: tuple[str, ...] = ()) -> str:
    """EC2's XML for the shape, with every member in it."""
    if shape is None:
        return ""
    if shape.type_name == "structure":
        members = {} if shape.name in within else shape.members
        names = {name: member.serialization.get("name", name) for name, member in members.items()}
        return "".join(f"<{names[name]}>{_answer(member, (*within, shape.name))}</{names[name]}>" for name, member in members.items())
    if shape.type_name == "list":
        item = shape.member.serialization.get("name", "member")
        return f"<{item}>{_answer(shape.member, within)}</{item}>" * 2
    texts = {"timestamp": "2026-01-02T03:04:05.000Z", "blob": "Ynl0ZXM=", "boolean": "true", "double": "1.5", "float": "1.5"}
    number = "7" if shape.type_name in ("integer", "long") else None
    return escape(texts.get(shape.type_name) or number or str(_sample(shape, within)))


def _request(service: ServiceModel, operation: OperationModel, given: Any) -> Any:
    serializer = create_serializer(service.resolved_protocol)
    return serializer.serialize_to_request(given, operation)


def _parsed(service: ServiceModel, operation: OperationModel, body: str) -> Any:
    raw = {"body": body.encode(), "headers": {}, "status_code": 200}
    shape: Any = operation.output_shape
    return create_parser(service.resolved_protocol).parse(raw, shape)


ADAPTERS = {"ec2": (ec2, ec2_volumes), "elbv2": (ec2_balancing,), "route53": (ec2_dns,)}


@pytest.mark.parametrize("service", OPERATIONS)
def test_the_operations_are_those_that_the_adapter_calls(service: str, full: Models) -> None:
    nodes = [node for adapter in ADAPTERS[service] for node in ast.walk(ast.parse(Path(str(adapter.__file__)).read_text()))]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    called = {name for name in full[service].operation_names if botocore.xform_name(name) in names}

    assert called == set(OPERATIONS[service])


@pytest.mark.parametrize(("service", "name"), CALLS)
def test_every_request_is_written_the_same(service: str, name: str, full: Models, reduced: Models) -> None:
    whole, small = full[service].operation_model(name), reduced[service].operation_model(name)
    given = _sample(whole.input_shape)

    written = _request(reduced[service], small, given)

    assert written == _request(full[service], whole, given)
    assert given
    assert len(str(written["body"]) + written["url_path"] + str(written["query_string"])) > len(given)


@pytest.mark.parametrize(("service", "name"), CALLS)
def test_every_answer_is_read_the_same(service: str, name: str, full: Models, reduced: Models) -> None:
    whole, small = full[service].operation_model(name), reduced[service].operation_model(name)
    shape: Any = whole.output_shape
    body = _document(whole)

    read = _parsed(reduced[service], small, body)

    assert read == _parsed(full[service], whole, body)
    assert set(read) - {"ResponseMetadata"} == set(shape.members if shape else ())


def _document(operation: OperationModel) -> str:
    """The answer as the service's protocol wraps it."""
    inside = _answer(operation.output_shape)
    if operation.service_model.protocol == "query":
        return f"<{operation.name}Response><{operation.name}Result>{inside}</{operation.name}Result></{operation.name}Response>"
    return f"<{operation.name}Response>{inside}<requestId>r-1</requestId></{operation.name}Response>"


def test_the_pages_of_a_list_are_found_as_before() -> None:
    whole = Session().create_client("ec2", region_name="us-east-1")

    client = Ec2Session("us-east-1", Log()).client(attempts=1)

    names = [botocore.xform_name(name) for name in OPERATIONS["ec2"]]
    paged = [name for name in names if client.can_paginate(name)]
    assert paged == [name for name in names if whole.can_paginate(name)]
    assert "describe_instances" in paged


def test_the_model_is_a_small_part_of_what_botocore_ships() -> None:
    small, whole = ReducedFiles(Log()).load_file(MODEL), JSONFileLoader().load_file(MODEL)

    assert set(small) == set(whole)
    assert set(small["operations"]) == set(OPERATIONS["ec2"])
    assert len(json.dumps(small)) < len(json.dumps(whole)) / 20


@pytest.mark.parametrize("service", ENDPOINT_SERVICES)
def test_every_region_of_every_partition_leads_to_the_same_endpoints(service: str) -> None:
    small, whole = (EndpointResolver(loader.load_file(ENDPOINTS)) for loader in (ReducedFiles(Log()), JSONFileLoader()))
    partitions = JSONFileLoader().load_file(ENDPOINTS)["partitions"]
    regions = [(partition["partition"], region) for partition in partitions for region in partition["regions"]]

    found = [small.construct_endpoint(service, region, partition) for partition, region in regions]

    assert len(regions) > 30
    assert found == [whole.construct_endpoint(service, region, partition) for partition, region in regions]


def test_other_files_are_read_as_botocore_reads_them() -> None:
    path = str(DATA / "sts" / "2011-06-15" / "service-2")

    assert ReducedFiles(Log()).load_file(path) == JSONFileLoader().load_file(path)
    assert ReducedFiles(Log()).load_file(str(DATA / "ec2" / "1999-01-01" / "service-2")) is None


def _ship(folder: Path, model: dict[str, Any], suffix: str) -> str:
    """A model in a botocore that keeps its files in another way."""
    place = folder / "ec2" / "2016-11-15"
    place.mkdir(parents=True)
    text = json.dumps(model).encode()
    (place / f"service-2{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    return str(place / "service-2")


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_model_is_reduced_whether_it_is_packed_or_not(tmp_path: Path, suffix: str) -> None:
    path = _ship(tmp_path, JSONFileLoader().load_file(MODEL), suffix)

    assert ReducedFiles(Log()).load_file(path) == ReducedFiles(Log()).load_file(MODEL)


@pytest.mark.parametrize(
    "model",
    [
        {"operations": {}, "shapes": {}},
        {"operations": [], "shapes": {}},
        {"shapes": 1},
        {"operations": dict.fromkeys(OPERATIONS["ec2"], 1)},
    ],
)
def test_a_model_that_is_not_as_foreseen_is_taken_whole_and_the_log_says_so(
    tmp_path: Path, model: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    path = _ship(tmp_path, model, ".json.gz")

    found = ReducedFiles(Log()).load_file(path)

    assert found == model
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "aws_model_not_reduced")]


def test_the_session_gives_clients_that_know_the_daemons_operations_only() -> None:
    session = Ec2Session("eu-west-1", Log())

    client = session.client(attempts=1)

    assert set(client.meta.service_model.operation_names) == set(OPERATIONS["ec2"])
    assert client.meta.endpoint_url == "https://ec2.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("service", "endpoint"),
    [("elbv2", "https://elasticloadbalancing.eu-west-1.amazonaws.com"), ("route53", "https://route53.amazonaws.com")],
)
def test_a_neighbour_is_made_once_and_when_it_is_asked_for(service: str, endpoint: str) -> None:
    session = Ec2Session("eu-west-1", Log())

    first, second = session.neighbour(service, attempts=3), session.neighbour(service, attempts=3)

    assert first is second
    assert set(first.meta.service_model.operation_names) == set(OPERATIONS[service])
    assert first.meta.endpoint_url == endpoint
