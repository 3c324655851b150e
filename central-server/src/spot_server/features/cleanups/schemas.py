"""Cleanup reports on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema

MOST_ITEMS = 2000


class CleanupItemSchema(TolerantSchema):
    """An image or a snapshot, and why it was deleted, kept, or could not be deleted."""

    kind = fields.String(required=True, validate=validate.OneOf(["image", "snapshot"]))
    id = BoundedText(required=True, least=1, most=64)
    reason = BoundedText(load_default="", most=2000)


def _items() -> fields.List[list[dict[str, str]]]:
    return fields.List(
        fields.Nested(CleanupItemSchema),
        load_default=list,
        validate=validate.Length(max=MOST_ITEMS, error=f"expected at most {MOST_ITEMS} items"),
    )


class CleanupReportSchema(TolerantSchema):
    """What one round of cleaning did."""

    request_id = BoundedText(required=True, least=1)
    deleted = _items()
    kept = _items()
    failed = _items()


class CleanupDoneSchema(AnswerSchema):
    """An image, a snapshot, an instance or a volume, and why it was deleted, kept, or could not be deleted."""

    kind = fields.String(required=True)
    id = fields.String(required=True)
    reason = fields.String(required=True)


class CleanupAnswer(AnswerSchema):
    """One report of a daemon; or one act of the sweeper, whose request_id begins with sweep/."""

    agent_id = fields.String(required=True)
    request_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    received_at = UtcMoment(required=True)
    deleted = fields.List(fields.Nested(CleanupDoneSchema), required=True)
    kept = fields.List(fields.Nested(CleanupDoneSchema), required=True)
    failed = fields.List(fields.Nested(CleanupDoneSchema), required=True)
