"""Cells of a file: read as whole numbers, and shown to a person."""

from __future__ import annotations

MOST_DIGITS = 18
"""Far more than any column needs, and far fewer than Python refuses to read."""

LONGEST_CELL_TOLD = 40


def whole_number(cell: str) -> int | None:
    """Return the number, below zero with a minus before it; None where it is none, or one of more digits than MOST_DIGITS."""
    digits = cell.removeprefix("-")
    return int(cell) if digits.isascii() and digits.isdecimal() and len(digits) <= MOST_DIGITS else None


def shown_cell(cell: str) -> str:
    """Return a cell in quotes; of a long one the beginning, and how long it is."""
    return repr(cell) if len(cell) <= LONGEST_CELL_TOLD else f"{cell[:LONGEST_CELL_TOLD]!r}… ({len(cell)} characters)"
