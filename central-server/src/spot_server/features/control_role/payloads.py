"""Reading a command's payload. What cannot be understood has no effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.ports import LaunchRequest, VolumeSettings
from spot_server.words import Mode

Payload = Mapping[str, Any]


def bad_payload(name: str, wanted: str) -> ActFailed:
    """Return the failure of a command that cannot be understood."""
    return ActFailed(ErrorClass.REFUSED, "bad_payload", f"{name} must be {wanted}")


def text(payload: Payload, name: str) -> str:
    """Return a string that must be there and not be empty."""
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        raise bad_payload(name, "a non-empty string")
    return value


def texts(payload: Payload, name: str) -> list[str]:
    """Return a list of strings; missing is empty."""
    value = payload.get(name) or []
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        raise bad_payload(name, "a list of strings")
    return value


def whole(payload: Payload, name: str) -> int:
    """Return a whole number of 0 or more."""
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_payload(name, "a number of 0 or more")
    return int(value)


def optional_port(payload: Payload) -> int | None:
    """Return the port, None for the target group's own."""
    return None if payload.get("port") is None else whole(payload, "port")


def handles(payload: Payload) -> list[Mapping[str, Any]]:
    """Return the traffic handles that must not lead to an instance; missing is empty."""
    value = payload.get("handles") or []
    if not isinstance(value, list) or not all(isinstance(handle, dict) and "kind" in handle for handle in value):
        raise bad_payload("handles", "a list of traffic handles")
    return value


def tags(payload: Payload) -> dict[str, str]:
    """Return the tags for what is made; missing is empty."""
    return {str(key): str(value) for key, value in (payload.get("tags") or {}).items()}


def launch_request(payload: Payload) -> LaunchRequest:
    """Return what a launch_instance command asks of RunInstances."""
    mode = text(payload, "mode")
    if mode not in {Mode.SPOT, Mode.ON_DEMAND}:
        raise bad_payload("mode", "spot or on_demand")
    user_data = payload.get("user_data") or ""
    return LaunchRequest(
        client_token=text(payload, "client_token"),
        image_id=text(payload, "image_id"),
        instance_type=text(payload, "instance_type"),
        subnet_id=text(payload, "subnet_id"),
        is_spot=mode == Mode.SPOT,
        security_group_ids=tuple(payload.get("security_group_ids") or ()),
        iam_instance_profile_arn=payload.get("iam_instance_profile_arn"),
        key_name=payload.get("key_name"),
        metadata_options=dict(payload.get("metadata_options") or {}),
        user_data=user_data if isinstance(user_data, str) else json.dumps(user_data),
        tags=tags(payload),
        detailed_monitoring=payload.get("detailed_monitoring") is True,
        ebs_optimized=payload.get("ebs_optimized") is True,
        cpu_credits=payload.get("cpu_credits"),
        volumes=_volumes(payload),
    )


def _volumes(payload: Payload) -> tuple[VolumeSettings, ...]:
    names = VolumeSettings.__dataclass_fields__.keys()
    try:
        return tuple(VolumeSettings(**{name: one[name] for name in names & one.keys()}) for one in payload.get("volumes") or ())
    except (TypeError, AttributeError) as error:
        raise bad_payload("volumes", "a list of volumes, each with device_name, volume_type and size_gib") from error
