"""What to do with a command that arrives: the one place that decides whether it may take effect."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from spot_agent.errors import ErrorClass
from spot_agent.journal_contents import CommandRecord
from spot_agent.model import Command

NEVER_TOO_LATE = frozenset({"demote", "release"})


class Verdict(str, Enum):
    """EXECUTE also means: go on with one that a crash cut short."""

    EXECUTE = "execute"
    IGNORE = "ignore"
    ANSWER_AGAIN = "answer_again"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Admission:
    """REFUSE comes with why; the command then has not taken effect."""

    verdict: Verdict
    error_class: ErrorClass = ErrorClass.REFUSED
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the daemon knows when the command arrives. `server_now` is the time on the server's clock."""

    is_in_hand: bool
    epoch: int
    kinds: Collection[str]
    server_now: datetime


def admit(
    command: Command,
    record: CommandRecord | None,
    known: Known,
) -> Admission:
    """A command with an answer is answered again, whatever else holds now.

    One in hand is ignored. One whose epoch is past is refused even if a crash cut it short: its world is gone. One
    that never started is refused after its deadline: the server may have undone what it was part of. Demote and
    release are never too late.
    """
    if record is not None and record.answer is not None:
        return Admission(Verdict.ANSWER_AGAIN)
    if known.is_in_hand:
        return Admission(Verdict.IGNORE)
    if command.epoch < known.epoch:
        message = f"epoch {command.epoch} is older than {known.epoch}"
        return Admission(Verdict.REFUSE, ErrorClass.STALE_EPOCH, "stale_epoch", message)
    if command.kind not in known.kinds:
        return Admission(Verdict.REFUSE, ErrorClass.UNKNOWN_KIND, "unknown_kind", f"no such kind: {command.kind}")
    is_late = command.deadline_at is not None and command.deadline_at < known.server_now
    if record is None and is_late and command.kind not in NEVER_TOO_LATE:
        return Admission(Verdict.REFUSE, ErrorClass.REFUSED, "deadline_passed", "arrived after its deadline")
    return Admission(Verdict.EXECUTE)


def in_order(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Highest priority first; among equals, as they came. A request is listed once."""
    once: dict[str, Command] = {}
    for command in commands:
        once.setdefault(command.request_id, command)
    return tuple(sorted(once.values(), key=lambda command: -command.priority))
