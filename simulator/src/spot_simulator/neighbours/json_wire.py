"""Requests and answers in the protocol json of a service as botocore describes it, in boto3's shapes."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.model import ServiceModel

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import JSON, Answer


def read_json(service: ServiceModel, target: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the action and the parameters of a request. Raise ``Ec2Error`` for an unknown action, or a body that is no object."""
    prefix, _, action = target.partition(".")
    if prefix != service.metadata["targetPrefix"] or action not in service.operation_names:
        raise Ec2Error("UnknownOperationException", f"There is no {target}")
    try:
        parameters = json.loads(body or b"{}")
    except ValueError as error:
        raise Ec2Error("SerializationException", str(error)) from error
    if not isinstance(parameters, dict):
        raise Ec2Error("SerializationException", "The body is not an object")
    return action, parameters


def written_json(answer: Mapping[str, Any]) -> Answer:
    """Write an answer."""
    return Answer(200, json.dumps(answer).encode(), JSON)


def refused_json(error: Ec2Error) -> Answer:
    """Write an error."""
    return Answer(error.status, json.dumps({"__type": error.code, "message": error.message}).encode(), JSON)
