"""The commands thread: polls, admits, executes the fast lane itself, hands the slow lane on, answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from spot_agent.clock import Clock, Stop
from spot_agent.commands import KINDS
from spot_agent.errors import ServerFailed, ServerUnreachable
from spot_agent.executor import Executor, Progress
from spot_agent.journal import Journal
from spot_agent.link import Answers, Link
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Command, JsonObject, Lane, Role, ServerView
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.ports import CentralApi
from spot_agent.roles import Roles
from spot_agent.rules.commands import Known, Verdict, admit, in_order
from spot_agent.rules.config import effective_settings
from spot_agent.settings import Settings
from spot_agent.slow_lane import SlowLane
from spot_agent.wire import cached_config, parse_command, parse_config

PLAIN_POLLS_AFTER_A_CUT = 5
LEAST_PAUSE_SECONDS = 1.0
_SET_THEIR_OWN_EPOCH = frozenset({"start_serving", "demote"})


@dataclass(frozen=True, slots=True)
class CommandsParts:
    """What the commands thread works with."""

    settings: Settings
    api: CentralApi
    journal: Journal
    live: Live
    link: Link
    answers: Answers
    roles: Roles
    executor: Executor
    slow_lane: SlowLane
    clock: Clock
    stop: Stop
    log: Log


@dataclass(slots=True)
class _Polling:
    """How to poll next. `plain_polls_left`: a long poll was cut on its way, so ask plainly for a while."""

    queue: tuple[Command, ...] = field(default=())
    plain_polls_left: int = 0
    is_room_full: bool = False


class Commands:
    """One step is one poll and at most one command, so that one of higher priority overtakes the rest."""

    def __init__(self, parts: CommandsParts) -> None:
        self._parts = parts
        self._polling = _Polling()

    def step(self) -> Outcome:
        """A command that was delivered is executed also while the server cannot be reached."""
        why_not = self._parts.link.why_not()
        if why_not:
            return Idle(why_not, next_after_seconds=LEAST_PAUSE_SECONDS)
        failed = self._parts.answers.flush()
        waited_seconds, polled = self._poll(at_once=bool(self._polling.queue) or failed is not None)
        if self._parts.stop.is_set():
            return Idle("stopping")
        if self._polling.queue:
            command, *rest = self._polling.queue
            self._polling.queue = tuple(rest)
            return self._take(command)
        return polled or failed or self._idle(waited_seconds)

    def _idle(self, waited_seconds: float) -> Idle:
        if self._is_plain():
            return Idle("no commands")
        pause_seconds = 0.0 if waited_seconds >= LEAST_PAUSE_SECONDS else LEAST_PAUSE_SECONDS
        return Idle("no commands", next_after_seconds=pause_seconds)

    def _poll(self, *, at_once: bool) -> tuple[float, Failed | None]:
        """(seconds it took, why it failed)."""
        config = cached_config(self._parts.journal.read().config)
        wait_seconds = effective_settings(self._parts.settings, config).command_wait_seconds
        if at_once or self._is_plain():
            wait_seconds = 0.0
        began_seconds = self._parts.clock.monotonic_seconds()
        try:
            answer = self._ask(wait_seconds)
        except ServerFailed as error:
            if isinstance(error, ServerUnreachable) and wait_seconds > 0:
                self._polling.plain_polls_left = PLAIN_POLLS_AFTER_A_CUT
            return 0.0, self._parts.link.failed("pending_commands", error)
        if wait_seconds == 0 and not at_once:
            self._polling.plain_polls_left = max(0, self._polling.plain_polls_left - 1)
        self._polling.is_room_full = answer.get("wait_seconds") == 0
        self._receive(answer)
        return self._parts.clock.monotonic_seconds() - began_seconds, None

    def _ask(self, wait_seconds: float) -> JsonObject:
        """While it is parked there is nothing to lose by ending the process."""
        self._parts.live.change(lambda facts: replace(facts, is_parked=wait_seconds > 0))
        try:
            return self._parts.api.pending_commands(wait_seconds)
        finally:
            self._parts.live.change(lambda facts: replace(facts, is_parked=False))

    def _is_plain(self) -> bool:
        return self._polling.plain_polls_left > 0 or self._polling.is_room_full

    def _receive(self, answer: JsonObject) -> None:
        listed = answer.get("commands")
        parsed = [parse_command(body) for body in listed] if isinstance(listed, list) else []
        if None in parsed:
            self._parts.log.failure("command_unreadable", count=parsed.count(None))
        arrived = [command for command in parsed if command is not None]
        self._polling.queue = in_order((*self._polling.queue, *arrived))

    def _take(self, command: Command) -> Outcome:
        self._meet_epoch(command)
        contents = self._parts.journal.read()
        known = Known(self._parts.slow_lane.holds(command.request_id), contents.epoch, KINDS, self._parts.live.server_now())
        admission = admit(command, contents.command(command.request_id), known)
        if admission.verdict is Verdict.IGNORE:
            return Idle("a command in hand was delivered again", next_after_seconds=LEAST_PAUSE_SECONDS)
        if admission.verdict is Verdict.EXECUTE:
            kind = KINDS[command.kind]
            if kind.lane_of(command) is Lane.SLOW:
                self._parts.slow_lane.offer(command)
                return self._did("command_handed_on", command)
            if self._parts.executor.run(command, kind, 0.0).progress is Progress.LEFT:
                return Idle("stopping")
        elif admission.verdict is Verdict.REFUSE:
            self._parts.executor.refuse(command, admission)
        self._answer(command)
        return self._did("command_answered", command)

    def _answer(self, command: Command) -> None:
        """A failure here is no failure of the step: the journal keeps the answer, and each step posts what is open."""
        record = self._parts.journal.read().command(command.request_id)
        if record is not None and record.answer is not None:
            self._parts.answers.post(record)

    @staticmethod
    def _did(event: str, command: Command) -> Did:
        fields = {"command_id": command.command_id, "kind": command.kind}
        return Did(event, fields, next_after_seconds=0.0)

    def _meet_epoch(self, command: Command) -> None:
        """A PRIMARY that hears of a newer epoch asks what it is now; with no answer it is the PRIMARY no more."""
        contents = self._parts.journal.read()
        if command.epoch <= contents.epoch or command.kind in _SET_THEIR_OWN_EPOCH:
            return
        if contents.role is Role.PRIMARY:
            try:
                view = parse_config(self._parts.api.config()).view
            except ServerFailed as error:
                self._parts.log.warning("newer_epoch_unexplained", epoch=command.epoch, error=str(error))
                view = ServerView(Role.ZOMBIE, is_primary=False, epoch=command.epoch)
            self._parts.roles.follow(view)
        self._parts.roles.learn_epoch(command.epoch)
