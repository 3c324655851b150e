"""Many futures of one run: where a move first comes to a step the process forks, and faults strike in the child alone, there and later.

Each future is a schedule of its own, which can be played from its beginning and comes to the same (a test holds that): it has the run's
events up to a while after the first of these faults, and one to three events more. What it shares with its run is computed once. Most of
what a run costs is the way to its faults, so that ten futures cost little more than two or three runs.
"""

from __future__ import annotations

import math
import os
import pickle
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from spot_server.words import Carry, SwitchTrigger
from spot_simulator.virtual.cells import Cell, Row, carries_with, why_never_met
from spot_simulator.virtual.disturbances import draw_aimed, happens
from spot_simulator.virtual.schedule import AT_MOVE, CALM_SECONDS, FAULTS, LASTING, SHORT_WAIT_SECONDS, Event, Kind, Schedule
from spot_simulator.virtual.steps import At

if TYPE_CHECKING:
    from spot_simulator.virtual.run import Result

TAIL_SECONDS = 600.0
"""For so long after its fault a future goes on as drawn: most moves are over by then. Then all is mended, and must settle."""
STEPS_OF_A_RUN = 40
"""About so many steps do the moves of a run come to: each begins this part of the futures that are wanted, times its weight."""
ROLLBACK_BACK_WEIGHT, BACK_WEIGHT, ROLLBACK_WEIGHT, OWN_WEIGHT, COMMON_WEIGHT = 12.0, 4.0, 3.0, 2.0, 0.6
"""The rarer runs come to a step, the more. In 275 schedules with one weight for all that is not taken back, the steps of a
rollback that is taken back were met 14 times, the image of a planned move 237 times."""
COMMON_PART = 0.7
"""Of the futures of a run at most this part begins at steps that are not taken back: those come first, and leave nothing."""
FEW_AGENTS = 5
MORE_PROBABILITY, MOST_MORE = 0.2, 2
"""That a step which a move first comes to in a future is struck as well, and how often at most: troubles seldom come alone."""
MOMENTARY_TIMES = 4
"""So much likelier is a fault of a moment: what lasts meets the steps after its own as well."""
BLOW_PROBABILITY = 0.15
"""That the transaction in which a step begins is struck as well: one kind of fault of eighteen, in a look of its own."""
EXIT_BROKEN = 70


class FutureFailed(Exception):
    """A child ended without its result: a defect of the simulation, told on its standard error."""


