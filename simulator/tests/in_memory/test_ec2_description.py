"""What the region in memory takes, against botocore's descriptions. Its answers are held against them by the conformance suite."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from botocore.loaders import Loader

from conformance.memory_region import model_of
from in_memory.place import Place
from spot_simulator.memory.parameters import OPERATIONS, Spec
from spot_simulator.memory.services import SERVICES, Service

TYPES = {"string": str, "integer": int, "long": int, "boolean": bool, "timestamp": datetime}


def assert_fits(where: str, spec: Spec, shape: Any) -> None:
    """Compare a specification with EC2's own, to the bottom."""
    if isinstance(spec, Mapping):
        assert shape.type_name == "structure", where
        for name, part in spec.items():
            assert name in shape.members, f"EC2 knows no {where}.{name}"
            assert_fits(f"{where}.{name}", part, shape.members[name])
    elif isinstance(spec, list):
        assert shape.type_name == "list", where
        assert_fits(f"{where}[]", spec[0], shape.member)
    else:
        wanted = spec if isinstance(spec, tuple) else (spec,)
        assert TYPES[shape.type_name] in wanted, f"{where} is a {shape.type_name}"


@pytest.mark.parametrize(("service", "operation"), [(one, operation) for one in SERVICES.values() for operation in one.operations])
def test_every_parameter_is_one_of_the_service_with_its_type(service: Service, operation: str) -> None:
    assert_fits(operation, service.operations[operation], model_of(service.name).operation_model(operation).input_shape)


def test_every_operation_is_carried_out_and_no_other() -> None:
    handled = set(Place().region.api.actions)

    assert handled == {operation for service in SERVICES.values() for operation in service.operations}


def test_what_has_pages_here_has_pages_in_boto3() -> None:
    described = Loader().load_service_model("ec2", "paginators-1")["pagination"]
    paged = {operation for operation, fields in OPERATIONS.items() if "NextToken" in fields}

    assert paged <= described.keys()
