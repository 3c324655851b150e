"""Game days on the wire."""

from __future__ import annotations

from marshmallow import fields, validate

from spot_server.http.fields import BoundedText, ChoiceText, StrictBoolean, StrictInteger, UtcMoment
from spot_server.http.schemas import AnswerSchema, StrictSchema, page_schema
from spot_server.words import DowntimeBasis, GameDayKind, GameDayStatus, PlayedBy

ALARM_ARN_PATTERN = r"arn:aws[a-z-]*:cloudwatch:[a-z0-9-]+:[0-9]{12}:alarm:[^\x00-\x1f]{1,255}\Z"


class GameDayRequestSchema(StrictSchema):
    """What to play against an agent."""

    request_id = BoundedText(required=True, least=1, metadata={"description": "Makes the request repeatable."})
    kind = ChoiceText(
        GameDayKind,
        required=True,
        metadata={
            "description": "notice: a termination notice. recommendation: a rebalance recommendation. loss: the instance is gone at once. "
            "capacity_shortage: a notice while the place of first choice has no capacity."
        },
    )
    dry_run = StrictBoolean(load_default=False, metadata={"description": "Show the plan and touch nothing."})
    accept_data_loss = StrictBoolean(load_default=False, metadata={"description": "Go on although the plan says that writes are lost."})
    stop_alarm_arn = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(ALARM_ARN_PATTERN, error="expected the ARN of a CloudWatch alarm"),
        metadata={"description": "A CloudWatch alarm that stops an experiment of AWS FIS."},
    )


class PlannedPlaceAnswer(AnswerSchema):
    """A place that would be tried, the first one first."""

    place = fields.String(required=True)
    usd_per_hour = fields.String(required=True, allow_none=True)


class RefusedPlaceAnswer(AnswerSchema):
    """A place that would not be tried, and why."""

    place = fields.String(required=True)
    reason = fields.String(required=True)


class PlannedCallAnswer(AnswerSchema):
    """A call of the game day's player, exactly as it is made."""

    service = fields.String(required=True)
    operation = fields.String(required=True)
    parameters = fields.Dict(required=True)


class GameDayPlanAnswer(AnswerSchema):
    """What a game day would meet, do and cost."""

    kind = fields.String(required=True)
    played_by = fields.String(required=True)
    instance_id = fields.String(required=True)
    place = fields.String(required=True)
    response = fields.String(required=True, metadata={"description": "What the server would do about the event."})
    steps = fields.List(fields.String(), required=True)
    replica_id = fields.String(required=True, allow_none=True, metadata={"description": "The ready replica that would take over."})
    image_id = fields.String(required=True, allow_none=True)
    loses_writes_since = fields.String(required=True, allow_none=True)
    places = fields.List(fields.Nested(PlannedPlaceAnswer), required=True)
    refused = fields.List(fields.Nested(RefusedPlaceAnswer), required=True)
    shortage = fields.Dict(required=True, allow_none=True, metadata={"description": "The place whose capacity is taken away for a while."})
    replica_usd_per_hour = fields.String(required=True, allow_none=True)
    held_seconds = fields.Integer(required=True, metadata={"description": "How long a replica is held beside its primary."})
    most_extra_usd = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "What it costs at most beyond the workload itself; null without a price. AWS's own fee for FIS is not counted."
        },
    )
    calls = fields.List(fields.Nested(PlannedCallAnswer), required=True, metadata={"description": "The game day's own calls."})
    ec2_calls = fields.List(fields.String(), required=True, metadata={"description": "EC2 calls that the response leads to."})


class GameDayAnswer(AnswerSchema):
    """One game day, from the wish to its figures."""

    game_day_id = fields.String(required=True)
    agent_id = fields.String(required=True)
    request_id = fields.String(required=True)
    kind = fields.Enum(GameDayKind, by_value=True, required=True)
    played_by = fields.Enum(PlayedBy, by_value=True, required=True)
    status = fields.Enum(GameDayStatus, by_value=True, required=True)
    failure = fields.String(required=True, allow_none=True)
    initiated_by = fields.String(required=True)
    stopped_by = fields.String(required=True, allow_none=True)
    instance_id = fields.String(required=True)
    requested_at = UtcMoment(required=True)
    begun_at = UtcMoment(
        required=True, allow_none=True, metadata={"description": "Before the first call: what the figures are counted from."}
    )
    played_at = UtcMoment(required=True, allow_none=True)
    finished_at = UtcMoment(required=True, allow_none=True)
    interruption_event_id = fields.String(required=True, allow_none=True)
    switch_id = fields.String(required=True, allow_none=True)
    replica_id = fields.String(required=True, allow_none=True)
    detection_ms = fields.Integer(required=True, allow_none=True)
    ready_ms = fields.Integer(required=True, allow_none=True, metadata={"description": "Until a replica was ready; 0 if one was before."})
    promotion_ms = fields.Integer(required=True, allow_none=True)
    serving_ms = fields.Integer(required=True, allow_none=True)
    downtime_ms = fields.Integer(required=True, allow_none=True)
    downtime_basis = fields.Enum(
        DowntimeBasis,
        by_value=True,
        required=True,
        allow_none=True,
        metadata={
            "description": "quiesced: from the old side's own confirmation; instance_end: from the instance's end; last_seen: from its "
            "last heartbeat, or EC2's last word that it ran, the most it can be."
        },
    )
    loss_window_seconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "How old the image was that the agent went on from; null: nothing is lost."},
    )
    probe = fields.Dict(required=True, allow_none=True, metadata={"description": "What a prober outside both instances reported."})


class GameDayDetailAnswer(GameDayAnswer):
    """One game day with the plan that was made for it."""

    plan = fields.Dict(required=True)


GameDayPage = page_schema(GameDayAnswer)


class ProbeSchema(StrictSchema):
    """What a prober outside both instances saw of a game day."""

    source = BoundedText(required=True, least=1, metadata={"description": "Who probed, and how."})
    downtime_ms = StrictInteger(required=True, metadata={"description": "From the last good answer to the first good one."})
    lost_writes_count = StrictInteger(
        load_default=None, allow_none=True, metadata={"description": "Acknowledged writes that are gone; null if nobody counted."}
    )
