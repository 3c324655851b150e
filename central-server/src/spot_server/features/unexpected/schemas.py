"""Claims of unexpected instances on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import BoundedText, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, page_schema


class UnexpectedInstanceAnswer(AnswerSchema):
    """An instance that claims to be an agent which lives on another one, by its own word."""

    agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    az_id = fields.String(required=True)
    image_id = fields.String(required=True, allow_none=True)
    private_ip = fields.String(required=True, allow_none=True)
    hostname = fields.String(required=True, allow_none=True)
    first_seen_at = UtcMoment(required=True)
    last_seen_at = UtcMoment(required=True)
    verdict = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "approved: let in as a standby when it asks again; refused; null until a person decides."},
    )
    decided_at = UtcMoment(required=True, allow_none=True)
    decided_by = fields.String(required=True, allow_none=True)


UnexpectedInstancePage = page_schema(UnexpectedInstanceAnswer)


class VerdictSchema(StrictSchema):
    """A person decides about a claim."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
