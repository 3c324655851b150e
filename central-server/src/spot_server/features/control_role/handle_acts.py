"""How the control role moves a traffic handle, asks where it leads, and sees whether an instance holds it. One look at a time.

An Elastic IP is in `acts`. Registering, assigning and upserting are the same however often they are done, so that an earlier try is
found by doing it again; a move that is there already is not done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spot_server.aws.errors import ActFailed, ErrorClass
from spot_server.aws.ports import Ec2Port, InstanceFacts, TargetFacts
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task, wire_time
from spot_server.features.control_role.payloads import bad_payload, optional_port, text, whole
from spot_server.words import HandleKind

LOOK_SECONDS = 1.0
HEALTH_LOOK_SECONDS = 3.0

LEADS_STATES = frozenset({"initial", "healthy", "unhealthy", "unavailable"})
"""Of a target: its load balancer sends it requests, or will. Not while it drains."""


def move_private_ip(task: Task, ec2: Ec2Port) -> Handled:
    """Assign the secondary address to the instance's primary interface, and confirm it by asking again."""
    private_ip, instance_id = text(task.payload, "private_ip"), text(task.payload, "instance_id")
    instance = _instance(ec2, instance_id)
    if private_ip not in instance.network.private_ips:
        task.require_leave_to_act()
        if instance.network.interface_id is None:
            raise ActFailed(ErrorClass.REFUSED, "no_interface", f"{instance_id} has no network interface")
        ec2.assign_private_ip(instance.network.interface_id, private_ip)
        instance = _instance(ec2, instance_id)
        if private_ip not in instance.network.private_ips:
            return NotYet("private_ip_not_moved", LOOK_SECONDS)
    return Done({"private_ip": private_ip, "network_interface_id": instance.network.interface_id, "moved_at": wire_time(task.now)})


def move_target(task: Task, ec2: Ec2Port) -> Handled:
    """Register the one instance, see that it is, then deregister the other: a group never loses its last target before it has another."""
    arn, instance_id, port = _target(task.payload)
    if not leads(ec2.balancing.target_state(arn, instance_id, port)):
        # One that drains since an earlier move is registered anew, too.
        task.require_leave_to_act()
        ec2.balancing.register_target(arn, instance_id, port)
        if not leads(ec2.balancing.target_state(arn, instance_id, port)):
            return NotYet("target_not_registered", LOOK_SECONDS)
    former = task.payload.get("former_instance_id")
    if former and leads(ec2.balancing.target_state(arn, former, port)):
        task.require_leave_to_act()
        ec2.balancing.deregister_target(arn, former, port)
        if leads(ec2.balancing.target_state(arn, former, port)):
            return NotYet("target_not_deregistered", LOOK_SECONDS)
    return Done({"moved_at": wire_time(task.now)})


def confirm_target(task: Task, ec2: Ec2Port) -> Handled:
    """Wait until the load balancer's own health checks pass, and the other instance gets no new requests."""
    arn, instance_id, port = _target(task.payload)
    target = ec2.balancing.target_state(arn, instance_id, port)
    if target is None or target.state != "healthy":
        if task.waited_seconds < whole(task.payload, "wait_seconds"):
            return NotYet("target_not_healthy", HEALTH_LOOK_SECONDS)
        told = "is not registered" if target is None else f"is {target.state} ({target.reason or 'no reason given'})"
        raise ActFailed(ErrorClass.CHECK_FAILED, "target_not_healthy", f"{instance_id} {told} in {arn}")
    former = task.payload.get("former_instance_id")
    other = ec2.balancing.target_state(arn, former, port) if former else None
    return Done({"target_state": target.state, "former_target_state": None if other is None else other.state})


def leads(target: TargetFacts | None) -> bool:
    """Tell whether a load balancer sends requests to a target, or will."""
    return target is not None and target.state in LEADS_STATES


