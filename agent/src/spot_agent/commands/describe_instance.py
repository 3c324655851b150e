"""describe_instance: EC2's word on another instance."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, pause, text
from spot_agent.ec2_facts import InstanceFacts
from spot_agent.model import Command
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
        }
    )


def looked_up(instance_id: str, tools: Tools) -> InstanceFacts | None:
    """What EC2 says of it; None only after several looks."""
    for looks_left in range(LOOKS - 1, -1, -1):
        instance = tools.ec2.describe_instance(instance_id)
        if instance is not None:
            return instance
        if looks_left:
            pause(tools, LOOK_AGAIN_SECONDS)
    return None
