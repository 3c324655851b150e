"""The bases of every schema on the wire, and paging.

Client and admin writes refuse fields that they do not know; the agent side drops and counts them, because daemons and servers of
different age must talk.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from flask import has_app_context
from marshmallow import EXCLUDE, RAISE, Schema, fields, pre_load, validate

from spot_server.errors import FieldInvalid
from spot_server.http.context import current_context

T = TypeVar("T")

DEFAULT_PAGE_ROWS = 100
LARGEST_PAGE_ROWS = 500


class StrictSchema(Schema):
    """For what clients and admins write: an unknown field is an error that names it."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE

    error_messages = {"unknown": "this field is not known", "type": "expected a JSON object"}


class TolerantSchema(Schema):
    """For what daemons send: unknown fields are dropped, and counted in `spot_unknown_fields`."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE

    error_messages = {"type": "expected a JSON object"}

    @pre_load
    def count_unknown_fields(self, data: Any, **_kwargs: Any) -> Any:  # noqa: ANN401
        """Count what is about to be dropped."""
        if isinstance(data, Mapping) and has_app_context():
            known = {field.data_key or name for name, field in self.load_fields.items()}
            unknown = sum(key not in known for key in data)
            if unknown:
                current_context().metrics.unknown_fields.inc(unknown)
        return data


class AnswerSchema(Schema):
    """For what the server answers. Readers ignore fields that they do not know."""


class QuerySchema(Schema):
    """For query strings. Unknown parameters are ignored, as the readers of links expect."""

    class Meta:
        """marshmallow's options."""

        unknown = EXCLUDE


class PageQuery(QuerySchema):
    """`limit` and `cursor` of every list; add filters in a subclass."""

    limit = fields.Integer(
        load_default=DEFAULT_PAGE_ROWS,
        validate=validate.Range(min=1, max=LARGEST_PAGE_ROWS, error=f"expected a whole number from 1 to {LARGEST_PAGE_ROWS}"),
        error_messages={"invalid": f"expected a whole number from 1 to {LARGEST_PAGE_ROWS}"},
        metadata={"description": "Rows to return at most."},
    )
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=512),
        metadata={"description": "`next_cursor` of the page before; leave it out for the first page."},
    )


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


def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of `item`: `{"items": [...], "next_cursor": "..." | null}`."""
    name = item.__name__.removesuffix("Schema").removesuffix("Answer") + "Page"
    members: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": fields.String(allow_none=True, required=True),
    }
    return type(name, (AnswerSchema,), members)
