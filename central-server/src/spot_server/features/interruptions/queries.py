"""Reading and writing interruption events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, exists, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, replica_instances, spot_interruption_events, switches
from spot_server.features.interruptions.rules import FORCING_KINDS, LONGEST_HOLD, Response, is_standing, is_unanswered
from spot_server.words import InterruptionKind, ReplicaStatus, Role, SwitchStatus


@dataclass(frozen=True, slots=True)
class InterruptionEvent:
    """One notice, recommendation, scheduled event or loss."""

    event_id: str
    client_id: str
    agent_id: str
    notice_id: str
    instance_id: str
    kind: InterruptionKind
    instance_role: str
    region: str
    az_id: str
    instance_type: str
    instance_age_seconds: int | None
    action_at: datetime | None
    detected_at: datetime
    received_at: datetime
    report_count: int
    response: str
    switch_id: str | None
    replica_id: str | None
    game_day_id: str | None
    code: str | None
    called_off_at: datetime | None


_COLUMNS = [spot_interruption_events.c[name] for name in InterruptionEvent.__dataclass_fields__]


def _event(row: Row[*tuple[Any, ...]]) -> InterruptionEvent:
    return InterruptionEvent(*row)


_BY_NOTICE = select(*_COLUMNS).where(
    spot_interruption_events.c.agent_id == bindparam("agent_id"), spot_interruption_events.c.notice_id == bindparam("notice_id")
)


def find_by_notice(tx: Transaction, agent_id: str, notice_id: str) -> InterruptionEvent | None:
    """Return the event that an earlier report of the same notice made, or None."""
    row = tx.execute(_BY_NOTICE, {"agent_id": agent_id, "notice_id": notice_id}).one_or_none()
    return None if row is None else _event(row)


def events_of_instance(tx: Transaction, agent_id: str, instance_id: str) -> list[InterruptionEvent]:
    """Return everything that was told of this instance, oldest first."""
    table = spot_interruption_events
    where = (table.c.agent_id == agent_id, table.c.instance_id == instance_id)
    return [_event(row) for row in tx.execute(select(*_COLUMNS).where(*where).order_by(table.c.received_at, table.c.event_id))]


_EVENT = select(*_COLUMNS).where(spot_interruption_events.c.event_id == bindparam("event_id"))


def find_event(tx: Transaction, event_id: str) -> InterruptionEvent | None:
    """Return the event, or None."""
    row = tx.execute(_EVENT, {"event_id": event_id}).one_or_none()
    return None if row is None else _event(row)


def observed_events(tx: Transaction, agent_id: str) -> list[InterruptionEvent]:
    """Return the agent's events that were recorded and not acted on: what takes an instance away soonest first, then the oldest."""
    table = spot_interruption_events
    rows = tx.execute(select(*_COLUMNS).where(table.c.agent_id == agent_id, table.c.response == Response.OBSERVE_ONLY))
    return sorted((_event(row) for row in rows), key=lambda event: (event.action_at is None, event.action_at or event.received_at))


_LOST_WITH_A_MOVE = exists().where(
    replica_instances.c.replica_id == spot_interruption_events.c.replica_id,
    replica_instances.c.status.in_((ReplicaStatus.TERMINATED, ReplicaStatus.FAILED)),
    switches.c.agent_id == spot_interruption_events.c.agent_id,
    switches.c.replica_id == replica_instances.c.replica_id,
    switches.c.status.in_((SwitchStatus.ROLLED_BACK, SwitchStatus.CANCELLED, SwitchStatus.FAILED)),
)
_OF_PRIMARIES = (
    select(*_COLUMNS, _LOST_WITH_A_MOVE.label("is_replica_lost"), agents.c.rebalance_hold_seconds)
    .join_from(
        spot_interruption_events,
        instances,
        (instances.c.agent_id == spot_interruption_events.c.agent_id) & (instances.c.instance_id == spot_interruption_events.c.instance_id),
    )
    .join(agents, agents.c.agent_id == spot_interruption_events.c.agent_id)
    .where(
        spot_interruption_events.c.kind == InterruptionKind.REBALANCE,
        spot_interruption_events.c.received_at > bindparam("received_since"),
        spot_interruption_events.c.response.in_((Response.OBSERVE_ONLY, Response.HOLD)),
        instances.c.role == Role.PRIMARY,
        agents.c.deleted_at.is_(None),
        agents.c.enabled.is_(True),
        ~exists().where(switches.c.active_key == spot_interruption_events.c.agent_id),
    )
    .order_by(spot_interruption_events.c.received_at, spot_interruption_events.c.event_id)
)


def unanswered_recommendations(tx: Transaction, agent_id: str | None = None) -> list[InterruptionEvent]:
    """Return the recommendations that stand for a PRIMARY and wait for a replica, oldest first, of this agent or of all.

    Left out are agents that are disabled, and those that a move moves now: it may take the workload elsewhere.
    """
    of_agent: tuple[ColumnElement[bool], ...] = () if agent_id is None else (spot_interruption_events.c.agent_id == agent_id,)
    waiting = []
    for *columns, is_replica_lost, hold_seconds in tx.execute(_OF_PRIMARIES.where(*of_agent), {"received_since": tx.now - LONGEST_HOLD}):
        event = InterruptionEvent(*columns)
        stands = is_standing(event.kind, action_at=None, received_at=event.received_at, hold_seconds=hold_seconds, now=tx.now)
        if stands and is_unanswered(event.response, has_replica=event.replica_id is not None, is_replica_lost=bool(is_replica_lost)):
            waiting.append(event)
    return waiting


def find_ending(tx: Transaction, agent_id: str, instance_id: str, action_at: datetime) -> InterruptionEvent | None:
    """Return the event that announced the end of this instance for that moment, the first of several, or None."""
    events = spot_interruption_events
    where = (events.c.agent_id == agent_id, events.c.instance_id == instance_id, events.c.action_at == action_at)
    forcing = select(*_COLUMNS).where(*where, events.c.kind.in_(FORCING_KINDS))
    row = tx.execute(forcing.order_by(events.c.received_at, events.c.event_id).limit(1)).one_or_none()
    return None if row is None else _event(row)


def insert_event(tx: Transaction, event: InterruptionEvent) -> None:
    """Store a new event."""
    values = {name: getattr(event, name) for name in InterruptionEvent.__dataclass_fields__}
    tx.execute(insert(spot_interruption_events).values(values))


def update_event(tx: Transaction, event_id: str, **values: Any) -> None:  # noqa: ANN401 - column values
    """Change an event; the caller holds the agent's row."""
    tx.execute(update(spot_interruption_events).where(spot_interruption_events.c.event_id == event_id).values(**values))


def list_events(tx: Transaction, client_id: str, *, before: tuple[datetime, str] | None, limit: int) -> list[InterruptionEvent]:
    """Return the client's events, newest first, up to `limit`; `before` is the position of the last one seen."""
    table = spot_interruption_events
    statement = select(*_COLUMNS).where(table.c.client_id == client_id)
    if before is not None:
        moment, event_id = before
        statement = statement.where((table.c.received_at < moment) | ((table.c.received_at == moment) & (table.c.event_id < event_id)))
    ordered = statement.order_by(table.c.received_at.desc(), table.c.event_id.desc()).limit(limit)
    return [_event(row) for row in tx.execute(ordered)]
