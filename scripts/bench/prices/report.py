"""What was measured, as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.table import align, number

HEADERS = ("what", "unit", "p50", "p95 / figure", "largest", "bar", "", "processor", "database's own time")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: `figure` is what the bar is held against; None: does not apply."""

    what: str
    unit: str
    figure: float
    bar: float | None = None
    p50: float | None = None
    largest: float | None = None
    database: float | None = None
    processor: float | None = None
    """What the server's processes and the database's used of the processor for it: that counts on a machine that others use, too."""

    @property
    def is_met(self) -> bool | None:
        """Whether the figure is below its bar; None without one."""
        return None if self.bar is None else self.figure < self.bar


def figure_lines(figures: Sequence[Figure]) -> list[str]:
    """Return the table."""
    verdicts = {None: "", True: "pass", False: "FAIL"}
    cells = [
        (
            one.what,
            one.unit,
            number(one.p50),
            number(one.figure),
            number(one.largest),
            number(one.bar, 0),
            verdicts[one.is_met],
            number(one.processor),
            number(one.database),
        )
        for one in figures
    ]
    return align([HEADERS, *cells], left_columns=2)
