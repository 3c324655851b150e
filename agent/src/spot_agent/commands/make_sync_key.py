"""make_sync_key: a key pair for one move, made on the old primary; its private half never leaves it."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, seconds, text
from spot_agent.model import Command
from spot_agent.rules.rsync import is_move_id

SESSION_SECONDS = 7_200.0


def handle(command: Command, tools: Tools) -> Handled:
    """Repeating it returns the same key."""
    return Succeeded({"public_key": tools.carrier.make_key(move_id(command), seconds(command, "session_seconds", SESSION_SECONDS))})


def move_id(command: Command) -> str:
    """The move that a key, a receiver and the passes belong to."""
    value = text(command, "move_id")
    if not is_move_id(value):
        raise bad_payload("move_id", "1 to 64 letters, digits, dashes or underscores")
    return value
