"""Requests and answers of a service as botocore describes it: the protocols query and rest-xml, in boto3's shapes."""

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree as ET

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer

Parameters = dict[str, Any]
_ROUTE53_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"


def described(service: str) -> ServiceModel:
    """Load botocore's description of a service, by boto3's name for it."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def read_query(service: ServiceModel, body: str) -> tuple[str, Parameters]:
    """Return the action and the parameters of a request in the protocol query. Raise ``Ec2Error`` for an unknown action."""
    flat = dict(parse_qsl(body, keep_blank_values=True))
    action = flat.get("Action", "")
    if action not in service.operation_names:
        raise Ec2Error("InvalidAction", f"The action {action} is not valid for this endpoint")
    return action, _from_flat(service.operation_model(action).input_shape, flat, "") or {}


def read_rest(service: ServiceModel, method: str, path: str, query: str, body: bytes) -> tuple[str, Parameters]:
    """Return the same of a request in the protocol rest-xml."""
    for name in service.operation_names:
        operation = service.operation_model(name)
        found = _path_parameters(operation, method, path)
        if found is not None:
            return name, found | _query_parameters(operation, query) | _body_parameters(operation, body)
    raise Ec2Error("InvalidInput", f"There is no {method} {path}")


def written(operation: OperationModel, answer: Mapping[str, Any]) -> Answer:
    """Write an answer in the service's protocol. What belongs into headers is left out."""
    shape: Any = operation.output_shape
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    is_query = operation.service_model.protocol == "query"
    name = f"{operation.name}Response" if is_query or shape is None else shape.name
    root = ET.Element(name, xmlns=operation.service_model.metadata.get("xmlNamespace", _ROUTE53_NAMESPACE))
    if shape is not None:
        _fill(ET.SubElement(root, wrapper) if wrapper else root, shape, answer)
    if is_query:
        ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = str(uuid.uuid4())
    return Answer(200, ET.tostring(root, encoding="utf-8", xml_declaration=True))


def refused(error: Ec2Error) -> Answer:
    """Write an error, as both protocols have it."""
    root = ET.Element("ErrorResponse")
    one = ET.SubElement(root, "Error")
    ET.SubElement(one, "Type").text = "Sender"
    ET.SubElement(one, "Code").text = error.code
    ET.SubElement(one, "Message").text = error.message
    ET.SubElement(root, "RequestId").text = str(uuid.uuid4())
    return Answer(error.status, ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _from_flat(shape: Any, flat: Mapping[str, str], prefix: str) -> Any:  # noqa: ANN401 - botocore publishes no types
    """Return the value below a prefix, None if nothing of it was sent."""
    if shape is None:
        return None
    if shape.type_name == "structure":
        start = f"{prefix}." if prefix else ""
        members = {name: _from_flat(member, flat, start + _wire_name(member, name)) for name, member in shape.members.items()}
        return {name: value for name, value in members.items() if value is not None} or None
    if shape.type_name == "list":
        values, number = [], 1
        while (value := _from_flat(shape.member, flat, f"{prefix}.{_wire_name(shape.member, 'member')}.{number}")) is not None:
            values.append(value)
            number += 1
        return values or None
    return _scalar(shape, flat[prefix]) if prefix in flat else None


def _path_parameters(operation: OperationModel, method: str, path: str) -> Parameters | None:
    """Return what the path names, None if it is not the path of this operation."""
    if operation.http["method"] != method:
        return None
    template = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].split("?")[0].rstrip("/"))
    found = re.fullmatch(template, path.rstrip("/"))
    if found is None:
        return None
    by_wire = {_wire_name(member, name): name for name, member in _members(operation, "uri").items()}
    return {by_wire[name]: unquote(value) for name, value in found.groupdict().items()}


def _query_parameters(operation: OperationModel, query: str) -> Parameters:
    sent = dict(parse_qsl(query, keep_blank_values=True))
    members = _members(operation, "querystring")
    return {name: _scalar(member, sent[_wire_name(member, name)]) for name, member in members.items() if _wire_name(member, name) in sent}


def _body_parameters(operation: OperationModel, body: bytes) -> Parameters:
    if not body:
        return {}
    root = ET.fromstring(body)  # noqa: S314 - from our own tests
    return {name: _from_xml(member, element) for name, member, element in _found(root, _members(operation, None))}


def _members(operation: OperationModel, location: str | None) -> dict[str, Any]:
    shape: Any = operation.input_shape
    return {name: member for name, member in shape.members.items() if member.serialization.get("location") == location} if shape else {}


def _from_xml(shape: Any, element: ET.Element) -> Any:  # noqa: ANN401 - as above
    if shape.type_name == "structure":
        return {name: _from_xml(member, child) for name, member, child in _found(element, shape.members)}
    if shape.type_name == "list":
        return [_from_xml(shape.member, child) for child in element]
    return _scalar(shape, element.text or "")


def _found(parent: ET.Element, members: Mapping[str, Any]) -> list[tuple[str, Any, ET.Element]]:
    children = {child.tag.rpartition("}")[2]: child for child in parent}
    wanted = [(name, member, children.get(_wire_name(member, name))) for name, member in members.items()]
    return [(name, member, child) for name, member, child in wanted if child is not None]


def _wire_name(shape: Any, default: str) -> str:  # noqa: ANN401 - as above
    return str(shape.serialization.get("name", default))


def _scalar(shape: Any, text: str) -> Any:  # noqa: ANN401 - as above
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "boolean":
            return text == "true"
        case _:
            return text


def _fill(parent: ET.Element, shape: Any, value: Any) -> None:  # noqa: ANN401 - as above
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if value.get(name) is not None and member.serialization.get("location") != "header":
                _fill(ET.SubElement(parent, _wire_name(member, name)), member, value[name])
    elif shape.type_name == "list":
        for part in value:
            _fill(ET.SubElement(parent, _wire_name(shape.member, "member")), shape.member, part)
    elif isinstance(value, datetime):
        parent.text = value.strftime("%Y-%m-%dT%H:%M:%SZ")
    else:
        parent.text = str(value).lower() if isinstance(value, bool) else str(value)
