"""A table for a terminal. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.figures import Row

HEADERS = ("load", "endpoint", "database", "requests/s", "p50 ms", "p99 ms", "max ms", "errors", "queries", "target p99", "", "of no-op")
LEFT_COLUMNS = 3


def render(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table; rows of one endpoint under one load stand together, one for each database."""
    cells = [_cells(row) for row in in_order(rows)]
    return align([HEADERS, *cells])


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Return the rows by load and endpoint, in the order in which each was first named."""
    places: dict[tuple[str, str], int] = {}
    for row in rows:
        places.setdefault((row.load, row.endpoint), len(places))
    loads = list(dict.fromkeys(row.load for row in rows))
    return sorted(rows, key=lambda row: (loads.index(row.load), places[(row.load, row.endpoint)]))


def align(lines: Sequence[Sequence[str]], *, left_columns: int = LEFT_COLUMNS) -> list[str]:
    """Return lines in which columns stand below each other: the first `left_columns` to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    padded = [
        [
            cell.ljust(width) if place < left_columns else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]
    return ["  ".join(line).rstrip() for line in padded]


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure; nothing for None, a dash for what was not measured."""
    if value is None:
        return ""
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {None: "", True: "pass", False: "FAIL"}[row.is_met]
    return (
        row.load,
        row.endpoint,
        row.database,
        number(row.per_second),
        number(row.spread.p50_ms),
        number(row.spread.p99_ms),
        number(row.spread.max_ms),
        str(row.errors),
        number(row.queries, 2),
        number(row.target_p99_ms, 0),
        verdict,
        number(row.of_no_op_ratio, 2),
    )
