"""When a loop of the server will next find something to do: told by what its look compared with the time, or by a look that is undone.

What a look does depends on the rows that it reads and on the time. So a look that came to nothing is left out from then on until one of
these is so: one of its questions has another answer, or the time has come at which it would act on the rows as they are. That time is
not written down anywhere. A look that is made with watched moments tells of every limit that it met (limits.py): before the first of them
it would come to nothing again. Where it did with the time what is not seen, or who is heard matters, the product's own code is rehearsed
for a time just before, on a clock that is ahead; so it is for jobs whose looks take time and are not watched.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, TypeVar

from spot_server.db.runner import Database, Transaction
from spot_server.policy import MovePolicy
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import HEARD_AGAIN, DatabaseServer, stored
from spot_simulator.virtual.entropy import rehearsed_entropy
from spot_simulator.virtual.limits import Limits
from spot_simulator.virtual.patience import EXACTLY_SECONDS
from spot_simulator.virtual.questions_of_now import QuestionsOfNow
from spot_simulator.virtual.table_watch import Question, TableWatch

T = TypeVar("T")

_HEARTBEAT = "last_heartbeat_at"
_OF_A_HEARTBEAT = frozenset({_HEARTBEAT, "heard_at", "reported_resources", "clock_skew_seconds", "last_delivered_at"})
"""The columns in which a quiet heartbeat, or a command's repeated delivery, differs from the one before it."""
_UNCOUNTED = (_HEARTBEAT, "reported_resources", "leases")
"""What quiet heartbeats and the renewal of the lease change past those who count changes."""
_AGE = re.compile(r'"age_seconds": ?[0-9.e+-]+')
"""In what an instance reports: how old its look at EC2 is."""
NEAR_SECONDS = 30.0
"""A daemon that was heard a heartbeat (30 s) ago is still given work (75 s) after so long."""
NEARER_RATIO = 4.0
"""Where a look would act, it is rehearsed for so many times less ahead: a look too early costs less than to find out when it is due."""
HEARD_WITHIN_SECONDS = 45.0
"""Whoever was silent for longer than a heartbeat and a half is not taken to be heard later; an outlook ends when that is somebody new."""
LITTLE_SKEW_SECONDS = 1.0
"""A clock that is said to be off by so much more or less than before was not set: the request took another time."""


class WouldAct(BaseException):
    """The rehearsed look would come to something. Not an Exception: nothing that the product does may hold it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    question: Question
    rows: list[tuple[Any, ...]]
    masked: frozenset[int]
    """Where in a row the columns of a heartbeat are."""
    version: int | None
    """Of the tables that it is about; None where it also depends on what is changed without being counted: who was heard when."""

    def differs_only_in_heartbeats(self, rows: list[tuple[Any, ...]]) -> bool:
        if not self.masked or len(rows) != len(self.rows):
            return False
        return all(
            before == after or (position in self.masked and _is_little(before, after))
            for row_before, row_after in zip(self.rows, rows, strict=True)
            for position, (before, after) in enumerate(zip(row_before, row_after, strict=True))
        )


def _is_little(before: object, after: object) -> bool:
    """Whether two values of a heartbeat's column tell of nothing new; numbers are skews."""
    if isinstance(before, float) and isinstance(after, float):
        return abs(before - after) < LITTLE_SKEW_SECONDS
    if isinstance(before, str) and isinstance(after, str) and before.startswith("{"):
        return _AGE.sub("", before, 1) == _AGE.sub("", after, 1)
    return before is not None and after is not None


class Sight:
    """Questions, and the answers that they have now."""

    def __init__(self, raw: sqlite3.Connection, watch: TableWatch, questions: Iterable[Question]) -> None:
        """Ask them all on `raw`, whose changes `watch` counts."""
        self._raw, self._watch = raw, watch
        self._answers = [self._ask(question) for question in dict.fromkeys(questions)]

    def is_as_it_was(self) -> bool:
        """Ask again, and compare; let it pass that somebody was heard again who has nothing new to say."""
        for answer in self._answers:
            if answer.version is not None and self._version(answer.question) == answer.version:
                continue
            rows = self._raw.execute(*answer.question).fetchall()
            if rows != answer.rows and not answer.differs_only_in_heartbeats(rows):
                return False
        return True

    def _ask(self, question: Question) -> _Answer:
        cursor = self._raw.execute(*question)
        masked = frozenset(position for position, column in enumerate(cursor.description) if column[0] in _OF_A_HEARTBEAT)
        is_counted = not any(name in question[0] for name in _UNCOUNTED)
        return _Answer(question, cursor.fetchall(), masked, self._version(question) if is_counted else None)

    def _version(self, question: Question) -> int:
        return self._watch.version(self._watch.tables_of(question[0]))


