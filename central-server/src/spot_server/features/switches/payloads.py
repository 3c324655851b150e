"""What the commands of a switch's steps say, from the switch alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spot_server.features.agents.queries import Agent
from spot_server.features.replicas.launching import owner_tags
from spot_server.features.switches.carry_rules import STATE_MAY_BE_ON_ROOT
from spot_server.features.switches.decisions import Issue, UndoIssue
from spot_server.features.switches.queries import Switch
from spot_server.words import Carry, CommandKind, HandleKind, StepName, SwitchTrigger

Handle = Mapping[str, Any]


def handle_of(switch: Switch, name: StepName, part: int) -> Handle | None:
    """Return the traffic handle that a TRAFFIC or CONFIRM step is about; None for other steps, and for an agent without handles."""
    is_about_one = name in {StepName.TRAFFIC, StepName.CONFIRM} and part < len(switch.traffic_handles)
    return switch.traffic_handles[part] if is_about_one else None


def payload_of(agent: Agent, switch: Switch, decision: Issue) -> dict[str, Any]:
    """Return what the command of a step says."""
    handle = handle_of(switch, decision.step, decision.part)
    if handle is not None:
        return _move(handle, Sides(switch.to_instance_id, switch.from_instance_id), decision.bound_seconds)
    match decision.kind:
        case CommandKind.CREATE_IMAGE:
            return {
                "instance_id": switch.from_instance_id,
                "image_name": f"spot-optimizer-{agent.logical_agent_id[:60]}-{switch.switch_id}",
                "no_reboot": True,
                "tags": owner_tags(agent, switch_id=switch.switch_id),
                "wait_seconds": decision.bound_seconds,
                **_without_volumes(switch),
            }
        case CommandKind.DESCRIBE_INSTANCE | CommandKind.STOP_INSTANCE:
            return {"instance_id": switch.from_instance_id}
        case CommandKind.START_SERVING:
            return {"epoch": agent.epoch, "bound_seconds": decision.bound_seconds}
        case _:
            return {"bound_seconds": decision.bound_seconds}


def fence_payload(agent: Agent, switch: Switch, *, was_launched_by_us: bool) -> dict[str, Any]:
    """Return the order to end the old side of a rescue, and what of it is to outlive it.

    No handles that forbid the termination: the old side holds them, and they move once it has ended. Its root stays where it alone may
    have the last writes: who is fenced did not confirm that they came along. What EC2 had announced to take anyway may go where keeping it
    is refused; of an instance that only we end, somebody's data volumes may not.
    """
    payload: dict[str, Any] = {"instance_id": switch.from_instance_id}
    if switch.carry is Carry.VOLUME or not was_launched_by_us:
        payload["keep_data_volumes"] = True
        if switch.carry is not Carry.VOLUME and switch.trigger is SwitchTrigger.NOTICE:
            payload["end_unkept"] = True
    if switch.carry in STATE_MAY_BE_ON_ROOT:
        payload |= {"keep_root": True, "tags": owner_tags(agent)}
    return payload


def _without_volumes(switch: Switch) -> dict[str, Any]:
    """What moves as a volume is not in the image: a copy of it would lie where the volume itself is attached."""
    devices = [volume["device_name"] for volume in switch.data_volumes]
    return {"without_devices": devices} if switch.carry is Carry.VOLUME and devices else {}


def undo_payload_of(agent: Agent, switch: Switch, decision: UndoIssue) -> dict[str, Any]:
    """Return what the command that takes a step back says."""
    match decision.kind:
        case CommandKind.DESCRIBE_INSTANCE | CommandKind.TERMINATE_INSTANCE:
            # No handles that forbid the termination: the new side may hold them until it has ended, and they go back.
            return {"instance_id": undo_target(switch, decision.step, decision.kind)}
        case _:
            handle = handle_of(switch, decision.step, decision.part)
            if handle is not None:
                return _move(handle, Sides(switch.from_instance_id, switch.to_instance_id), decision.bound_seconds)
            return {"epoch": agent.epoch, "bound_seconds": decision.bound_seconds}


def undo_target(switch: Switch, step: StepName, kind: CommandKind) -> str:
    """Return whom the undo is about: what serves on the new side must end, everything else goes back to the old side."""
    is_about_new_side = step is StepName.START or kind is CommandKind.TERMINATE_INSTANCE or step is StepName.MOUNT
    if is_about_new_side and switch.to_instance_id is not None:
        return switch.to_instance_id
    return switch.from_instance_id


@dataclass(frozen=True, slots=True)
class Sides:
    """Which instance clients are to reach, and which no more."""

    to: str | None
    away_from: str | None


def _move(handle: Handle, sides: Sides, wait_seconds: float) -> dict[str, Any]:
    """Say that clients are to reach one side by this handle."""
    waits = {"instance_id": sides.to, "wait_seconds": wait_seconds}
    match HandleKind(handle["kind"]):
        case HandleKind.ELASTIC_IP:
            return {"allocation_id": handle["allocation_id"], "allow_reassociation": True, **waits}
        case HandleKind.SECONDARY_PRIVATE_IP:
            return {"private_ip": handle["private_ip"], **waits}
        case HandleKind.TARGET_GROUP:
            return {**_target(handle), "former_instance_id": sides.away_from, **waits}
        case HandleKind.ROUTE53_RECORD:
            return {**_record(handle), "address": handle["address"], "ttl_seconds": handle["ttl_seconds"], **waits}
        case HandleKind.HOOK:
            return _hook(handle, "take", sides)


def confirm_payload_of(switch: Switch, handle: Handle, moved: Mapping[str, Any], wait_seconds: float) -> dict[str, Any]:
    """Return the question whether a handle leads to the new side; `moved` is what its move brought."""
    sides = Sides(switch.to_instance_id, switch.from_instance_id)
    waits = {"instance_id": sides.to, "wait_seconds": wait_seconds}
    match HandleKind(handle["kind"]):
        case HandleKind.TARGET_GROUP:
            return {**_target(handle), "former_instance_id": sides.away_from, **waits}
        case HandleKind.ROUTE53_RECORD:
            return {**_record(handle), "value": moved.get("value"), "change_id": moved.get("change_id"), **waits}
        case HandleKind.HOOK:
            return _hook(handle, "check", sides)
        case HandleKind.ELASTIC_IP | HandleKind.SECONDARY_PRIVATE_IP:
            raise ValueError(f"{handle['kind']} is asked about by the act that moves it")


def _target(handle: Handle) -> dict[str, Any]:
    return {"target_group_arn": handle["target_group_arn"], "port": handle.get("port")}


def _record(handle: Handle) -> dict[str, Any]:
    return {"hosted_zone_id": handle["hosted_zone_id"], "record_name": handle["record_name"]}


def _hook(handle: Handle, act: str, sides: Sides) -> dict[str, Any]:
    return {
        "name": handle["name"],
        "act": act,
        "instance_id": sides.to,
        "former_instance_id": sides.away_from,
        "bound_seconds": handle["bound_seconds"],
    }
