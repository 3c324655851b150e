"""Figures for operators on the wire."""

from __future__ import annotations

from marshmallow import fields

from spot_server.http.fields import DateText, UtcMoment
from spot_server.http.schemas import AnswerSchema, QuerySchema, page_schema
from spot_server.words import InterruptionKind, Mode, StepName, StepStatus, SwitchStatus, SwitchTrigger


class DaysQuery(QuerySchema):
    """Which days."""

    since = DateText(load_default=None, metadata={"description": "First day. Default: 90 days up to `until`."})
    until = DateText(load_default=None, metadata={"description": "Last day, included. Default: today."})


class AgentHealthAnswer(AnswerSchema):
    """How an agent did in the last 30 days, or in its life if that is shorter."""

    agent_id = fields.String(required=True)
    logical_agent_id = fields.String(required=True)
    enabled = fields.Boolean(required=True)
    is_offline = fields.Boolean(required=True)
    primary_instance_id = fields.String(required=True, allow_none=True)
    primary_mode = fields.Enum(Mode, by_value=True, required=True, allow_none=True)
    is_serving = fields.Boolean(required=True, allow_none=True)
    last_heartbeat_at = UtcMoment(required=True, allow_none=True)
    lived_seconds = fields.Float(required=True)
    downtime_seconds = fields.Float(required=True, metadata={"description": "Of completed moves; an outage without one is not in it."})
    uptime_percent = fields.Float(required=True)
    switch_count = fields.Integer(required=True)
    interruption_count = fields.Integer(required=True)
    ready_replica_count = fields.Integer(required=True)


AgentHealthPage = page_schema(AgentHealthAnswer)


class StepPerformanceAnswer(AnswerSchema):
    """What one step took."""

    step = fields.Enum(StepName, by_value=True, required=True)
    part = fields.Integer(required=True, metadata={"description": "Which traffic handle, from 0."})
    status = fields.Enum(StepStatus, by_value=True, required=True, attribute="step_status")
    seconds = fields.Float(required=True, allow_none=True, attribute="step_seconds")


class MovePerformanceAnswer(AnswerSchema):
    """A move that ended in the last 24 hours."""

    switch_id = fields.String(required=True, attribute="first.switch_id")
    agent_id = fields.String(required=True, attribute="first.agent_id")
    trigger = fields.Enum(SwitchTrigger, by_value=True, required=True, attribute="first.trigger")
    status = fields.Enum(SwitchStatus, by_value=True, required=True, attribute="first.status")
    initiated_at = UtcMoment(required=True, attribute="first.initiated_at")
    completed_at = UtcMoment(required=True, attribute="first.completed_at")
    total_seconds = fields.Float(required=True)
    downtime_seconds = fields.Float(required=True, allow_none=True)
    steps = fields.List(fields.Nested(StepPerformanceAnswer), required=True)


class PerformanceAnswer(AnswerSchema):
    """The moves that ended in the last 24 hours, the latest first."""

    items = fields.List(fields.Nested(MovePerformanceAnswer), required=True, attribute="moves")
    is_truncated = fields.Boolean(required=True)


class EmergencyDayAnswer(AnswerSchema):
    """The interruptions of one kind on one day."""

    day = fields.Date(required=True)
    kind = fields.Enum(InterruptionKind, by_value=True, required=True)
    event_count = fields.Integer(required=True)
    agent_count = fields.Integer(required=True)
    switch_count = fields.Integer(required=True)
    replica_count = fields.Integer(required=True)
    played_count = fields.Integer(required=True, metadata={"description": "Of these, played by game days."})


class EmergencyDaysAnswer(AnswerSchema):
    """The days, in UTC, on which there were interruptions, newest first."""

    since = fields.Date(required=True, attribute="days.first")
    until = fields.Date(required=True, attribute="days.last")
    items = fields.List(fields.Nested(EmergencyDayAnswer), required=True, attribute="rows")


class PoolInterruptionsAnswer(AnswerSchema):
    """When instances of one pool were taken."""

    region = fields.String(required=True)
    az_id = fields.String(required=True)
    instance_type = fields.String(required=True)
    count = fields.Integer(required=True)
    by_weekday = fields.List(fields.Integer(), required=True, metadata={"description": "Seven counts, from Monday on."})
    by_hour = fields.List(fields.Integer(), required=True, metadata={"description": "24 counts, from midnight on."})
    last_at = UtcMoment(required=True)


class InterruptionHistoryAnswer(AnswerSchema):
    """When the client's instances were taken in earnest, by pool, weekday and hour of its time zone; the pool hit most first."""

    since = fields.Date(required=True, attribute="days.first")
    until = fields.Date(required=True, attribute="days.last")
    time_zone = fields.String(required=True)
    items = fields.List(fields.Nested(PoolInterruptionsAnswer), required=True, attribute="pools")
    is_truncated = fields.Boolean(required=True)
