"""resume: the undo of quiesce."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, seconds
from spot_agent.model import Command
from spot_agent.timestamps import to_wire


def handle(command: Command, tools: Tools) -> Handled:
    """Refused unless this instance is the PRIMARY."""
    tools.roles.resume(seconds(command, "bound_seconds", tools.hook_bound_seconds))
    return Succeeded({"serving": True, "serving_at": to_wire(tools.clock.now())})
