"""describe_instance: EC2's word on another instance."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, pause, text
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.errors import Ec2Failed
from spot_agent.model import Command, JsonObject
from spot_agent.timestamps import to_wire

STATE_GONE = "gone"
LOOKS = 3
LOOK_AGAIN_SECONDS = 2.0


def handle(command: Command, tools: Tools) -> Handled:
    """`gone` only after several looks: right after a launch EC2 may not know an instance yet."""
    instance = looked_up(text(command, "instance_id"), tools)
    if instance is None:
        return Succeeded({"state": STATE_GONE, "state_reason_code": None, "launched_at": None})
    return Succeeded(
        {
            "state": instance.state,
            "state_reason_code": instance.state_reason_code,
            "launched_at": to_wire(instance.launched_at) if instance.launched_at else None,
            **_status_checks(command, instance, tools),
        }
    )


def _status_checks(command: Command, instance: InstanceFacts, tools: Tools) -> JsonObject:
    """EC2's checks where they are asked for. An instance profile that may not read them still gives EC2's word on the state."""
    if command.payload.get("with_status_checks") is not True or instance.state != "running":
        return {}
    try:
        return {"status_checks": tools.ec2.status_checks(instance.instance_id)}
    except Ec2Failed:
        return {"status_checks": None}


def looked_up(instance_id: str, tools: Tools) -> InstanceFacts | None:
    """What EC2 says of it; None only after several looks."""
    for looks_left in range(LOOKS - 1, -1, -1):
        instance = tools.ec2.describe_instance(instance_id)
        if instance is not None:
            return instance
        if looks_left:
            pause(tools, LOOK_AGAIN_SECONDS)
    return None
