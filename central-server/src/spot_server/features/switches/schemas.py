"""Switches on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.features.switches.expected_outages import OutageBasis
from spot_server.features.volumes.rules import CopyBasis
from spot_server.http.fields import BoundedText, ChoiceText, StrictBoolean, UtcMoment
from spot_server.http.schemas import AnswerSchema, PageQuery, StrictSchema, TolerantSchema
from spot_server.words import DowntimeBasis, Mode, WayBack


class SwitchTargetSchema(StrictSchema):
    """Where to: each member narrows the choice; the cheapest suitable place of what is left is taken."""

    mode = ChoiceText([Mode.SPOT, Mode.ON_DEMAND], metadata={"description": "spot or on_demand; left out: spot first."})
    instance_type = BoundedText(least=1, most=64)
    az_id = BoundedText(least=1, most=32, metadata={"description": "An AZ id such as use1-az1, not an AZ name."})


class SwitchRequestSchema(StrictSchema):
    """A planned move."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
    target = fields.Nested(SwitchTargetSchema, load_default=dict)
    accept_differences = StrictBoolean(
        load_default=False, metadata={"description": "Go on although the new instance is not like the old one."}
    )
    dry_run = StrictBoolean(load_default=False, metadata={"description": "Show the plan and touch nothing."})


class OfferAnswer(AnswerSchema):
    """A place that fits, with its price."""

    mode = fields.String(attribute="place.mode", required=True)
    instance_type = fields.String(attribute="place.instance_type", required=True)
    az_id = fields.String(attribute="place.az_id", required=True)
    usd_per_hour = fields.Decimal(as_string=True, allow_none=True, required=True)


class RefusalAnswer(AnswerSchema):
    """A place that does not fit, and why."""

    mode = fields.String(attribute="place.mode", required=True)
    instance_type = fields.String(attribute="place.instance_type", required=True)
    az_id = fields.String(attribute="place.az_id", required=True)
    reason = fields.String(required=True)


class PreviewAnswer(AnswerSchema):
    """What a move would do."""

    steps = fields.List(fields.String(), required=True)
    takes_image = fields.Boolean(required=True)
    image_id = fields.String(allow_none=True, required=True)
    handle_seconds = fields.Integer(
        required=True,
        metadata={"description": "How long clients may still be led to the old instance: the longest time to live of a record."},
    )
    copy_seconds = fields.Integer(
        attribute="copy.seconds",
        dump_default=None,
        allow_none=True,
        required=True,
        metadata={"description": "How long copying the data volumes to another AZ is expected to take; null when nothing is copied."},
    )
    copy_basis = fields.Enum(
        CopyBasis,
        by_value=True,
        attribute="copy.basis",
        dump_default=None,
        allow_none=True,
        required=True,
        metadata={"description": "Whether that was measured on this agent, or is assumed from the volumes' size."},
    )
    outage_seconds = fields.Integer(
        attribute="outage.seconds",
        dump_default=None,
        allow_none=True,
        required=True,
        metadata={"description": "For how long the workload is expected to stand still; null when that was never measured on this agent."},
    )
    outage_basis = fields.Enum(
        OutageBasis,
        by_value=True,
        attribute="outage.basis",
        dump_default=None,
        allow_none=True,
        required=True,
        metadata={"description": "Measured on its planned moves, or, with `image_after_quiesce` and none yet, on its images and launches."},
    )
    loses_writes_since = UtcMoment(allow_none=True, required=True)
    suitable = fields.List(fields.Nested(OfferAnswer), attribute="ranking.suitable", required=True)
    refused = fields.List(fields.Nested(RefusalAnswer), attribute="ranking.refused", required=True)


class DifferenceAnswer(AnswerSchema):
    """A field in which the new instance is not like the old one."""

    field = fields.String(required=True, metadata={"description": "Such as security_group_ids, tags.team or volumes.root.size_gib."})
    old = fields.Raw(required=True, allow_none=True)
    new = fields.Raw(required=True, allow_none=True)