@dataclass(frozen=True, slots=True)
class Outlook:
    """Until `until_seconds` (steady time) there is nothing to do, for as long as the rest is as it was."""

    until_seconds: float
    is_near_its_end: bool
    """Whether something is to be done not long after."""
    sight: Sight
    version: int
    """Of what stands among the tables for things that no question is about: how often they had changed."""
    heard: frozenset[str] | None
    """The instances that were heard of late, and are taken to be heard from then on; None where no question is about that."""


class Foresight:
    """Rehearses the looks of one process."""

    def __init__(self, server: DatabaseServer, clock: ProcessClock, policy: MovePolicy) -> None:
        """`clock` is that of the process."""
        self._server, self._clock = server, clock
        self.later = LaterClock(clock)
        self.database = _RehearsedDatabase(server, self.later, policy)
        """Gives the rows of now at the time of `later`."""

    def look_ahead(
        self,
        rehearse: Callable[[], None],
        ahead_seconds: float,
        period_seconds: float,
        besides: frozenset[str],
        limits: Limits | None = None,
    ) -> Outlook:
        """Rehearse a look that has just come to nothing, up to `ahead_seconds` ahead. `rehearse` raises WouldAct, or whatever else.

        `besides`: what it depends on beside rows and the time. `limits`: what that look met, if it was watched.
        What would not act at a time would not have acted before, on the same rows: limits are passed, and not passed again. That does
        not hold where an act needs a daemon: rehearsed for a time far ahead, none was heard of late. So what is that far ahead is rehearsed
        as if all daemons were heard then that are heard now; and nothing is foreseen beyond the silence of one of them.
        """
        questions = list(self._server.watch.asked)
        now_seconds = self._clock.monotonic_seconds()
        quiet_seconds = None
        if limits is not None:
            quiet_seconds = self._until_limit(rehearse, ahead_seconds, period_seconds, questions, limits)
        if quiet_seconds is None:
            quiet_seconds = self._find_quiet(rehearse, ahead_seconds, period_seconds, questions)
        sight = Sight(self._server.raw, self._server.watch, questions)
        heard = frozenset(self.listen()) if _are_about_heartbeats(questions) else None
        ticks = max(1, int(quiet_seconds / period_seconds))
        is_near_its_end = quiet_seconds < ahead_seconds
        return Outlook(now_seconds + ticks * period_seconds, is_near_its_end, sight, self._server.watch.version(besides), heard)

    def _until_limit(
        self, rehearse: Callable[[], None], ahead_seconds: float, period_seconds: float, questions: list[Question], limits: Limits
    ) -> float | None:
        """Return the tick at which the first limit is met; None where something would be done before that."""
        ticks = ceil(min(limits.next_seconds, ahead_seconds) / period_seconds - EXACTLY_SECONDS)
        asked = QuestionsOfNow(self._server.raw, questions, limits.texts)
        ticks = asked.besides(_HEARTBEAT).find_other_answer(ticks, period_seconds)
        quiet_seconds = (ticks - 1) * period_seconds
        if quiet_seconds <= 0:
            return period_seconds
        goes_on = quiet_seconds > NEAR_SECONDS and _are_about_heartbeats(questions)
        is_seen = not goes_on and not limits.has_leaked and asked.are_answered_alike_in(quiet_seconds)
        if is_seen or not self._would_act(rehearse, quiet_seconds, questions, goes_on=goes_on):
            return ticks * period_seconds
        return None

    def _find_quiet(self, rehearse: Callable[[], None], ahead_seconds: float, period_seconds: float, questions: list[Question]) -> float:
        """Return how far ahead nothing would be done; that may be less than there is. Add what was asked to `questions`."""
        if not _are_about_heartbeats(questions):
            quiet_seconds = self._reach(rehearse, ahead_seconds, period_seconds, questions, goes_on=False)
            if not _are_about_heartbeats(questions):  # what is asked may depend on how far ahead it is
                return quiet_seconds
        near_seconds = min(ahead_seconds, NEAR_SECONDS)
        if self._would_act(rehearse, near_seconds, questions, goes_on=False):
            return self._find_acting(rehearse, near_seconds, period_seconds, questions)
        if near_seconds == ahead_seconds:
            return near_seconds
        return self._reach(rehearse, ahead_seconds, near_seconds, questions, goes_on=True)

    def _find_acting(self, rehearse: Callable[[], None], acting_seconds: float, period_seconds: float, questions: list[Question]) -> float:
        """Return when something is done first, in `acting_seconds` at the latest: what comes so soon is seldom forestalled."""
        quiet, acting = 0, max(1, int(acting_seconds / period_seconds))
        while acting - quiet > 1:
            middle = (quiet + acting) // 2
            if self._would_act(rehearse, middle * period_seconds, questions, goes_on=False):
                acting = middle
            else:
                quiet = middle
        return acting * period_seconds

    def _reach(
        self, rehearse: Callable[[], None], ahead_seconds: float, least_seconds: float, questions: list[Question], *, goes_on: bool
    ) -> float:
        """Return a time ahead at which nothing would be done, up to `ahead_seconds`; `least_seconds` when there is none beyond that."""
        while self._would_act(rehearse, ahead_seconds, questions, goes_on=goes_on):
            ahead_seconds /= NEARER_RATIO
            if ahead_seconds <= least_seconds:
                return least_seconds
        return ahead_seconds

    def heard_moments(self) -> set[datetime]:
        """Return when those were last heard who are taken to be heard on."""
        return {heard_at for _, heard_at in self._heard_of_late(self._clock.now())}

    def _heard_of_late(self, now: datetime) -> list[tuple[str, datetime]]:
        return self._server.heard_since(now - timedelta(seconds=HEARD_WITHIN_SECONDS))

    def listen(self) -> dict[str, float]:
        """Return for how many seconds from now each instance that is heard will count as heard when it says no more."""
        now = self._clock.now()
        heard = self._heard_of_late(now)
        return {instance_id: HEARD_WITHIN_SECONDS - (now - heard_at).total_seconds() for instance_id, heard_at in heard}

    def _would_act(self, rehearse: Callable[[], None], ahead_seconds: float, questions: list[Question], *, goes_on: bool) -> bool:
        """`goes_on`: whether daemons that are heard now are heard until then."""
        watch = self._server.watch
        self.later.ahead_seconds = ahead_seconds
        self.database.goes_on = goes_on
        watch.begin()
        watch.is_rehearsal = True
        try:
            with rehearsed_entropy():
                rehearse()
        except (WouldAct, Exception):  # noqa: BLE001 - what fails must be seen to fail in earnest
            return True
        finally:
            watch.is_rehearsal = False
        questions += watch.asked
        return False


