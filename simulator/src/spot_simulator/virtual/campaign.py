"""Many runs, each from a seed of its own, and what came of all of them."""

from __future__ import annotations

import gc
import signal
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children

from spot_simulator.virtual.coverage import Met
from spot_simulator.virtual.drawing import draw_schedule
from spot_simulator.virtual.figures import Answer
from spot_simulator.virtual.plants import planted
from spot_simulator.virtual.run import Result, play, play_futures
from spot_simulator.virtual.silence import be_silent


@dataclass(slots=True)
class Totals:
    """What all runs together did and measured."""

    seeds: int = 0
    """From which the runs were drawn: one run each, and as many futures of it as were asked for (branching.py)."""
    runs: int = 0
    events: int = 0
    faults: int = 0
    aimed: int = 0
    """Faults that were to strike at a step."""
    missed: Counter[str] = field(default_factory=Counter)
    """Those of them that did not, by step and kind."""
    agent_hours: float = 0.0
    beyond_help: int = 0
    alone: int = 0
    """How often a standby took over by itself while the server was away."""
    moves: Counter[str] = field(default_factory=Counter)
    met: Counter[Met] = field(default_factory=Counter)
    answers: list[Answer] = field(default_factory=list)
    downtimes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    longest_outages: list[float] = field(default_factory=list)
    """Of each run the longest time for which an agent was not served, in seconds, faults or not."""
    broken: dict[int, list[str]] = field(default_factory=dict)
    """What was broken in the runs that broke an invariant, by their seeds."""

    def add(self, result: Result) -> None:
        """Count one more run."""
        self.runs += 1
        self.events += result.event_count
        self.faults += result.faults
        self.aimed += result.aimed
        self.missed.update(result.missed)
        self.agent_hours += result.agent_hours
        self.beyond_help += result.beyond_help
        self.alone += result.alone
        self.moves.update(result.moves)
        self.met.update(result.met)
        self.answers += result.figures.answers
        self.longest_outages.append(result.figures.longest_outage_seconds)
        for name, values in result.figures.downtimes.items():
            self.downtimes[name] += values
        if result.violations:
            told = self.broken.setdefault(result.schedule.seed, [])
            told += [str(violation) for violation in result.violations]

    def add_all(self, other: Totals) -> None:
        """Count the runs of another campaign."""
        for name in ("seeds", "runs", "events", "faults", "aimed", "agent_hours", "beyond_help", "alone"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for counter, others in ((self.missed, other.missed), (self.moves, other.moves)):
            counter.update(others)
        self.met.update(other.met)
        self.answers += other.answers
        self.longest_outages += other.longest_outages
        self.broken.update(other.broken)
        for name, values in other.downtimes.items():
            self.downtimes[name] += values


def results(
    seeds: Iterable[int], processes: int, *, plant: str | None = None, is_fair: bool = False, futures: int = 0
) -> Iterator[list[Result]]:
    """Play the schedules of these seeds, in as many processes, with this defect (plants.py); in the order of the seeds.

    `is_fair` leaves the faults out. `futures`: how many of each run are played as well, at most; they come with it, after it.
    """
    play_seed = partial(_play_seed, plant=plant, is_fair=is_fair, futures=futures)
    if processes == 1:
        yield from map(play_seed, seeds)
        return
    with ProcessPoolExecutor(processes, initializer=_prepare_worker) as pool:
        waiting: deque[Future[list[Result]]] = deque()
        try:
            for seed in seeds:
                waiting.append(pool.submit(play_seed, seed))
                if len(waiting) >= SEEDS_AHEAD * processes:
                    yield waiting.popleft().result()
            yield from (one.result() for one in waiting)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()  # what it plays is wanted by nobody any more


SEEDS_AHEAD = 4
"""So many schedules per process wait for it: whoever has seen enough does not wait for all the others."""
OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Statements are made of many small objects, few of which refer to each other: looking for cycles more often takes a twentieth of a run."""


def prepare() -> None:
    """Make this process ready to play many runs."""
    be_silent()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 50)


def _prepare_worker() -> None:
    """An interruption at the terminal is for the process that counts; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    prepare()


def _play_seed(seed: int, plant: str | None, *, is_fair: bool, futures: int) -> list[Result]:
    with planted(plant):
        schedule = draw_schedule(seed, is_fair=is_fair)
        return play_futures(schedule, futures) if futures else [play(schedule)]
