"""Tells of a campaign while it is played, and keeps what was counted in a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from spot_simulator.virtual.parts import Part, write_part
from spot_simulator.virtual.report import violation_lines
from spot_simulator.virtual.run import Result

PROGRESS_SECONDS = 10.0
"""Between two words about it, each with what was counted until then in the file: no more than that is played again."""


class Watch:
    """Counts the runs of a part."""

    def __init__(self, part: Part, path: Path | None, seeds: int, tell: Callable[[str], None]) -> None:
        """`path`: where the part is kept; None: nowhere. `seeds`: how many it is to have. `tell` gets lines for a person."""
        self._part, self._path, self._seeds, self._tell = part, path, seeds, tell
        self._began_seconds = self._told_seconds = _now_seconds()

    @property
    def took_seconds(self) -> float:
        """How long the part took until now, with what was played before."""
        return self._part.took_seconds + self.lasts_seconds

    @property
    def lasts_seconds(self) -> float:
        """How long this playing of it has lasted."""
        return _now_seconds() - self._began_seconds

    def keep(self) -> None:
        """Write down what was counted. OSError when that cannot be."""
        if self._path is not None:
            write_part(self._path, replace(self._part, took_seconds=self.took_seconds))

    def note(self, of_seed: Sequence[Result], find_smaller: Callable[[Result], Result]) -> None:
        """Count the runs of a seed. What they broke is told and kept before `find_smaller` looks for smaller ones, which takes long."""
        totals = self._part.totals
        totals.seeds += 1
        for result in of_seed:
            totals.add(result)
        broken = [result for result in of_seed if result.violations]
        is_due = totals.seeds == self._seeds or _now_seconds() - self._told_seconds >= PROGRESS_SECONDS
        if is_due or broken:
            self.keep()
        for result in broken:
            self._tell("\n".join(f"seed {result.schedule.seed} broke {violation}" for violation in result.violations))
            self._tell("\n".join(violation_lines(find_smaller(result))))
        if is_due:
            self._told_seconds = _now_seconds()
            self._tell(f"... {self._counted()}, {len(totals.broken)} with violations, {self.took_seconds:.0f} s")

    def _counted(self) -> str:
        totals = self._part.totals
        if totals.seeds == totals.runs:
            return f"{totals.runs} of {self._seeds} runs"
        return f"{totals.runs} runs of {totals.seeds} of {self._seeds} seeds"


def _now_seconds() -> float:
    """How long the real machine took, not the simulated one."""
    return time.monotonic()  # noqa: TID251
