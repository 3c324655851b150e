"""Calls of EC2 that are the region's own in both its forms: read and answered over HTTP as botocore describes them."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from botocore.model import ServiceModel

from spot_simulator.ec2.call import Call, Handler
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import Answer
from spot_simulator.neighbours.wire import described, written

Shared = Callable[[Mapping[str, Any]], dict[str, Any]]
"""What answers a call, with parameters and answers as boto3 has them."""


def over_http(shared: Shared) -> Handler:
    """Let ``shared`` answer the calls that come over HTTP."""

    def answer(call: Call) -> Answer:
        operation = _ec2().operation_model(call.action)
        parameters = _from_flat(operation.input_shape, call.parameters, "") or {}
        return written(operation, shared(parameters))

    return answer


@cache
def _ec2() -> ServiceModel:
    return described("ec2")


def _from_flat(shape: Any, flat: Mapping[str, str], prefix: str) -> Any:  # noqa: ANN401 - botocore publishes no types
    """Return the value below a prefix, None if nothing of it was sent. EC2's lists have numbers and no name for a member."""
    if shape.type_name == "structure":
        start = f"{prefix}." if prefix else ""
        members = {name: _from_flat(member, flat, start + _wire_name(member, name)) for name, member in shape.members.items()}
        return {name: value for name, value in members.items() if value is not None} or None
    if shape.type_name == "list":
        values, number = [], 1
        while (value := _from_flat(shape.member, flat, f"{prefix}.{number}")) is not None:
            values.append(value)
            number += 1
        return values or None
    return _scalar(shape, prefix, flat[prefix]) if prefix in flat else None


def _wire_name(shape: Any, default: str) -> str:  # noqa: ANN401 - as above
    """As botocore's serializer of the protocol ec2 has it."""
    said = shape.serialization
    name = str(said.get("queryName") or said.get("name") or default)
    return name[:1].upper() + name[1:]


def _scalar(shape: Any, name: str, text: str) -> Any:  # noqa: ANN401 - as above
    match shape.type_name:
        case "integer" | "long":
            try:
                return int(text)
            except ValueError as error:
                raise Ec2Error("InvalidParameterValue", f"{name} is a whole number, not {text}") from error
        case "boolean":
            return text.lower() == "true"
        case _:
            return text
