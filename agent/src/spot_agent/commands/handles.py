"""What the commands about traffic handles share: reading them, and waiting for AWS to say what was asked of it."""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.commands.handling import Tools, bad_payload, pause
from spot_agent.ec2_facts import InstanceFacts, TargetFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command, JsonObject

POLL_SECONDS = 1.0
WAIT_SECONDS = 30.0

LEADS_STATES = frozenset({"initial", "healthy", "unhealthy", "unavailable"})
"""Of a target: its load balancer sends it requests, or will. Not while it drains."""


def leads(target: TargetFacts | None) -> bool:
    """Whether a load balancer sends requests to a target, or will."""
    return target is not None and target.state in LEADS_STATES


def wait_for(is_so: Callable[[], bool], wait_seconds: float, code: str, message: str, tools: Tools) -> None:
    """Ask again and again. Raises ActFailed of class `race` when it is still not so after `wait_seconds`."""
    ends_seconds = tools.clock.monotonic_seconds() + wait_seconds
    while not is_so():
        if tools.clock.monotonic_seconds() >= ends_seconds:
            raise ActFailed(ErrorClass.RACE, code, message)
        pause(tools, POLL_SECONDS)


def described(instance_id: str, tools: Tools) -> InstanceFacts:
    """The instance as EC2 shows it; `not_found` when EC2 knows none."""
    instance = tools.ec2.describe_instance(instance_id)
    if instance is None:
        raise ActFailed(ErrorClass.NOT_FOUND, "InvalidInstanceID.NotFound", f"EC2 knows no {instance_id}")
    return instance


def optional_port(command: Command) -> int | None:
    """The port of a target; None is the target group's own."""
    value = command.payload.get("port")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise bad_payload("port", "a port number")
    return value


def held_by(instance: InstanceFacts, command: Command, tools: Tools) -> list[str]:
    """Which of the command's `handles` lead to the instance, in words. Who cannot be asked raises: that is no leave to end it."""
    handles = command.payload.get("handles") or []
    if not isinstance(handles, list) or not all(isinstance(handle, dict) and handle.get("kind") in _HOLDS for handle in handles):
        raise bad_payload("handles", f"a list of traffic handles of the kinds {', '.join(sorted(_HOLDS))}")
    return [_told(handle) for handle in handles if _HOLDS[handle["kind"]](handle, instance, tools)]


def _told(handle: JsonObject) -> str:
    return next(str(handle[name]) for name in ("private_ip", "target_group_arn", "record_name") if name in handle)


def _holds_private_ip(handle: JsonObject, instance: InstanceFacts, _tools: Tools) -> bool:
    return handle.get("private_ip") in instance.private_ips


def _holds_target(handle: JsonObject, instance: InstanceFacts, tools: Tools) -> bool:
    return leads(tools.ec2.balancing.target_state(str(handle["target_group_arn"]), instance.instance_id, handle.get("port")))


def _holds_record(handle: JsonObject, instance: InstanceFacts, tools: Tools) -> bool:
    record = tools.ec2.dns.find_record(str(handle["hosted_zone_id"]), str(handle["record_name"]))
    own = {*instance.private_ips, instance.public_ip}
    return record is not None and any(value in own for value in record.values)


_HOLDS: dict[str, Callable[[JsonObject, InstanceFacts, Tools], bool]] = {
    "secondary_private_ip": _holds_private_ip,
    "target_group": _holds_target,
    "route53_record": _holds_record,
}
