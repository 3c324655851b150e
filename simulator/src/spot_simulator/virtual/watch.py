"""Tells of a campaign while it is played, and keeps what was counted in a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spot_simulator.virtual.parts import Part, write_part
from spot_simulator.virtual.report import violation_lines
from spot_simulator.virtual.run import Result

PROGRESS_SECONDS = 10.0
"""Between two words about it, each with what was counted until then in the file: no more than that is played again."""


class Watch:
    """Counts the runs of a part."""

    def __init__(self, part: Part, path: Path | None, runs: int, tell: Callable[[str], None]) -> None:
        """`path`: where the part is kept; None: nowhere. `runs`: how many it is to have. `tell` gets lines for a person."""
        self._part, self._path, self._runs, self._tell = part, path, runs, tell
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

    def note(self, result: Result, find_smaller: Callable[[Result], Result]) -> None:
        """Count a run. What it broke is told and kept before `find_smaller` looks for a smaller schedule, which takes long."""
        totals = self._part.totals
        totals.add(result)
        is_due = totals.runs == self._runs or _now_seconds() - self._told_seconds >= PROGRESS_SECONDS
        if is_due or result.violations:
            self.keep()
        if result.violations:
            self._tell("\n".join(f"seed {result.schedule.seed} broke {violation}" for violation in result.violations))
            self._tell("\n".join(violation_lines(find_smaller(result))))
        if is_due:
            self._told_seconds = _now_seconds()
            self._tell(f"... {totals.runs} of {self._runs} runs, {len(totals.broken)} with violations, {self.took_seconds:.0f} s")


def _now_seconds() -> float:
    """How long the real machine took, not the simulated one."""
    return time.monotonic()  # noqa: TID251
