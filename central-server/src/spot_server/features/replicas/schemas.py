"""Replicas on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.features.switches.schemas import DifferenceAnswer, SwitchTargetSchema
from spot_server.http.fields import BoundedText, ChoiceText, StrictBoolean, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, TolerantSchema
from spot_server.words import ReplicaStatus


class ReplicaAnswer(AnswerSchema):
    """One standby instance, from intent to end."""

    replica_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    request_id = fields.String(required=True)
    kind = fields.String(required=True)
    status = fields.String(required=True)
    status_reason = fields.String(required=True)
    switch_id = fields.String(allow_none=True, required=True)
    interruption_event_id = fields.String(allow_none=True, required=True)
    hold_until = UtcMoment(allow_none=True, required=True)
    instance_id = fields.String(allow_none=True, required=True)
    instance_type = fields.String(required=True)
    az_id = fields.String(required=True)
    mode = fields.String(required=True)
    image_id = fields.String(allow_none=True, required=True)
    attempt = fields.Integer(required=True)
    rejected_places = fields.List(fields.String(), required=True)
    created_at = UtcMoment(required=True)
    launched_at = UtcMoment(allow_none=True, required=True)
    registered_at = UtcMoment(allow_none=True, required=True)
    sync_started_at = UtcMoment(allow_none=True, required=True)
    sync_completed_at = UtcMoment(allow_none=True, required=True)
    ready_at = UtcMoment(allow_none=True, required=True)
    ended_at = UtcMoment(allow_none=True, required=True)
    differences = fields.List(
        fields.Nested(DifferenceAnswer),
        allow_none=True,
        required=True,
        metadata={"description": "Where a ready standby is not like the primary, by EC2's word of both; null: not compared (yet)."},
    )


class ReplicaListAnswer(AnswerSchema):
    """An agent's replicas."""

    replicas = fields.List(fields.Nested(ReplicaAnswer), required=True)


class ReplicaStatusSchema(TolerantSchema):
    """How far a replica is, by its own daemon."""

    status = ChoiceText([ReplicaStatus.SYNCING, ReplicaStatus.READY, ReplicaStatus.FAILED], required=True)
    sync_started_at = UtcMoment(load_default=None, allow_none=True)
    sync_completed_at = UtcMoment(load_default=None, allow_none=True)
    reason = BoundedText(load_default="", most=2000)


class ReplicaUpdateSchema(TolerantSchema):
    """Which instance came of a launch, and how far it is."""

    instance_id = BoundedText(load_default=None, allow_none=True, most=64)
    status = ChoiceText([ReplicaStatus.LAUNCHING, ReplicaStatus.SYNCING, ReplicaStatus.FAILED], load_default=None, allow_none=True)


class ReplicaRequestSchema(StrictSchema):
    """A standby asked for by a person."""

    request_id = BoundedText(required=True, least=1)
    target = fields.Nested(SwitchTargetSchema, load_default=dict)


class PromotionRequestSchema(StrictSchema):
    """A handover to a replica."""

    request_id = BoundedText(required=True, least=1)
    accept_data_loss = StrictBoolean(load_default=False)
    accept_differences = StrictBoolean(
        load_default=False, metadata={"description": "Go on although the standby is not like the primary, by EC2's word of both."}
    )
    force = StrictBoolean(
        load_default=False,
        metadata={
            "description": "Promote it although its standby check has not passed: should it not serve, the move is taken back. With "
            "`accept_data_loss` also off a primary whose daemon is silent: its instance is stopped or terminated by EC2 first."
        },
    )
    dry_run = StrictBoolean(load_default=False, metadata={"description": "Show what it needs and loses, and touch nothing."})


class ReplicaConfigAnswer(AnswerSchema):
    """What a replica must keep."""

    replica_id = fields.String(allow_none=True, required=True)
    carry = fields.String(required=True)
    traffic_handles = fields.List(fields.Dict(), required=True)
    primary_instance_id = fields.String(allow_none=True, required=True)
    primary_private_ip = fields.String(allow_none=True, required=True)
