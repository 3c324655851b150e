"""quiesce: the primary stops writes and confirms that it serves no more; it stays the PRIMARY."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, seconds
from spot_agent.model import Command
from spot_agent.timestamps import to_wire


def handle(command: Command, tools: Tools) -> Handled:
    """Repeating it stops what is stopped already."""
    tools.roles.quiesce(seconds(command, "bound_seconds", tools.hook_bound_seconds))
    return Succeeded({"serving": False, "quiesced_at": to_wire(tools.clock.now())})
