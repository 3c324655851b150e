"""The bases of every schema on the wire.

Client and admin writes refuse fields that they do not know; the agent side drops and counts them, because daemons and servers of
different age must talk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import has_app_context
from marshmallow import EXCLUDE, RAISE, Schema, fields, pre_load, validate

from spot_server.http.context import current_context

DEFAULT_PAGE_ROWS = 100
LARGEST_PAGE_ROWS = 500


class StrictSchema(Schema):
    """For what clients and admins write: an unknown field is an error that names it."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE

    error_messages = {"unknown": "is not known", "type": "expected a JSON object"}


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
    """For query strings of clients and admins: an unknown parameter is an error that names it, for it is a filter that would not filter."""

    class Meta:
        """marshmallow's options."""

        unknown = RAISE

    error_messages = {"unknown": "is not known"}


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


def page_schema(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of `item`: `{"items": [...], "next_cursor": "..." | null}`."""
    name = item.__name__.removesuffix("Schema").removesuffix("Answer") + "Page"
    members: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next_cursor": fields.String(allow_none=True, required=True),
    }
    return type(name, (AnswerSchema,), members)