def move_record(task: Task, ec2: Ec2Port) -> Handled:
    """Have the record name the instance's address. Whether all of Route 53's servers answer with it is asked afterwards."""
    zone, name, ttl_seconds = text(task.payload, "hosted_zone_id"), text(task.payload, "record_name"), whole(task.payload, "ttl_seconds")
    value = _address(_instance(ec2, text(task.payload, "instance_id")), text(task.payload, "address"))
    task.require_leave_to_act()
    change_id = ec2.dns.upsert_record(zone, name, value, ttl_seconds)
    return Done({"value": value, "change_id": change_id, "ttl_seconds": ttl_seconds, "moved_at": wire_time(task.now)})


def confirm_record(task: Task, ec2: Ec2Port) -> Handled:
    """Wait until Route 53 says that its servers answer with the change, and see that the record still says so."""
    zone, name, value = (text(task.payload, member) for member in ("hosted_zone_id", "record_name", "value"))
    if not ec2.dns.is_in_sync(text(task.payload, "change_id")):
        return NotYet("record_not_in_sync", HEALTH_LOOK_SECONDS)
    record = ec2.dns.find_record(zone, name)
    if record is None or record.values != (value,):
        told = "is gone" if record is None else f"says {', '.join(record.values)}"
        raise ActFailed(ErrorClass.CHECK_FAILED, "record_differs", f"{name} {told}, not {value}")
    return Done({"value": value})


def _instance(ec2: Ec2Port, instance_id: str) -> InstanceFacts:
    instance = ec2.describe_instance(instance_id)
    if instance is None:
        raise ActFailed(ErrorClass.NOT_FOUND, "InvalidInstanceID.NotFound", f"EC2 knows no {instance_id}")
    return instance


def _target(payload: Mapping[str, Any]) -> tuple[str, str, int | None]:
    return text(payload, "target_group_arn"), text(payload, "instance_id"), optional_port(payload)


def _address(instance: InstanceFacts, which: str) -> str:
    if which not in {"public", "private"}:
        raise bad_payload("address", "public or private")
    found = instance.network.public_ip if which == "public" else next(iter(instance.network.private_ips), None)
    if found is None:
        raise ActFailed(ErrorClass.REFUSED, "no_address", f"{instance.instance_id} has no {which} address for the record to name")
    return found


def _holds_private_ip(handle: Mapping[str, Any], instance: InstanceFacts, _ec2: Ec2Port) -> bool:
    return handle["private_ip"] in instance.network.private_ips


def _holds_target(handle: Mapping[str, Any], instance: InstanceFacts, ec2: Ec2Port) -> bool:
    return leads(ec2.balancing.target_state(handle["target_group_arn"], instance.instance_id, handle.get("port")))


def _holds_record(handle: Mapping[str, Any], instance: InstanceFacts, ec2: Ec2Port) -> bool:
    record = ec2.dns.find_record(handle["hosted_zone_id"], handle["record_name"])
    own = {*instance.network.private_ips, instance.network.public_ip}
    return record is not None and any(value in own for value in record.values)


_HOLDS: dict[HandleKind, Callable[[Mapping[str, Any], InstanceFacts, Ec2Port], bool]] = {
    HandleKind.SECONDARY_PRIVATE_IP: _holds_private_ip,
    HandleKind.TARGET_GROUP: _holds_target,
    HandleKind.ROUTE53_RECORD: _holds_record,
}


def held_by(instance: InstanceFacts, handles: list[Mapping[str, Any]], ec2: Ec2Port) -> list[str]:
    """Return which of the handles lead to the instance, in words for a person. Who cannot say raises: that is no leave to end it."""
    return [_told(handle) for handle in handles if _HOLDS[HandleKind(handle["kind"])](handle, instance, ec2)]


def _told(handle: Mapping[str, Any]) -> str:
    return next(str(handle[name]) for name in ("private_ip", "target_group_arn", "record_name") if name in handle)
