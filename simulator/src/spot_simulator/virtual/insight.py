"""Until when looks come to nothing, told from the rows alone: for loops that remember something, or look too often to be rehearsed.

A rehearsal (foresight.py) asks the product's own code, and costs as much as a look. The loops here look every second or more often, at rows
that one statement reads; what they would make of these rows is told by the product's own rules. Each says less than it might: where rows
leave a doubt, looks are made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from math import inf
from typing import Protocol

from spot_server.features.commands.rules import REDELIVERY_AFTER_SECONDS, is_deliverable
from spot_server.features.control_role.jobs import ControlRoleActs
from spot_server.features.silences.jobs import SilenceWatch
from spot_server.features.silences.listening import LONGEST_PAUSE_SECONDS, listen
from spot_server.features.silences.queries import LOOK_PREFIX
from spot_server.features.silences.rules import silent_together
from spot_server.http.waiting import WaitingRoom, WaitKey
from spot_server.words import Actor, CommandStatus, Role
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import DatabaseServer, moment_of

COMMANDS = frozenset({"commands"})

_OPEN_OF_DAEMONS = (
    "SELECT agent_id, open_instance_id, status, last_delivered_at FROM commands WHERE open_instance_id > '' AND actor = ?",
    (Actor.DAEMON,),
)
_OPEN_OF_CONTROL_ROLE = ("SELECT command_id FROM commands WHERE open_instance_id > '' AND actor = ?", (Actor.CONTROL_ROLE,))
_HEARD = (
    "SELECT agent_id, role, i.last_heartbeat_at, deleted_at IS NULL FROM instances i JOIN agents USING (agent_id) WHERE role IN (?, ?)",
    (Role.PRIMARY, Role.REPLICA),
)
_ASKED = (
    "SELECT DISTINCT agent_id FROM commands WHERE open_instance_id > '' AND request_id >= ? AND request_id < ?",
    (f"{LOOK_PREFIX}/", f"{LOOK_PREFIX}0"),
)


class Insight(Protocol):
    """What is known of one loop."""

    tables: frozenset[str]
    """A change of any other cannot matter."""

    def quiet_seconds(self) -> float:
        """Return for how long from now looks would come to nothing, on the rows as they are; 0 or less when the next one may not."""
        ...


class OfDeliveries:
    """The poller of a web process: it wakes who waits for a command, and forgets tokens that were revoked."""

    tables = COMMANDS | {"tokens"}

    def __init__(self, server: DatabaseServer, clock: ProcessClock, room: WaitingRoom) -> None:
        """Made right after a look. `room` is where requests of this process wait."""
        self._server, self._clock, self._room = server, clock, room
        self._found, _ = self._deliverable()
        self._tokens = server.watch.version({"tokens"})

    def quiet_seconds(self) -> float:
        """Until somebody new, or who waits here, may be given a command, or a token changes."""
        deliverable, seconds = self._deliverable()
        is_wanted = any(key in self._room._waiting for key in deliverable)  # noqa: SLF001 - who waits in a room is nobody else's concern
        is_new = not deliverable <= self._found or self._server.watch.version({"tokens"}) != self._tokens
        return 0.0 if is_wanted or is_new or self._server.is_away else seconds

    def _deliverable(self) -> tuple[frozenset[WaitKey], float]:
        now, deliverable, seconds = self._clock.now(), set(), inf
        for agent_id, instance_id, status, delivered_at in self._server.raw.execute(*_OPEN_OF_DAEMONS):
            last = None if delivered_at is None else moment_of(delivered_at)
            if is_deliverable(CommandStatus(status), last, now):
                deliverable.add((agent_id, instance_id))
            elif last is not None:
                seconds = min(seconds, REDELIVERY_AFTER_SECONDS - (now - last).total_seconds())
        return frozenset(deliverable), seconds


class OfControlRole:
    """The job that carries out the control role's commands."""

    tables = COMMANDS

    def __init__(self, server: DatabaseServer, clock: ProcessClock, acts: ControlRoleActs) -> None:
        """`acts` is the job."""
        self._server, self._clock, self._acts = server, clock, acts

    def quiet_seconds(self) -> float:
        """For as long as there is no command, or until the first is looked at again; none while an act is under way."""
        hand, now_seconds = self._acts._hand, self._clock.monotonic_seconds()  # noqa: SLF001 - what the job remembers
        if self._server.is_away or hand.working:
            return 0.0
        open_ids = [command_id for (command_id,) in self._server.raw.execute(*_OPEN_OF_CONTROL_ROLE)]
        return min((hand.waiting[key].next_look_seconds - now_seconds if key in hand.waiting else 0.0 for key in open_ids), default=inf)


@dataclass(frozen=True, slots=True)
class _Roll:
    """Who was heard when: `silent` primaries by agent, and for how long the others and anybody will count as heard."""

    silent: dict[str, datetime]
    fresh_seconds: list[float]
    anybody_seconds: float


class OfSilences:
    """The watch over silent primaries. What it remembers of having listened is kept up while its looks are left out."""

    tables = frozenset({"instances", "agents", "commands"})

    def __init__(self, server: DatabaseServer, clock: ProcessClock, watch: SilenceWatch, fresh_seconds: float) -> None:
        """`fresh_seconds`: after that a primary is silent."""
        self._server, self._clock, self._watch, self._fresh_seconds = server, clock, watch, fresh_seconds

    def quiet_seconds(self) -> float:
        """Until another primary falls silent, a silence is due to be looked into, or nobody is heard; less than a pause in any case."""
        ear, now_seconds = self._watch._ear, self._clock.monotonic_seconds()  # noqa: SLF001 - what the job remembers, here and below
        roll = self._call_the_roll()
        if ear is None or roll.anybody_seconds <= 0 or not self._server.is_certain:
            return 0.0
        due = self._watch._visits._due_seconds  # noqa: SLF001
        due_seconds = min((due.get(agent_id, now_seconds) - now_seconds for agent_id in roll.silent), default=inf)
        if roll.silent and (due_seconds <= 0 or ear.listened_seconds < self._fresh_seconds or self._is_answered_or_many(roll)):
            return 0.0
        self._watch._ear = listen(ear, now=self._clock.now(), now_seconds=now_seconds, hears_somebody=True)  # noqa: SLF001
        return min(due_seconds, roll.anybody_seconds, LONGEST_PAUSE_SECONDS - MARGIN_SECONDS, *roll.fresh_seconds)

    def _call_the_roll(self) -> _Roll:
        now = self._clock.now()
        roll = _Roll({}, [], -inf)
        for agent_id, role, stored, is_living in self._server.raw.execute(*_HEARD):
            heard_at = moment_of(stored)
            left_seconds = self._fresh_seconds - (now - heard_at).total_seconds()
            roll = replace(roll, anybody_seconds=max(roll.anybody_seconds, left_seconds))
            if role == Role.PRIMARY and left_seconds > 0:
                roll.fresh_seconds.append(left_seconds)
            elif role == Role.PRIMARY and is_living:
                roll.silent[agent_id] = heard_at
        return roll

    def _is_answered_or_many(self, roll: _Roll) -> bool:
        asked = {row[0] for row in self._server.raw.execute(*_ASKED)}
        return asked != self._watch._visits._asked or bool(silent_together(roll.silent, len(roll.fresh_seconds)))  # noqa: SLF001


MARGIN_SECONDS = 5.0
"""A loop that waits for nearly the longest pause is late by a period of its own at most."""
