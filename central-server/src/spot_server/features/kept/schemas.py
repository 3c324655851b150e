"""Instances that nothing ends, on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, page_schema


class KeptInstanceAnswer(AnswerSchema):
    """An instance that runs, costs money, and is ended by nobody but a person."""

    agent_id = fields.String(required=True, attribute="kept.instance.agent_id")
    logical_agent_id = fields.String(required=True, attribute="kept.logical_agent_id")
    instance_id = fields.String(required=True, attribute="kept.instance.instance_id")
    instance_type = fields.String(required=True, attribute="kept.instance.instance_type")
    az_id = fields.String(required=True, attribute="kept.instance.az_id")
    mode = fields.String(required=True, attribute="kept.instance.mode")
    launched_by_server = fields.Boolean(required=True, attribute="kept.instance.launched_by_server")
    is_retained = fields.Boolean(
        required=True,
        attribute="kept.instance.is_retained",
        metadata={"description": "Kept because auto-terminate was off; false: a move that came to nothing left it."},
    )
    left_at = UtcMoment(required=True, attribute="kept.instance.role_changed_at")
    last_heartbeat_at = UtcMoment(required=True, attribute="kept.instance.last_heartbeat_at")
    usd_per_hour = fields.Decimal(required=True, allow_none=True, as_string=True)
    usd_per_day = fields.Decimal(
        required=True, allow_none=True, as_string=True, metadata={"description": "At the present price; null where nobody reported one."}
    )
    end_asked_at = UtcMoment(
        required=True,
        allow_none=True,
        attribute="kept.instance.end_asked_at",
        metadata={"description": "When a person asked for its end, which is under way; null: nobody did."},
    )
    end_asked_by = fields.String(required=True, allow_none=True, attribute="kept.instance.end_asked_by")


KeptInstancePage = page_schema(KeptInstanceAnswer)


class EndInstanceSchema(StrictSchema):
    """A person wants an instance ended."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
