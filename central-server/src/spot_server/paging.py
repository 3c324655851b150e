"""Lists in pages: what is cut from the rows of a query, and the opaque cursor that says where the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from spot_server.errors import FieldInvalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list. `next_cursor` is None on the last page."""

    items: Sequence[T]
    next_cursor: str | None


def page_of(rows: Sequence[T], *, limit: int, position: Callable[[T], Sequence[str | int]]) -> Page[T]:
    """Cut a page from `rows`, of which the query read up to limit + 1; `position` is what the next page starts after."""
    items = rows[:limit]
    more = len(rows) > limit
    return Page(items, write_cursor(position(items[-1])) if more else None)


def write_cursor(parts: Sequence[str | int]) -> str:
    """Pack a position in a list into opaque text."""
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, *types: type) -> list[Any] | None:
    """Unpack a cursor whose parts have these types; None stays None; FieldInvalid when it was not made by `write_cursor`."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, RecursionError):
        parts = None
    matches = isinstance(parts, list) and len(parts) == len(types)
    if not matches or any(type(part) is not kind for part, kind in zip(parts or [], types, strict=False)):
        raise FieldInvalid("cursor", cursor, "the next_cursor of an earlier page")
    return list(parts or [])


def read_moment_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Unpack a cursor made of (moment.isoformat(), id), the position in a list ordered by time."""
    parts = read_cursor(cursor, str, str)
    if parts is None:
        return None
    try:
        moment = datetime.fromisoformat(parts[0])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FieldInvalid("cursor", cursor, "the next_cursor of an earlier page")
    return moment, parts[1]


def moment_position(moment: datetime, row_id: str) -> tuple[str, str]:
    """Return the position that `read_moment_cursor` unpacks."""
    return moment.isoformat(), row_id
