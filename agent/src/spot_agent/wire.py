"""Between the protocol's JSON and our types. Fields that we do not know are ignored and counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from spot_agent.errors import ServerUnreachable
from spot_agent.model import ROLE_OF_STATUS, Command, Config, Identity, JsonObject, ServerView
from spot_agent.timestamps import optional_from_wire

CONFIG_FIELDS = frozenset(
    [
        "agent_id",
        "logical_agent_id",
        "instance_id",
        "instance_status",
        "is_primary",
        "epoch",
        "config_version",
        "has_control_role",
        "enabled",
        "auto_switch_enabled",
        "manual_replica_enabled",
        "replica_count",
        "auto_terminate_enabled",
        "terminate_wait_seconds",
        "rebalance_hold_seconds",
        "create_snapshot_on_switch",
        "carry",
        "allowed_instance_types",
        "traffic_handles",
        "data_volumes",
        "cleanup_snapshots_older_than_days",
        "cleanup_images_older_than_days",
        "image_refresh_hours",
        "images_to_keep",
        "heartbeat_interval_seconds",
        "pending_commands_check_interval_seconds",
        "command_wait_seconds",
        "pricing_report_interval_seconds",
        "plan",
    ]
)
HEARTBEAT_FIELDS = frozenset(["server_time", "config_version", "epoch", "instance_status", "is_primary", "commands_waiting"])
REGISTER_FIELDS = frozenset(["agent_id", "instance_id", "token", "instance_status", "is_primary", "epoch", "config"])
COMMAND_FIELDS = frozenset(["command_id", "request_id", "kind", "priority", "epoch", "payload", "issued_at", "deadline_at"])


def unknown_fields(body: Mapping[str, Any], known: frozenset[str]) -> int:
    """Count the fields that this version does not know."""
    return sum(1 for name in body if name not in known)


def parse_view(body: Mapping[str, Any]) -> ServerView:
    """ServerUnreachable when the answer lacks what the roles hang on: it is then no answer."""
    epoch = body.get("epoch")
    is_primary = body.get("is_primary")
    if type(epoch) is not int or type(is_primary) is not bool:
        raise ServerUnreachable("the answer has no usable epoch and is_primary")
    return ServerView(ROLE_OF_STATUS.get(str(body.get("instance_status"))), is_primary, epoch)


def parse_config(body: JsonObject) -> Config:
    """Each value that is missing or of the wrong type counts as not said."""
    types = body.get("allowed_instance_types")
    carry = body.get("carry")
    return Config(
        config_version=int(_number(body, "config_version") or 0),
        view=parse_view(body),
        enabled=body.get("enabled") is not False,
        carry=carry if isinstance(carry, str) else None,
        allowed_instance_types=tuple(str(name) for name in types) if isinstance(types, list) else (),
        cleanup_snapshots_older_than_days=_whole(body, "cleanup_snapshots_older_than_days"),
        cleanup_images_older_than_days=_whole(body, "cleanup_images_older_than_days"),
        heartbeat_interval_seconds=_number(body, "heartbeat_interval_seconds"),
        pending_commands_check_interval_seconds=_number(body, "pending_commands_check_interval_seconds"),
        command_wait_seconds=_number(body, "command_wait_seconds"),
        pricing_report_interval_seconds=_number(body, "pricing_report_interval_seconds"),
        raw=body,
    )


def cached_config(body: JsonObject | None) -> Config | None:
    """The configuration that the journal holds, None when there is none that can be read."""
    try:
        return parse_config(body) if body else None
    except ServerUnreachable:
        return None


def parse_command(body: object) -> Command | None:
    """None when it lacks what an answer needs: the server would not know what we answer to."""
    if not isinstance(body, dict):
        return None
    names = ("command_id", "request_id", "kind")
    if not all(isinstance(body.get(name), str) and body[name] for name in names):
        return None
    if type(body.get("epoch")) is not int:
        return None
    payload = body.get("payload")
    return Command(
        command_id=body["command_id"],
        request_id=body["request_id"],
        kind=body["kind"],
        priority=int(_number(body, "priority") or 0),
        epoch=body["epoch"],
        payload=payload if isinstance(payload, dict) else {},
        deadline_at=optional_from_wire(body.get("deadline_at")),
    )


def parse_identity(document: str, az_id: str) -> Identity | None:
    """None when the identity document is not whole."""
    try:
        body = json.loads(document)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    names = ("instanceId", "instanceType", "region", "availabilityZone")
    if not all(isinstance(body.get(name), str) and body[name] for name in names):
        return None
    return Identity(
        instance_id=body["instanceId"],
        instance_type=body["instanceType"],
        region=body["region"],
        az_name=body["availabilityZone"],
        az_id=az_id,
        image_id=str(body.get("imageId") or ""),
        architecture=str(body.get("architecture") or ""),
        account_id=str(body.get("accountId") or ""),
        private_ip=str(body.get("privateIp") or ""),
        launched_at=optional_from_wire(body.get("pendingTime")),
    )


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(body: Mapping[str, Any], name: str) -> int | None:
    value = _number(body, name)
    return int(value) if value is not None else None
