"""close_sync: the move is over or given up; its keys and its SSH server go."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools
from spot_agent.commands.make_sync_key import move_id
from spot_agent.model import Command


def handle(command: Command, tools: Tools) -> Handled:
    """Repeating it finds nothing left to close."""
    tools.carrier.close(move_id(command))
    return Succeeded({})
