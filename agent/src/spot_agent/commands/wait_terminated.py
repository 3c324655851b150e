"""wait_terminated: the fence. Only `terminated` counts: in shutting-down the system may still write."""

from __future__ import annotations

from spot_agent.commands.describe_instance import STATE_GONE, looked_up
from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, text
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

ASK_AGAIN_SECONDS = 2.0


def handle(command: Command, tools: Tools) -> Handled:
    """`gone` when EC2 no longer knows it, which it does only some time after the termination."""
    instance = looked_up(text(command, "instance_id"), tools)
    state = instance.state if instance else STATE_GONE
    if state not in ("terminated", STATE_GONE):
        return NotYet(f"still_{state.replace('-', '_')}", ASK_AGAIN_SECONDS)
    return Succeeded({"state": state, "observed_at": to_wire(tools.clock.now())})
