"""What people read: tables, ages, and nothing that could drive their terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3600, 86400
GAP = "  "


def clean(value: object) -> str:
    """Write a value of the server on one line, without control characters; `-` for nothing."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(character if character.isprintable() else " " for character in text)


def table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table; columns are as wide as their widest cell."""
    lines = [list(headers), *([clean(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return [GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def pairs(members: Sequence[tuple[str, object]]) -> list[str]:
    """Return one line for each name with its value, below each other."""
    width = max(len(name) for name, _value in members)
    return [f"{name.ljust(width)}{GAP}{clean(value)}" for name, value in members]


def differences_table(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields in which a new instance is not like the old one, one to a line."""
    return table(["FIELD", "BEFORE", "NOW"], [[one["field"], _written(one["old"]), _written(one["new"])] for one in differences])


def drift_table(differences: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields in which the primary has moved away from the launch specification, one to a line."""
    rows = [[one["field"], _written(one["old"]), _written(one["new"])] for one in differences]
    return table(["FIELD", "THE PRIMARY HAS", "A NEW ONE WOULD GET"], rows)


def _written(value: object) -> str:
    """A value as JSON, so that nothing is told from the empty text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def moment(text: str) -> datetime:
    """Read a time of the server."""
    return datetime.fromisoformat(text)


def age(text: str | None, now: datetime) -> str:
    """Tell how long ago a time of the server was."""
    return "never" if text is None else f"{span((now - moment(text)).total_seconds())} ago"


def span(seconds: float) -> str:
    """Write a duration in its largest unit; a clock that differs from the server's gives no negative one."""
    whole = max(0, round(seconds))
    for unit_seconds, unit in ((DAY_SECONDS, "d"), (HOUR_SECONDS, "h"), (MINUTE_SECONDS, "min")):
        if whole >= 2 * unit_seconds:
            return f"{whole // unit_seconds} {unit}"
    return f"{whole} s"


def place(mode: object, instance_type: object, az_id: object) -> str:
    """Write a market as one word."""
    return clean(f"{mode or '?'}/{instance_type or '?'}/{az_id or '?'}")
