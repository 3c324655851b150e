"""Runs one command: the mark before the act, the outcome after it, both in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spot_agent import metrics
from spot_agent.clock import Clock
from spot_agent.commands.handling import Kind, NotYet, Succeeded, Tools, seconds
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass, JournalUnwritable, Stopping
from spot_agent.journal import Change, Journal
from spot_agent.journal_contents import CommandRecord, with_answer, with_started
from spot_agent.logs import Log
from spot_agent.model import Command, JsonObject, Lane
from spot_agent.rules.commands import Admission
from spot_agent.timestamps import from_wire, to_wire

SLOW_WAIT_SECONDS = 900.0
ASK_AGAIN_AFTER_ERROR_SECONDS = 5.0
LONGEST_MESSAGE = 4_096
_STOPPING_KINDS = frozenset({"quiesce", "demote", "release"})
_PASSING = frozenset({ErrorClass.UNREACHABLE, ErrorClass.THROTTLED, ErrorClass.RACE})


class Progress(str, Enum):
    """FINISHED: it has an answer. WAITING: ask again. LEFT: the daemon stops; it is recovered after the next start."""

    FINISHED = "finished"
    WAITING = "waiting"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Ran:
    """How far it got, and when to go on."""

    progress: Progress
    ask_again_seconds: float = 0.0


class Executor:
    """One of the three places that catch everything: an error nobody thought of is an answer, not a silence."""

    def __init__(self, journal: Journal, tools: Tools, clock: Clock, log: Log) -> None:
        self._journal = journal
        self._tools = tools
        self._clock = clock
        self._log = log

    def run(self, command: Command, kind: Kind, waited_seconds: float) -> Ran:
        """`waited_seconds` since this process began with it."""
        try:
            self._mark_started(command)
            handled = kind.handle(command, self._tools)
            if isinstance(handled, NotYet):
                self._require_patience(command, handled.reason, waited_seconds)
                return Ran(Progress.WAITING, handled.ask_again_seconds)
            self._finish(command, handled, None)
        except Stopping:
            return Ran(Progress.LEFT)
        except ActFailed as error:
            if self._may_pass(command, kind, error, waited_seconds):
                return Ran(Progress.WAITING, ASK_AGAIN_AFTER_ERROR_SECONDS)
            self._finish(command, None, error)
        except Exception as error:  # noqa: BLE001 - see the class
            self._log.failure("command_raised", traceback=True, command_id=command.command_id, kind=command.kind)
            self._finish(command, None, ActFailed(ErrorClass.UNEXPECTED, type(error).__name__, str(error)))
        return Ran(Progress.FINISHED)

    def refuse(self, command: Command, admission: Admission) -> None:
        """Answer a command that may not take effect."""
        record = _record(command, to_wire(self._clock.now()))
        self._save(lambda now: with_started(now, record))
        self._finish(command, None, ActFailed(admission.error_class, admission.code, admission.message))

    def _mark_started(self, command: Command) -> None:
        record = _record(command, to_wire(self._clock.now()))
        try:
            self._journal.change(lambda now: with_started(now, record))
        except JournalUnwritable as error:
            if command.kind not in _STOPPING_KINDS:
                raise ActFailed(ErrorClass.UNEXPECTED, "journal_unwritable", str(error)) from error
            self._log.failure("journal_unwritable", error=str(error))

    def _finish(self, command: Command, succeeded: Succeeded | None, error: ActFailed | None) -> None:
        record = self._journal.read().command(command.request_id)
        started_at = record.started_at if record else to_wire(self._clock.now())
        answer: JsonObject = {
            "request_id": command.request_id,
            "outcome": "succeeded" if succeeded else "failed",
            "error": _error_on_the_wire(error) if error else None,
            "result": succeeded.result if succeeded else {},
            "started_at": started_at,
            "finished_at": to_wire(self._clock.now()),
        }
        self._save(lambda now: with_answer(now, command.request_id, answer))
        is_known = error is None or error.error_class is not ErrorClass.UNKNOWN_KIND
        kind = command.kind if is_known else "unknown"
        metrics.COMMANDS.add(kind, answer["outcome"])
        metrics.COMMAND_SECONDS.observe(_seconds_between(started_at, answer["finished_at"]), kind)
        self._log.info(
            "command_finished",
            command_id=command.command_id,
            kind=command.kind,
            outcome=answer["outcome"],
            error_class=error.error_class.value if error else None,
            code=error.code if error else None,
        )

    def _require_patience(self, command: Command, reason: str, waited_seconds: float) -> None:
        if waited_seconds >= seconds(command, "wait_seconds", SLOW_WAIT_SECONDS):
            raise ActFailed(ErrorClass.RACE, reason, f"not done after {waited_seconds:.0f} s")

    def _may_pass(self, command: Command, kind: Kind, error: ActFailed, waited_seconds: float) -> bool:
        """Only EC2's own passing troubles, only in the slow lane, only while there is time."""
        if kind.lane_of(command) is not Lane.SLOW or not isinstance(error, Ec2Failed):
            return False
        wait_seconds = command.payload.get("wait_seconds", SLOW_WAIT_SECONDS)
        return error.error_class in _PASSING and isinstance(wait_seconds, int | float) and waited_seconds < wait_seconds

    def _save(self, change: Change) -> None:
        """An answer that cannot be saved still goes out from memory."""
        try:
            self._journal.change(change)
        except JournalUnwritable as error:
            self._log.failure("journal_unwritable", error=str(error))


def _seconds_between(started_at: str, finished_at: str) -> float:
    """By the wall clock, as a restart may lie between them; never negative."""
    return max(0.0, (from_wire(finished_at) - from_wire(started_at)).total_seconds())


def _record(command: Command, started_at: str) -> CommandRecord:
    return CommandRecord(command.request_id, command.command_id, command.kind, started_at)


def _error_on_the_wire(error: ActFailed) -> JsonObject:
    return {"class": error.error_class.value, "code": error.code, "message": error.message[-LONGEST_MESSAGE:]}