@dataclass(slots=True)
class Branches:
    """Forks a run that is being played, up to `most` times, and collects what came of its futures."""

    schedule: Schedule
    most: int
    names: Sequence[str]
    """Of the agents, in the order of the schedule."""
    results: list[Result] = field(default_factory=list)
    future: Schedule | None = None
    """In a child: what is being played there. None: this is the run itself."""
    own_faults: int = 0
    """How many faults the future has that its run has not."""
    _began_at: str = ""
    _seen: set[tuple[str, Row, bool]] = field(default_factory=set)
    _answer_to: int = -1
    _is_answered: bool = False

    def look(self, present: Sequence[At], now_seconds: float, *, is_in_transaction: bool) -> Event | None:
        """Return the fault that strikes now, in a child; in the run itself always None.

        Whatever the run does while it looks here is done in both: nothing here draws from the run's own randomness.
        """
        unseen = [at for at in present if (at.agent, at.row, is_in_transaction) not in self._seen]
        # All of them: what a child does not draw for now has come to its step all the same.
        self._seen.update((at.agent, at.row, is_in_transaction) for at in unseen)
        if self.future is None:
            return self._begin_futures(unseen, now_seconds, is_in_transaction=is_in_transaction)
        for at in unseen:
            for event in self._draw(at, self._part_of_more, is_in_transaction=is_in_transaction):
                self.future = _with(self.future, event, self.own_faults)
                self.own_faults += 1
                return event
        return None

    def _begin_futures(self, unseen: Sequence[At], now_seconds: float, *, is_in_transaction: bool) -> Event | None:
        for at in unseen:
            weight = weight_of(at.row)
            most = self.most if weight >= BACK_WEIGHT else math.ceil(self.most * COMMON_PART)
            for event in self._draw(at, self._share * self.most / STEPS_OF_A_RUN * weight, is_in_transaction=is_in_transaction):
                if len(self.results) < most and self._fork():
                    self.future = future_of(self.schedule, event, now_seconds)
                    self._began_at, self.own_faults = f"{at.row} {event.kind}", 1
                    return event
        return None

    def _draw(self, at: At, wanted: float, *, is_in_transaction: bool) -> Iterator[Event]:
        """Draw about so many faults for a step, each of another kind."""
        agent, row = self.names.index(at.agent), at.row
        dice = random.Random(f"future-{self.schedule.seed}-{self._began_at}-{agent}-{row}-{is_in_transaction}")
        wanted *= BLOW_PROBABILITY if is_in_transaction else 1.0
        count = math.floor(wanted) + happens(dice, wanted % 1.0)
        kinds = [kind for kind in FAULTS if (kind is Kind.TRANSACTION_BLOW) is is_in_transaction and self._may_meet(row, kind)]
        for _ in range(min(count, len(kinds))):
            kind = dice.choices(kinds, [1 if kind in LASTING else MOMENTARY_TIMES for kind in kinds])[0]
            kinds.remove(kind)
            event = draw_aimed(dice, kind, row, CALM_SECONDS, agent, self.schedule.agents[agent])
            yield replace(event, facts={**event.facts, AT_MOVE: row.trigger.value})

    @property
    def _part_of_more(self) -> float:
        return MORE_PROBABILITY if self.own_faults <= MOST_MORE else 0.0

    @property
    def _share(self) -> float:
        """Fewer where each costs more: in a large fleet, and where the end waits half an hour for old instances."""
        agents = self.schedule.agents
        return min(1.0, FEW_AGENTS / len(agents)) * min(1.0, SHORT_WAIT_SECONDS / max(plan.terminate_wait_seconds for plan in agents))

    def _may_meet(self, row: Row, kind: Kind) -> bool:
        if kind is Kind.ROLE_CUT_FROM_EC2 and not self.schedule.has_control_role:
            return False
        return why_never_met(Cell(row, kind)) is None

    def _fork(self) -> bool:
        """Return True in the child. The parent waits for its result: one process of a run works at a time."""
        reading, writing = os.pipe()
        drawn = random.getstate()
        child = os.fork()
        if child == 0:
            # Python seeds its generator anew in a child, which would go another way than the schedule played from its beginning.
            random.setstate(drawn)
            os.close(reading)
            self._answer_to = writing
            return True
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            said = answer.read()
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise FutureFailed(f"seed {self.schedule.seed}: a future ended with {os.waitstatus_to_exitcode(status)}")
        self.results.append(cast("Result", pickle.loads(said)))  # noqa: S301 - our own child wrote it
        return False

    def leaves_out(self, event: Event) -> bool:
        """Tell whether an event of the run comes too late for the future that is being played."""
        return self.future is not None and event.at_seconds >= CALM_SECONDS + self.future.eventful_seconds

    @contextmanager
    def ending_futures(self) -> Iterator[None]:
        """End the child at the end of the block, whatever happens in it: nothing that comes after is to be done twice."""
        try:
            yield
        except BaseException:
            if self.future is None:
                raise
            traceback.print_exc()
        if self.future is not None:
            sys.stderr.flush()
            os._exit(0 if self._is_answered else EXIT_BROKEN)

    def note(self, result: Result) -> None:
        """Give the parent what came of the future that is being played, if one is."""
        if self.future is not None:
            with os.fdopen(self._answer_to, "wb") as answer:
                answer.write(pickle.dumps(result))
            self._is_answered = True


def weight_of(row: Row) -> float:
    """Return how many futures such a step is to begin, compared with others."""
    if row.is_undo:
        return ROLLBACK_BACK_WEIGHT if row.trigger is SwitchTrigger.ROLLBACK else BACK_WEIGHT
    if row.trigger is SwitchTrigger.ROLLBACK:
        return ROLLBACK_WEIGHT
    return OWN_WEIGHT if row.trigger is SwitchTrigger.FAILOVER or len(carries_with(row.trigger, row.step)) < len(Carry) else COMMON_WEIGHT


def future_of(schedule: Schedule, event: Event, struck_seconds: float) -> Schedule:
    """Return the schedule in which this fault strikes as well: as drawn until a while after it, then mended."""
    after_seconds = math.ceil(struck_seconds) + TAIL_SECONDS - CALM_SECONDS
    eventful_seconds = min(schedule.eventful_seconds, after_seconds)
    until_seconds = CALM_SECONDS + eventful_seconds
    drawn = tuple(one for one in schedule.events if one.at_seconds < until_seconds)
    return replace(schedule, events=(event, *drawn), eventful_seconds=eventful_seconds)


def _with(future: Schedule, event: Event, number: int) -> Schedule:
    """Return a future with one fault more, behind the first `number` ones of its own."""
    return replace(future, events=(*future.events[:number], event, *future.events[number:]))
