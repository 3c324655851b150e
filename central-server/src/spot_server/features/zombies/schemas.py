"""ZOMBIEs on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, StrictSchema, page_schema
from spot_server.words import Mode

MOST_AT_ONCE = 100


class ZombiesQuery(PageQuery):
    """Whose."""

    client_id = BoundedText(least=1, most=36, load_default=None)


class ZombieAnswer(AnswerSchema):
    """An instance that no longer belongs to its agent and still exists."""

    client_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    logical_agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    region = fields.String(required=True)
    az_id = fields.String(required=True)
    mode = fields.Enum(Mode, by_value=True, required=True)
    left_at = UtcMoment(required=True)
    last_heartbeat_at = UtcMoment(required=True)
    is_retained = fields.Boolean(required=True, metadata={"description": "Kept because auto-terminate was off."})
    stray_reason = fields.String(required=True, allow_none=True)
    end_asked_at = UtcMoment(required=True, allow_none=True)
    end_asked_by = fields.String(required=True, allow_none=True)


ZombiePage = page_schema(ZombieAnswer)


class ZombieNameSchema(StrictSchema):
    """Which instance."""

    client_id = BoundedText(required=True, least=1, most=36)
    agent_id = BoundedText(required=True, least=1, most=36)
    instance_id = BoundedText(required=True, least=1, most=64)


class EndZombiesSchema(StrictSchema):
    """Instances that an admin wants ended."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
    instances = fields.List(fields.Nested(ZombieNameSchema), required=True, validate=validate.Length(min=1, max=MOST_AT_ONCE))


class EndedZombieAnswer(AnswerSchema):
    """What became of one of them."""

    client_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    is_accepted = fields.Boolean(required=True)
    reason = fields.String(
        required=True, allow_none=True, metadata={"description": "Why it is not ended; null: its end is under way, or over."}
    )


class EndedZombiesAnswer(AnswerSchema):
    """What became of each, in the order of the request."""

    items = fields.List(fields.Nested(EndedZombieAnswer), required=True)
