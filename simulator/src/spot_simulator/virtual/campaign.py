"""Many runs, each from a seed of its own, and what came of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from spot_simulator.virtual.coverage import Met
from spot_simulator.virtual.run import Result, play
from spot_simulator.virtual.schedule import MOVES, draw_schedule
from spot_simulator.virtual.silence import be_silent


@dataclass(slots=True)
class Totals:
    """What all runs together did and measured."""

    runs: int = 0
    events: int = 0
    faults: int = 0
    agent_hours: float = 0.0
    moves: Counter[str] = field(default_factory=Counter)
    met: Counter[Met] = field(default_factory=Counter)
    detections: list[float] = field(default_factory=list)
    promotions: list[float] = field(default_factory=list)
    downtimes: list[float] = field(default_factory=list)
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one more run."""
        kinds = [event.kind for event in result.schedule.events]
        self.runs += 1
        self.events += len(kinds)
        self.faults += sum(kind not in MOVES for kind in kinds)
        self.agent_hours += result.agent_hours
        self.moves.update(result.moves)
        self.met.update(result.met)
        self.detections += result.figures.detections
        self.promotions += result.figures.promotions
        self.downtimes += result.figures.downtimes
        if result.violations:
            self.failed.append(result)


def results(seeds: Iterable[int], processes: int) -> Iterator[Result]:
    """Play the schedules of these seeds, in as many processes; in the order of the seeds."""
    if processes == 1:
        yield from map(_play_seed, seeds)
        return
    with ProcessPoolExecutor(processes, initializer=be_silent) as pool:
        yield from pool.map(_play_seed, seeds)


def _play_seed(seed: int) -> Result:
    return play(draw_schedule(seed))
