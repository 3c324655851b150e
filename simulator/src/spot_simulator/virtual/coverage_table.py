"""The coverage of a campaign as a table: a row for each step of each kind of move, a column for each kind of fault. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from string import ascii_lowercase

from spot_simulator.virtual.cells import Cell, Row, rows, why_never_met, why_row_is_never_met
from spot_simulator.virtual.coverage import Met
from spot_simulator.virtual.schedule import FAULTS

LEAST_MET = 20
"""How often each cell is to be met."""
NEVER = "-"
_ROW_WIDTH, _CELL_WIDTH = 24, 6


def coverage_lines(met: Mapping[Met, int], least: int = LEAST_MET) -> list[str]:
    """Say how often each step of each move was met by each kind of fault, what is missing, and what cannot be, with the reasons."""
    every = list(rows())
    letters = dict(zip(FAULTS, ascii_lowercase, strict=False))
    counts = {cell: met.get(_met_of(cell), 0) for row in every for cell in _cells_of(row)}
    possible = {cell: count for cell, count in counts.items() if why_never_met(cell) is None}
    return [
        f"coverage: (move, step) x kind of fault; {NEVER} cannot be",
        "  " + ", ".join(f"{letter} {kind}" for kind, letter in letters.items()),
        " " * _ROW_WIDTH + "".join(letter.rjust(_CELL_WIDTH) for letter in letters.values()),
        *(_table_line(row, counts) for row in every if why_row_is_never_met(row) is None),
        _sum_line(list(possible.values()), least),
        *_reason_lines(counts),
        *_surprise_lines(met, set(map(_met_of, possible))),
    ]


def _sum_line(counts: Sequence[int], least: int) -> str:
    often, never = sum(count >= least for count in counts), counts.count(0)
    return f"of {len(counts)} cells {often} were met {least} times or more, {len(counts) - often - never} less often, {never} never"


def _cells_of(row: Row) -> list[Cell]:
    return [Cell(row, kind) for kind in FAULTS]


def _met_of(cell: Cell) -> Met:
    return cell.row.trigger.value, cell.row.text, cell.kind.value


def _table_line(row: Row, counts: Mapping[Cell, int]) -> str:
    texts = (NEVER if why_never_met(cell) is not None else str(counts[cell]) for cell in _cells_of(row))
    return f"{row.trigger.value} {row.text}".ljust(_ROW_WIDTH) + "".join(text.rjust(_CELL_WIDTH) for text in texts)


def _reason_lines(counts: Mapping[Cell, int]) -> list[str]:
    """Say why cells cannot be: whole rows by their steps, else the kinds of fault."""
    reasons: dict[str, dict[str, None]] = defaultdict(dict)
    cells: Counter[str] = Counter()
    for cell in counts:
        why = why_never_met(cell)
        if why is not None:
            of_row = f"{cell.row.trigger.value} {cell.row.text}"
            reasons[why][of_row if why_row_is_never_met(cell.row) else f"{of_row} x {cell.kind.value}"] = None
            cells[why] += 1
    return [f"{cells[why]} cells cannot be: {why} ({', '.join(names)})" for why, names in reasons.items()]


def _surprise_lines(met: Mapping[Met, int], possible: set[Met]) -> list[str]:
    """Name what was met outside the table: a reason that is wrong, or a step that no plan of the move was thought to have."""
    beside = {cell: count for cell, count in sorted(met.items()) if cell not in possible}
    if not beside:
        return []
    names = ", ".join(f"{trigger} {step} x {kind} {count}" for (trigger, step, kind), count in beside.items())
    return [f"{len(beside)} cells were met that were thought not to be: {names}"]
