"""Interruption events on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, ChoiceText, UtcMoment
from spot_server.http.schemas import AnswerSchema, TolerantSchema
from spot_server.words import InterruptionKind, NoticeChannel

_NOTICE_ID = {"description": "Hex SHA-256 of the instance id, a newline and the raw metadata answer."}


def _notice_id() -> BoundedText:
    return BoundedText(required=True, least=8, most=128, metadata=_NOTICE_ID)


class TerminationSchema(TolerantSchema):
    """A notice: the instance is taken away."""

    notice_id = _notice_id()
    instance_id = BoundedText(required=True, least=1, most=64)
    action = ChoiceText([InterruptionKind.TERMINATE, InterruptionKind.STOP, InterruptionKind.HIBERNATE], required=True)
    action_at = UtcMoment(required=True)
    detected_at = UtcMoment(required=True)
    source = BoundedText(load_default="imds", most=32)


class RebalanceSchema(TolerantSchema):
    """A rebalance recommendation: the instance may be taken away."""

    notice_id = _notice_id()
    instance_id = BoundedText(required=True, least=1, most=64)
    noticed_at = UtcMoment(load_default=None, allow_none=True)
    detected_at = UtcMoment(required=True)
    source = BoundedText(load_default="imds", most=32)


class EmergencyReplicaSchema(TolerantSchema):
    """A daemon asks for an emergency replica, naming the notice that makes it ask."""

    notice_id = _notice_id()
    instance_id = BoundedText(required=True, least=1, most=64)
    reason = fields.String(required=True, validate=validate.OneOf(["termination", "rebalance"]))
    action_at = UtcMoment(load_default=None, allow_none=True)
    detected_at = UtcMoment(load_default=None, allow_none=True)


class TakenAnswer(AnswerSchema):
    """What became of a report."""

    event_id = fields.String(attribute="event.event_id", required=True)
    is_new = fields.Boolean(required=True)
    response = fields.String(attribute="event.response", required=True)
    switch_id = fields.String(attribute="event.switch_id", allow_none=True, required=True)
    replica_id = fields.String(attribute="event.replica_id", allow_none=True, required=True)


class SightingAnswer(AnswerSchema):
    """When one channel first told of the event."""

    channel = fields.String(required=True, validate=validate.OneOf(list(NoticeChannel)))
    first_seen_at = UtcMoment(required=True)
    announced_at = UtcMoment(allow_none=True, required=True, metadata={"description": "When EC2 announced it, where the channel says so."})
    delay_seconds = fields.Float(allow_none=True, required=True, metadata={"description": "From EC2's announcement to the server."})


class InterruptionAnswer(AnswerSchema):
    """One event."""

    event_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    instance_id = fields.String(required=True)
    kind = fields.String(required=True)
    instance_role = fields.String(required=True)
    region = fields.String(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    instance_age_seconds = fields.Integer(allow_none=True, required=True)
    action_at = UtcMoment(allow_none=True, required=True)
    detected_at = UtcMoment(required=True)
    received_at = UtcMoment(required=True)
    report_count = fields.Integer(required=True)
    response = fields.String(required=True)
    switch_id = fields.String(allow_none=True, required=True)
    replica_id = fields.String(allow_none=True, required=True)
    game_day_id = fields.String(
        allow_none=True, required=True, metadata={"description": "The game day that played it; null: it was in earnest."}
    )
    code = fields.String(
        allow_none=True, required=True, metadata={"description": "Of scheduled maintenance: what EC2 will do, such as instance-retirement."}
    )
    called_off_at = UtcMoment(
        allow_none=True, required=True, metadata={"description": "When scheduled maintenance was seen to be called off, or done."}
    )
    channels = fields.List(
        fields.Nested(SightingAnswer),
        required=True,
        metadata={"description": "Who told of it, the first one first: that one's word was acted on, the others confirmed it."},
    )
