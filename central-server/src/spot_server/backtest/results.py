"""What is reported of a policy: one row for a pool or a set, in one setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spot_server.backtest.policies import PolicyName, Setting

ALL_POOLS = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """A policy's result. `cost` and `optimum` are by the price on demand: of the work, or of the machines that are wanted."""

    set_name: str
    setting: Setting
    pool: str
    """A pool's name, or ALL_POOLS."""
    policy: PolicyName
    cost: float
    optimum: float
    """With all of the capacity known beforehand: of the job, or of the service that this policy gave."""
    availability: float
    """Share of the time in which all that are wanted served; of jobs: the share that was in time."""
    moves: int
    """Starts beside the first ones."""
    losses: int
    losses_survived: int
    """After which all that are wanted served at once; of jobs: those of jobs that were in time nevertheless."""
    runs: int
    hours: float
    """Of the trace that was played, runs of a job counted each."""

    @property
    def distance(self) -> float:
        """By how much it costs more than with all of the capacity known beforehand (>= 0)."""
        return self.cost - self.optimum


_HEADINGS = (
    "set",
    "setting",
    "pool",
    "policy",
    "cost",
    "optimum",
    "distance",
    "availability",
    "moves",
    "losses",
    "survived",
    "runs",
    "hours",
)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as lines of columns."""
    lines = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.set_name,
        row.setting,
        row.pool,
        row.policy,
        f"{row.cost:.4f}",
        f"{row.optimum:.4f}",
        f"{row.distance:.4f}",
        f"{row.availability:.4f}",
        str(row.moves),
        str(row.losses),
        str(row.losses_survived),
        str(row.runs),
        f"{row.hours:.0f}",
    )
