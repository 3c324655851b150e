"""Figures from single measurements. Pure: values in, values out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in milliseconds; NaN where nothing was measured."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0..1) of the values do not exceed (nearest rank); NaN of nothing.

    `ordered` is ascending. Nothing is interpolated: the figure is a time that somebody really waited.
    """
    if not ordered:
        return math.nan
    # Rounded first: 0.99 * 100 is 99.00000000000001 in some orders of evaluation, and its ceiling would be the next rank.
    rank = math.ceil(round(share * len(ordered), 9))
    return ordered[max(rank, 1) - 1]


def spread_of(times_ms: Sequence[float]) -> Spread:
    """Return count, median, 99th percentile and the largest."""
    ordered = sorted(times_ms)
    return Spread(len(ordered), percentile(ordered, 0.5), percentile(ordered, 0.99), ordered[-1] if ordered else math.nan)


def per_request(total: float, requests: float) -> float:
    """Return `total` divided by the number of requests; NaN when there were none."""
    return total / requests if requests else math.nan


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: one endpoint, on one database, under one kind of load. None: does not apply."""

    load: str
    endpoint: str
    database: str
    per_second: float
    spread: Spread
    errors: int
    queries: float | None = None
    """SQL statements a request, as the server counts them."""

    target_p99_ms: float | None = None
    of_no_op_ratio: float | None = None
    """Requests per second, divided by those of the no-op page."""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is kept; None without one. Nothing measured keeps no target, nor does an answer that was an error."""
        if self.target_p99_ms is None:
            return None
        return self.errors == 0 and self.spread.p99_ms <= self.target_p99_ms
