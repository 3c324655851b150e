"""One run: a schedule played on a fleet, watched all the time, and judged at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.virtual.acts import Acts
from spot_simulator.virtual.aiming import Aim
from spot_simulator.virtual.branching import Branches
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
    shared_seconds: float = 0.0
    """Of a future of a run: how long it was one with it. What is counted and measured here is of the time after that alone."""
    own_faults: int = 0
    """Of a future: how many faults it has that its run has not."""

    @property
    def agent_hours(self) -> float:
        """How long how many agents were simulated."""
        return len(self.schedule.agents) * (self.simulated_seconds - self.shared_seconds) / 3600

    @property
    def event_count(self) -> int:
        """How many events were counted: of a future its own faults, and what its run drew for after its beginning."""
        return self.own_faults + len([one for one in self.schedule.events[self.own_faults :] if one.at_seconds >= self.shared_seconds])


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
        fleet = _put_up(schedule, leaves_out)
        try:
            prepare(fleet)
            result = _Run(schedule, fleet).play()
            look_at_end(fleet)
            return result
        finally:
            fleet.close()


def play_futures(schedule: Schedule, most: int) -> list[Result]:
    """Play a schedule, and up to `most` futures of it, with one to three faults more in each (branching.py); its own result comes first."""
    with seeded_entropy(schedule.seed):
        fleet = _put_up(schedule)
        branches = Branches(schedule, most, [member.name for member in fleet.members])
        try:
            with branches.ending_futures():
                result = _Run(schedule, fleet, branches).play()
                branches.note(result)
            return [result, *branches.results]
        finally:
            fleet.close()


def _put_up(schedule: Schedule, leaves_out: Leaves = Leaves.ALL) -> Fleet:
    has_role, guards = schedule.has_control_role, schedule.guards
    return Fleet(schedule.seed, schedule.agents, has_control_role=has_role, leaves_out=leaves_out, guards=guards)


def _first_wishes(schedule: Schedule) -> Iterator[Event]:
    """What people ask for before anything happens, once every agent has registered."""
    for number, plan in enumerate(schedule.agents):
        if plan.keeps_standby:
            yield Event(SETTLED_IN_SECONDS, Kind.KEEP_STANDBY, number)


class _Run:
    def __init__(self, schedule: Schedule, fleet: Fleet, branches: Branches | None = None) -> None:
        self._schedule, self._fleet, self._branches = schedule, fleet, branches
        self._acts = Acts(fleet, schedule.seed)
        steps = Steps(fleet.database, fleet.scheduler)
        self._coverage = Coverage(fleet, steps)
        self._aim = Aim(fleet, steps, self._strike)
        self._invariants = Invariants(fleet)
        self._violations: list[Violation] = []
        self._seen = (0, 0)
        self._before = _Before()
        if branches is not None:
            self._aim.branch = lambda present, inside: self._branch(branches, present, is_in_transaction=inside)

    def play(self) -> Result:
        for event in (*_first_wishes(self._schedule), *self._schedule.events):
            self._fleet.scheduler.after(event.at_seconds, lambda event=event: self._begin(event))  # type: ignore[misc]
        self._run_until(lambda: self._mended_seconds)
        self._aim.give_up()
        self._acts.mend()
        self._invariants.begin_bounds()
        self._settle(self._mended_seconds + SETTLE_SECONDS)
        if not self._violations:
            self._note(self._invariants.finally_())
        return self._result()

    def _branch(self, branches: Branches, present: Sequence[At], *, is_in_transaction: bool) -> Event | None:
        event = branches.look(present, self._fleet.scheduler.monotonic_seconds(), is_in_transaction=is_in_transaction)
        if event is not None and self._before.at is None:
            # The run itself counts what was until now; only what comes is this future's own.
            scheduler = self._fleet.scheduler
            self._before = _Before(scheduler.monotonic_seconds(), scheduler.now(), frozenset(self._ended_moves()), self._alone())
            self._coverage.forget()
            self._aim.forget()
        return event

    def _ended_moves(self) -> Iterator[str]:
        rows = self._fleet.database.raw.execute("SELECT switch_id FROM switches WHERE status NOT IN ('running', 'rolling_back')")
        return (switch_id for (switch_id,) in rows.fetchall())

    def _alone(self) -> int:
        return int(self._fleet.database.raw.execute(_ALONE).fetchone()[0])

    @property
    def _mended_seconds(self) -> float:
        """When everything is mended: earlier in a future than in the run that it was forked from."""
        return CALM_SECONDS + self._played.eventful_seconds

    @property
    def _played(self) -> Schedule:
        return (self._branches and self._branches.future) or self._schedule

    def _begin(self, event: Event) -> None:
        if self._branches is not None and self._branches.leaves_out(event):
            return
        if AT_STEP in event.facts:
            self._aim.add(event)
        else:
            self._strike(event)

    def _strike(self, event: Event, at: At | None = None) -> None:
        if self._acts.finds_somebody(event):
            victim = self._acts.victim(event)
            self._acts.begin(event)
            self._coverage.begin(event, at, victim)
        elif at is not None:
            self._aim.note_missed(event)

    def _run_until(self, until_seconds: Callable[[], float]) -> None:
        scheduler = self._fleet.scheduler
        while scheduler.monotonic_seconds() < until_seconds() and not self._violations:
            scheduler.run_until(min(until_seconds(), scheduler.monotonic_seconds() + LOOK_SECONDS))
            seen = (len(self._fleet.region.log.entries), self._fleet.database.writes)
            if seen != self._seen:
                self._seen = seen
                self._note(self._invariants.always())

    def _settle(self, until_seconds: float) -> None:
        """Go on until nothing is under way any more, and a little longer; `until_seconds` is the end of patience."""
        scheduler = self._fleet.scheduler
        while scheduler.monotonic_seconds() < until_seconds and not self._violations:
            still_until_seconds = min(until_seconds, scheduler.monotonic_seconds() + STILL_SECONDS)
            self._run_until(lambda until=still_until_seconds: until)  # type: ignore[misc]
            if not self._under_way():
                return

    def _under_way(self) -> bool:
        invariants = self._invariants
        return invariants.is_under_way() or bool(invariants.unserved() or invariants.untold() or invariants.is_left_over())

    def _note(self, violations: list[Violation]) -> None:
        self._violations += violations

    def _result(self) -> Result:
        before = self._before
        rows = self._fleet.database.raw.execute("SELECT switch_id, trigger, status FROM switches").fetchall()
        return Result(
            schedule=self._played,
            violations=tuple(self._violations),
            moves=Counter(f"{trigger} {status}" for switch_id, trigger, status in rows if switch_id not in before.ended_moves),
            met=dict(self._coverage.met),
            faults=self._coverage.faults,
            figures=figures_of(self._fleet, before.at),
            callbacks=self._fleet.scheduler.callbacks_run,
            simulated_seconds=self._fleet.scheduler.monotonic_seconds(),
            history=history_of(self._fleet),
            alone=self._alone() - before.alone,
            aimed=self._aim.aimed,
            missed=tuple(sorted(self._aim.missed)),
            shared_seconds=before.seconds,
            own_faults=self._branches.own_faults if self._branches else 0,
            beyond_help=len(self._invariants.beyond_help()),
        )


@dataclass(frozen=True, slots=True)
class _Before:
    """What had been when a future was forked from its run; nothing, in the run itself."""

    seconds: float = 0.0
    at: datetime | None = None
    ended_moves: frozenset[str] = frozenset()
    alone: int = 0
