"""Reading the views, and the interruptions of a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Integer, bindparam, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import spot_interruption_events
from spot_server.db.views import agent_health_summary, emergency_events_daily, switch_performance_24h
from spot_server.features.analytics.rules import Days, Interruption
from spot_server.words import InterruptionKind, Mode, StepName, StepStatus, SwitchStatus, SwitchTrigger

TAKEN = (InterruptionKind.TERMINATE, InterruptionKind.STOP, InterruptionKind.HIBERNATE, InterruptionKind.LOSS)


@dataclass(frozen=True, slots=True)
class AgentHealth:
    """One row of v_agent_health_summary."""

    agent_id: str
    logical_agent_id: str
    enabled: bool
    is_offline: bool
    primary_instance_id: str | None
    primary_mode: Mode | None
    is_serving: bool | None
    last_heartbeat_at: datetime | None
    lived_seconds: float
    downtime_ms: int
    uptime_percent: float
    switch_count: int
    interruption_count: int
    ready_replica_count: int

    @property
    def downtime_seconds(self) -> float:
        """Of the moves that were completed in the time."""
        return int(self.downtime_ms) / 1000


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of v_switch_performance_24h."""

    agent_id: str
    switch_id: str
    trigger: SwitchTrigger
    status: SwitchStatus
    initiated_at: datetime
    completed_at: datetime
    downtime_ms: int | None
    step: StepName
    part: int
    step_status: StepStatus
    step_seconds: float | None


@dataclass(frozen=True, slots=True)
class EmergencyDay:
    """One row of v_emergency_events_daily."""

    day: date
    kind: InterruptionKind
    event_count: int
    agent_count: int
    switch_count: int
    replica_count: int
    played_count: int


_health = agent_health_summary
_HEALTH = (
    select(*[_health.c[name] for name in AgentHealth.__dataclass_fields__])
    .where(_health.c.client_id == bindparam("client_id"), _health.c.agent_id > bindparam("after"))
    .order_by(_health.c.agent_id)
    .limit(bindparam("most", type_=Integer))
)


def list_health(tx: Transaction, client_id: str, *, after: str, most: int) -> list[AgentHealth]:
    """Return up to `most` of the client's living agents, by id, from after `after` on."""
    return [AgentHealth(*row) for row in tx.execute(_HEALTH, {"client_id": client_id, "after": after, "most": most})]


_step = switch_performance_24h
_STEPS = (
    select(*[_step.c[name] for name in StepRow.__dataclass_fields__])
    .where(_step.c.client_id == bindparam("client_id"))
    .order_by(_step.c.completed_at.desc(), _step.c.switch_id, _step.c.position)
    .limit(bindparam("most", type_=Integer))
)


def list_steps_24h(tx: Transaction, client_id: str, *, most: int) -> list[StepRow]:
    """Return up to `most` steps of the client's moves that ended in the last 24 hours on the database's clock, the latest move first."""
    return [StepRow(*row) for row in tx.execute(_STEPS, {"client_id": client_id, "most": most})]


_day = emergency_events_daily
_DAYS = (
    select(*[_day.c[name] for name in EmergencyDay.__dataclass_fields__])
    .where(_day.c.client_id == bindparam("client_id"), _day.c.day >= bindparam("first"), _day.c.day <= bindparam("last"))
    .order_by(_day.c.day.desc(), _day.c.kind)
)


def list_emergency_days(tx: Transaction, client_id: str, days: Days) -> list[EmergencyDay]:
    """Return the client's days (UTC) with interruptions, newest first, a row for each kind."""
    return [EmergencyDay(*row) for row in tx.execute(_DAYS, {"client_id": client_id, "first": days.first, "last": days.last})]


_event = spot_interruption_events
_TAKEN = (
    select(_event.c.region, _event.c.az_id, _event.c.instance_type, _event.c.received_at)
    .where(
        _event.c.client_id == bindparam("client_id"),
        _event.c.received_at >= bindparam("since"),
        _event.c.received_at < bindparam("until"),
        _event.c.kind.in_(TAKEN),
        _event.c.game_day_id.is_(None),
    )
    .order_by(_event.c.received_at.desc())
    .limit(bindparam("most", type_=Integer))
)


def list_taken(tx: Transaction, client_id: str, since: datetime, until: datetime, *, most: int) -> list[Interruption]:
    """Return up to `most` of the client's instances that were taken in earnest in this time, the latest first."""
    asked: dict[str, Any] = {"client_id": client_id, "since": since, "until": until, "most": most}
    return [Interruption(*row) for row in tx.execute(_TAKEN, asked)]
