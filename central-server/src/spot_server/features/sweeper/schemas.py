"""Restore holds on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema


class ConfirmRestoreSchema(StrictSchema):
    """What a person has looked at."""

    epoch = StrictInteger(required=True, metadata={"description": "The seen_epoch of the hold: what is confirmed is what was looked at."})


class RestoreHoldAnswer(AnswerSchema):
    """An epoch in an instance's tags that is above the saved one: the database was probably restored from a backup."""

    agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    saved_epoch = fields.Integer(required=True)
    seen_epoch = fields.Integer(required=True)
    noted_at = UtcMoment(required=True)
    is_holding = fields.Boolean(
        required=True, metadata={"description": "Whether the sweeper only reports, for all agents of the client, until this is confirmed."}
    )
    confirmed_epoch = fields.Integer(required=True)
    confirmed_at = UtcMoment(required=True, allow_none=True)
    confirmed_by = fields.String(required=True, allow_none=True)


class RestoreHoldsAnswer(AnswerSchema):
    """All holds of a client."""

    items = fields.List(fields.Nested(RestoreHoldAnswer), required=True)