def _are_about_heartbeats(questions: Iterable[Question]) -> bool:
    return any(_HEARTBEAT in statement for statement, _ in questions)


class LaterClock:
    """A process's clock, ahead by some seconds."""

    def __init__(self, clock: ProcessClock) -> None:
        """Not ahead."""
        self._clock = clock
        self.ahead_seconds = 0.0

    def now(self) -> datetime:
        """Return the wall time then."""
        return self._clock.now() + timedelta(seconds=self.ahead_seconds)

    def monotonic_seconds(self) -> float:
        """Return the steady time then."""
        return self._clock.monotonic_seconds() + self.ahead_seconds

    def sleep(self, duration_seconds: float) -> None:
        """Nothing waits in a rehearsal."""
        raise WouldAct


class _RehearsedDatabase(Database):
    """Every transaction is rolled back; one that changed a row ends the rehearsal."""

    def __init__(self, server: DatabaseServer, clock: LaterClock, policy: MovePolicy) -> None:
        super().__init__(server.one_connection, clock=clock, sleeper=clock, policy=policy)
        self._later = clock
        self._server = server
        self.goes_on = False

    def _attempt(self, use_case: Callable[[Transaction], T], *, is_write: bool) -> T:
        del is_write
        with self.engine.connect() as connection, connection.begin() as transaction:
            tx = Transaction(connection, self._clock.now(), self.policy)
            try:
                if self.goes_on:
                    self._let_be_heard(tx.now)
                result = use_case(tx)
            finally:
                transaction.rollback()
            if self._server.watch.rehearsed_changes or tx.pending_events:
                raise WouldAct
            return result

    def _let_be_heard(self, then: datetime) -> None:
        """Write, for the length of this transaction, that all who are heard now are heard then."""
        heard_since = then - timedelta(seconds=self._later.ahead_seconds + HEARD_WITHIN_SECONDS)
        self._server.raw.execute(f"{HEARD_AGAIN} WHERE last_heartbeat_at >= ?2", (stored(then), stored(heard_since)))
