"""Notifications on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, StrictSchema, page_schema
from spot_server.words import Severity

MOST_MARKED = 500


class NotificationAnswer(AnswerSchema):
    """Something that the client must be told."""

    notification_id = fields.String(required=True)
    agent_id = fields.String(required=True, allow_none=True)
    severity = fields.Enum(Severity, by_value=True, required=True)
    kind = fields.String(required=True)
    text = fields.String(required=True)
    created_at = UtcMoment(required=True)
    read_at = UtcMoment(required=True, allow_none=True)


NotificationPage = page_schema(NotificationAnswer)


class NotificationsQuery(PageQuery):
    """Which notifications."""

    unread = fields.Boolean(load_default=None)
    agent_id = fields.String(load_default=None)


class MarkReadSchema(StrictSchema):
    """The notifications that were read; null or left out: all."""

    notification_ids = fields.List(
        BoundedText(least=1, most=36), load_default=None, allow_none=True, validate=validate.Length(max=MOST_MARKED)
    )


class MarkedAnswer(AnswerSchema):
    """How many were marked now, and how many are still unread."""

    marked_count = fields.Integer(required=True)
    unread_count = fields.Integer(required=True)
