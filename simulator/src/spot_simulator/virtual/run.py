"""One run: a schedule played on a fleet, watched all the time, and judged at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spot_simulator.virtual.acts import Acts
from spot_simulator.virtual.aiming import Aim
from spot_simulator.virtual.coverage import Coverage, Met
from spot_simulator.virtual.entropy import seeded_entropy
from spot_simulator.virtual.figures import Figures
from spot_simulator.virtual.fleet import Fleet
from spot_simulator.virtual.history import Happening, history_of
from spot_simulator.virtual.invariants import Invariants
from spot_simulator.virtual.judging import Violation
from spot_simulator.virtual.measuring import figures_of
from spot_simulator.virtual.schedule import AT_STEP, CALM_SECONDS, SETTLE_SECONDS, SETTLED_IN_SECONDS, Event, Kind, Schedule
from spot_simulator.virtual.steps import At, Steps
from spot_simulator.virtual.ways import Leaves

LOOK_SECONDS = 1.0
"""The world is looked at once a second where anything happened."""

STILL_SECONDS = 300.0
"""How long nothing must have been under way before a run is called settled: longer than any period of the product that looks again."""
_ALONE = "SELECT count(*) FROM notifications WHERE kind = 'taken_over_alone'"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run. `violations` are empty when everything held."""

    schedule: Schedule
    violations: tuple[Violation, ...]
    moves: dict[str, int]
    met: dict[Met, int]
    """How often which step of which move was met by which kind of fault."""
    faults: int
    """How many faults there were; one whose step never came, or that found nobody, is none."""
    figures: Figures
    callbacks: int
    simulated_seconds: float
    beyond_help: int = 0
    """How many agents had no instance left at the end, with nothing to make one from or nobody who may."""
    history: tuple[Happening, ...] = ()
    alone: int = 0
    """How often a standby took over by itself while the server was away."""
    aimed: int = 0
    """How many faults were to strike at a step."""
    missed: tuple[str, ...] = ()
    """Those of them that did not: the step at which they waited, and their kind."""

    @property
    def agent_hours(self) -> float:
        """How long how many agents were simulated."""
        return len(self.schedule.agents) * self.simulated_seconds / 3600


def _leave(_fleet: Fleet) -> None:
    """Do nothing."""


def play(
    schedule: Schedule,
    *,
    leaves_out: Leaves = Leaves.ALL,
    prepare: Callable[[Fleet], None] = _leave,
    look_at_end: Callable[[Fleet], None] = _leave,
) -> Result:
    """Play a schedule from its seed; the same schedule gives the same result.

    `prepare` gets the fleet before anything happens, `look_at_end` when all is over.
    """
    with seeded_entropy(schedule.seed):
        fleet = Fleet(schedule.seed, schedule.agents, has_control_role=schedule.has_control_role, leaves_out=leaves_out)
        try:
            prepare(fleet)
            result = _Run(schedule, fleet).play()
            look_at_end(fleet)
            return result
        finally:
            fleet.close()


def _first_wishes(schedule: Schedule) -> Iterator[Event]:
    """What people ask for before anything happens, once every agent has registered."""
    for number, plan in enumerate(schedule.agents):
        if plan.keeps_standby:
            yield Event(SETTLED_IN_SECONDS, Kind.KEEP_STANDBY, number)


class _Run:
    def __init__(self, schedule: Schedule, fleet: Fleet) -> None:
        self._schedule, self._fleet = schedule, fleet
        self._acts = Acts(fleet, schedule.seed)
        steps = Steps(fleet.database, fleet.scheduler)
        self._coverage = Coverage(fleet, steps)
        self._aim = Aim(fleet, steps, self._strike)
        self._invariants = Invariants(fleet)
        self._violations: list[Violation] = []
        self._seen = (0, 0)

    def play(self) -> Result:
        for event in (*_first_wishes(self._schedule), *self._schedule.events):
            self._fleet.scheduler.after(event.at_seconds, lambda event=event: self._begin(event))  # type: ignore[misc]
        mended_seconds = CALM_SECONDS + self._schedule.eventful_seconds
        self._run_until(mended_seconds)
        self._aim.give_up()
        self._acts.mend()
        self._settle(mended_seconds + SETTLE_SECONDS)
        if not self._violations:
            self._note(self._invariants.finally_())
        return self._result()

    def _begin(self, event: Event) -> None:
        if AT_STEP in event.facts:
            self._aim.add(event)
        else:
            self._strike(event)

    def _strike(self, event: Event, at: At | None = None) -> None:
        if self._acts.finds_somebody(event):
            self._acts.begin(event)
            self._coverage.begin(event, at)
        elif at is not None:
            self._aim.note_missed(event)

    def _run_until(self, until_seconds: float) -> None:
        scheduler = self._fleet.scheduler
        while scheduler.monotonic_seconds() < until_seconds and not self._violations:
            scheduler.run_until(min(until_seconds, scheduler.monotonic_seconds() + LOOK_SECONDS))
            seen = (len(self._fleet.region.log.entries), self._fleet.database.writes)
            if seen != self._seen:
                self._seen = seen
                self._note(self._invariants.always())

    def _settle(self, until_seconds: float) -> None:
        """Go on until nothing is under way any more, and a little longer; `until_seconds` is the end of patience."""
        scheduler = self._fleet.scheduler
        while scheduler.monotonic_seconds() < until_seconds and not self._violations:
            self._run_until(min(until_seconds, scheduler.monotonic_seconds() + STILL_SECONDS))
            if not self._under_way():
                return

    def _under_way(self) -> bool:
        return self._fleet.database.is_something_under_way() or bool(self._invariants.unserved() or self._invariants.untold())

    def _note(self, violations: list[Violation]) -> None:
        self._violations += violations

    def _result(self) -> Result:
        rows = self._fleet.database.raw.execute("SELECT trigger, status, count(*) FROM switches GROUP BY trigger, status").fetchall()
        return Result(
            schedule=self._schedule,
            violations=tuple(self._violations),
            moves={f"{trigger} {status}": count for trigger, status, count in rows},
            met=dict(self._coverage.met),
            faults=self._coverage.faults,
            figures=figures_of(self._fleet),
            callbacks=self._fleet.scheduler.callbacks_run,
            simulated_seconds=self._fleet.scheduler.monotonic_seconds(),
            history=history_of(self._fleet),
            alone=int(self._fleet.database.raw.execute(_ALONE).fetchone()[0]),
            aimed=self._aim.aimed,
            missed=tuple(sorted(self._aim.missed)),
            beyond_help=len(self._invariants.beyond_help()),
        )