class PromotionPreviewAnswer(AnswerSchema):
    """What a handover to a replica would do, and what it would lose."""

    replica_id = fields.String(attribute="replica.replica_id", required=True)
    replica_status = fields.String(attribute="replica.status", required=True)
    instance_id = fields.String(attribute="replica.instance_id", allow_none=True, required=True)
    image_id = fields.String(attribute="replica.image_id", allow_none=True, required=True)
    steps = fields.List(fields.String(), required=True)
    handle_seconds = fields.Integer(required=True)
    needs_force = fields.Boolean(
        required=True,
        metadata={
            "description": "Its standby check has not passed, or the primary is silent and would be ended by EC2 first: needs `force`, "
            "off a silent primary with `accept_data_loss`."
        },
    )
    loses_writes_since = UtcMoment(
        allow_none=True, required=True, metadata={"description": "Needs `accept_data_loss`; null when no write is lost."}
    )
    loss_window_seconds = fields.Integer(
        allow_none=True, required=True, metadata={"description": "How many seconds of writes that is, as of now."}
    )
    differences = fields.List(
        fields.Nested(DifferenceAnswer),
        required=True,
        metadata={"description": "Needs `accept_differences`; empty also while one of both was not read yet."},
    )


class RollbackRequestSchema(StrictSchema):
    """Going back on a completed move."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
    to = ChoiceText(
        list(WayBack),
        load_default=WayBack.OLD_INSTANCE,
        metadata={
            "description": "old_instance: a planned move onto the instance that the move left, while it lives. last_good_image: a planned "
            "move to a new instance from the newest good image made before the move, else the base image."
        },
    )
    accept_data_loss = StrictBoolean(
        load_default=False, metadata={"description": "Go on although writes are lost; the refusal says which."}
    )
    accept_differences = StrictBoolean(
        load_default=False, metadata={"description": "Go on although the new side is not like the primary, by EC2's word of both."}
    )
    dry_run = StrictBoolean(load_default=False, metadata={"description": "Show the plan and what it loses, and touch nothing."})


class RollbackPreviewAnswer(AnswerSchema):
    """What going back would do, and what it would lose."""

    switch_id = fields.String(required=True, metadata={"description": "The move to go back on."})
    to = fields.String(required=True)
    steps = fields.List(fields.String(), required=True)
    to_instance_id = fields.String(
        allow_none=True, required=True, metadata={"description": "The old instance; null when a new one is launched."}
    )
    image_id = fields.String(allow_none=True, required=True)
    suitable = fields.List(fields.Nested(OfferAnswer), required=True)
    handle_seconds = fields.Integer(required=True)
    loses_writes_since = UtcMoment(
        allow_none=True, required=True, metadata={"description": "Needs `accept_data_loss`; null when no write is lost."}
    )
    loss_window_seconds = fields.Integer(
        allow_none=True, required=True, metadata={"description": "How many seconds of writes that is, as of now."}
    )


class SwitchAnswer(AnswerSchema):
    """One move, with the five times."""

    switch_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    request_id = fields.String(required=True)
    trigger = fields.String(required=True)
    status = fields.String(required=True)
    initiated_by = fields.String(required=True)
    carry = fields.String(required=True)
    traffic_handles = fields.List(
        fields.Dict(), required=True, metadata={"description": "What clients reach the workload by, as it was when the move began."}
    )
    data_volumes = fields.List(
        fields.Dict(), required=True, metadata={"description": "With the carry `volume`: what moves, as it was when the move began."}
    )
    from_instance_id = fields.String(required=True)
    from_instance_type = fields.String(required=True)
    from_az_id = fields.String(required=True)
    from_mode = fields.String(required=True)
    to_instance_id = fields.String(allow_none=True, required=True)
    to_instance_type = fields.String(allow_none=True, required=True)
    to_az_id = fields.String(allow_none=True, required=True)
    to_mode = fields.String(allow_none=True, required=True)
    replica_id = fields.String(allow_none=True, required=True)
    image_id = fields.String(allow_none=True, required=True)
    interruption_event_id = fields.String(allow_none=True, required=True)
    deadline_at = UtcMoment(allow_none=True, required=True)
    loses_writes_since = UtcMoment(
        allow_none=True,
        required=True,
        metadata={
            "description": "What was written after this moment is not in the image; of a move that was taken back: what its new side "
            "acknowledged after it was promoted is lost. Null if nothing is lost."
        },
    )
    loss_window_seconds = fields.Integer(
        allow_none=True,
        required=True,
        metadata={"description": "From that moment to the decision to launch from, or hand over to, that image, or to go back."},
    )
    epoch_before = fields.Integer(required=True)
    epoch_after = fields.Integer(allow_none=True, required=True)
    failed_step = fields.String(allow_none=True, required=True)
    failure = fields.String(allow_none=True, required=True)
    initiated_at = UtcMoment(required=True)
    ami_created_at = UtcMoment(allow_none=True, required=True)
    instance_launched_at = UtcMoment(allow_none=True, required=True)
    instance_ready_at = UtcMoment(allow_none=True, required=True)
    old_terminated_at = UtcMoment(allow_none=True, required=True)
    quiesced_at = UtcMoment(allow_none=True, required=True)
    serving_at = UtcMoment(allow_none=True, required=True)
    retire_at = UtcMoment(allow_none=True, required=True)
    completed_at = UtcMoment(allow_none=True, required=True)
    downtime_seconds = fields.Float(
        allow_none=True,
        required=True,
        metadata={
            "description": "For how long the workload could not be reached: from the moment that `downtime_basis` names to the serving "
            "check of the new side, or to when no resolver answers with a record's old address any more, if that is later; of a move that "
            "was taken back, to the old side serving again. Null while it moves, and where the workload never stood still."
        },
    )
    downtime_basis = fields.Enum(
        DowntimeBasis,
        by_value=True,
        allow_none=True,
        required=True,
        metadata={
            "description": "What the downtime is counted from. quiesced: the old side's own confirmation that it serves no more; "
            "instance_end: the end of its instance; last_seen: its last heartbeat, or EC2's last word that it ran, the most it can be."
        },
    )
    resume_at = UtcMoment(
        allow_none=True,
        required=True,
        metadata={"description": "When a rescue that gave up is looked at again; null if it did not, or is not needed any more."},
    )
    differences = fields.List(
        fields.Nested(DifferenceAnswer),
        allow_none=True,
        required=True,
        metadata={"description": "Where the new instance is not like the old one; null: not compared (yet)."},
    )
    accepts_differences = fields.Boolean(required=True)
    timing = fields.Dict(required=True)


class StepAnswer(AnswerSchema):
    """One recorded step."""

    position = fields.Integer(required=True)
    name = fields.String(required=True)
    part = fields.Integer(
        required=True, metadata={"description": "Of a traffic step: which of the switch's handles it moves, from 0; else 0."}
    )
    status = fields.String(required=True)
    attempt = fields.Integer(required=True)
    actor = fields.String(allow_none=True, required=True)
    actor_instance_id = fields.String(allow_none=True, required=True)
    command_id = fields.String(allow_none=True, required=True)
    intent_at = UtcMoment(allow_none=True, required=True)
    deadline_at = UtcMoment(allow_none=True, required=True)
    finished_at = UtcMoment(allow_none=True, required=True)
    outcome = fields.Dict(allow_none=True, required=True)
    undo_attempt = fields.Integer(required=True)
    undo_finished_at = UtcMoment(allow_none=True, required=True)


class SwitchDetailAnswer(SwitchAnswer):
    """One move with its steps."""

    steps = fields.List(fields.Nested(StepAnswer), required=True)
    waiting_reason = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "What a move that is under way waits for, for a person; null when it is over."},
    )


class SwitchHistoryQuery(PageQuery):
    """Which moves to list."""

    agent_id = BoundedText(most=36, load_default=None)


class TimingSchema(TolerantSchema):
    """The five times as a daemon saw them."""

    initiated_at = UtcMoment(allow_none=True)
    ami_created_at = UtcMoment(allow_none=True)
    instance_launched_at = UtcMoment(allow_none=True)
    instance_ready_at = UtcMoment(allow_none=True)
    old_terminated_at = UtcMoment(allow_none=True)


class SwitchReportSchema(TolerantSchema):
    """A daemon's report of a move."""

    switch_id = BoundedText(required=True, least=1, most=36)
    timing = fields.Nested(TimingSchema, load_default=dict)
    detail = fields.Dict(keys=fields.String(), load_default=dict)
