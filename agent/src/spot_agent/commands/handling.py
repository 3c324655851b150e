"""What every command handler gets and gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from spot_agent.clock import Clock, Stop
from spot_agent.errors import ActFailed, ErrorClass, Stopping
from spot_agent.journal import Journal
from spot_agent.model import Command, Identity, JsonObject, Lane
from spot_agent.ports import Ec2, Hooks, Mounts, StateCarrier
from spot_agent.roles import Roles
from spot_agent.stillness import Stillness
from spot_agent.timestamps import from_wire


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers act with."""

    identity: Identity
    ec2: Ec2
    hooks: Hooks
    roles: Roles
    carrier: StateCarrier
    mounts: Mounts
    carry: Callable[[], str]
    """How the state comes along, as the server says now."""

    tell_progress: Callable[[str, JsonObject], None]
    """Report how far an act of a switch is; what does not get through is left out."""

    journal: Journal
    stillness: Stillness
    clock: Clock
    stop: Stop
    hook_bound_seconds: float

    def waited_seconds(self, command: Command) -> float:
        """Seconds since the command was first begun, by the journal, so across restarts; for ever when it is not there."""
        record = self.journal.read().command(command.request_id)
        return inf if record is None else (self.clock.now() - from_wire(record.started_at)).total_seconds()


@dataclass(frozen=True, slots=True)
class Succeeded:
    """`result` as docs/agent-protocol.md names it for the kind."""

    result: JsonObject


@dataclass(frozen=True, slots=True)
class NotYet:
    """Slow lane only: begun, and to be asked again. `reason` is the error's code if waiting ends in vain."""

    reason: str
    ask_again_seconds: float = 5.0


Handled = Succeeded | NotYet
Handle = Callable[[Command, Tools], Handled]
"""Raises ActFailed. Called again after a crash or a NotYet, so it first looks for what an earlier call did."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the command table."""

    handle: Handle
    lane_of: Callable[[Command], Lane]


def fast(_command: Command) -> Lane:
    """Run by the commands thread, at once."""
    return Lane.FAST


def slow(_command: Command) -> Lane:
    """Run by the replica manager's thread, beside the others there."""
    return Lane.SLOW


def pause(tools: Tools, seconds: float) -> None:
    """Wait inside a handler; Stopping when the daemon stops."""
    if tools.stop.wait(seconds):
        raise Stopping


def bad_payload(name: str, wanted: str) -> ActFailed:
    """The command cannot be understood, so it has no effect."""
    return ActFailed(ErrorClass.REFUSED, "bad_payload", f"{name} must be {wanted}")


def text(command: Command, name: str) -> str:
    """A required, non-empty string."""
    value = command.payload.get(name)
    if not isinstance(value, str) or not value:
        raise bad_payload(name, "a non-empty string")
    return value


def optional_text(command: Command, name: str) -> str | None:
    """A string, or None when it is missing or null."""
    return text(command, name) if command.payload.get(name) is not None else None


def seconds(command: Command, name: str, default_seconds: float) -> float:
    """A number of seconds, 0 or more."""
    value = command.payload.get(name, default_seconds)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_payload(name, "a number of seconds")
    return float(value)


def texts(command: Command, name: str) -> tuple[str, ...]:
    """A list of strings; missing is empty."""
    value = command.payload.get(name) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise bad_payload(name, "a list of strings")
    return tuple(value)


def tags(command: Command) -> dict[str, str]:
    """The tags that the server wants on what is made; missing is empty."""
    value = command.payload.get("tags") or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise bad_payload("tags", "an object of strings")
    return dict(value)


def mapping(command: Command, name: str) -> JsonObject:
    """An object; missing or null is empty."""
    value = command.payload.get(name) or {}
    if not isinstance(value, dict):
        raise bad_payload(name, "an object")
    return dict(value)
