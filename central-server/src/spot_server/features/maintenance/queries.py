"""Finding scheduled events: those that daemons list, and those that are open in our books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, interruption_sightings, spot_interruption_events, switches
from spot_server.db.types import JsonText
from spot_server.words import InterruptionKind, NoticeChannel, Role


@dataclass(frozen=True, slots=True)
class Listed:
    """What the daemon of a PRIMARY or REPLICA lists, which is not nothing."""

    agent_id: str
    instance_id: str
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """A scheduled event that is neither called off nor of an instance that has no part any more."""

    event_id: str
    agent_id: str
    instance_id: str
    notice_id: str
    """Its name in the daemon's channel, or, where that has not told of it, in the one that was first."""
    code: str | None
    not_before: datetime
    role: Role
    listed: list[dict[str, Any]] | None
    """What the instance's daemon lists now, if it told of this event; an empty list: it looked, and there is none."""


_LISTED = (
    select(instances.c.agent_id, instances.c.instance_id, instances.c.scheduled_events)
    .join_from(instances, agents)
    .where(
        instances.c.role.in_((Role.PRIMARY, Role.REPLICA)),
        instances.c.scheduled_events != literal([], type_=JsonText),
        agents.c.deleted_at.is_(None),
    )
)


def list_listed(tx: Transaction) -> list[Listed]:
    """Return what daemons list of living agents' instances, those that list nothing left out."""
    return [Listed(*row) for row in tx.execute(_LISTED)]


_EVENT, _SEEN = spot_interruption_events, interruption_sightings
_OPEN = (
    select(
        _EVENT.c.event_id,
        _EVENT.c.agent_id,
        _EVENT.c.instance_id,
        func.coalesce(_SEEN.c.notice_id, _EVENT.c.notice_id).label("notice_id"),
        _EVENT.c.code,
        _EVENT.c.action_at.label("not_before"),
        instances.c.role,
        instances.c.scheduled_events.label("listed"),
        _SEEN.c.channel.label("by_daemon"),
    )
    .join_from(instances, agents)
    .join(_EVENT, (_EVENT.c.agent_id == instances.c.agent_id) & (_EVENT.c.instance_id == instances.c.instance_id))
    .outerjoin(_SEEN, (_SEEN.c.event_id == _EVENT.c.event_id) & (_SEEN.c.channel == NoticeChannel.DAEMON))
    .where(
        instances.c.role.in_((Role.PRIMARY, Role.REPLICA)),
        agents.c.deleted_at.is_(None),
        _EVENT.c.kind == InterruptionKind.SCHEDULED,
        _EVENT.c.called_off_at.is_(None),
        _EVENT.c.action_at.is_not(None),
    )
    .order_by(_EVENT.c.action_at, _EVENT.c.event_id)
)


def list_open(tx: Transaction) -> list[OpenEvent]:
    """Return the open events of PRIMARY and REPLICA instances of living agents, the soonest first."""
    return [_open_event(row._asdict()) for row in tx.execute(_OPEN)]


def _open_event(row: dict[str, Any]) -> OpenEvent:
    by_daemon = row.pop("by_daemon")
    return OpenEvent(**{**row, "listed": row["listed"] if by_daemon is not None else None})


def told_by_daemon(tx: Transaction, agent_id: str, notice_id: str) -> tuple[bool, datetime | None]:
    """Return whether the daemon's channel has told of it, and for when; a time of None: it was called off since."""
    event, seen = spot_interruption_events, interruption_sightings
    row = tx.execute(
        select(event.c.action_at, event.c.called_off_at)
        .join_from(event, seen)
        .where(seen.c.agent_id == agent_id, seen.c.notice_id == notice_id, seen.c.channel == NoticeChannel.DAEMON)
    ).one_or_none()
    return (False, None) if row is None else (True, row.action_at if row.called_off_at is None else None)


def count_tries(tx: Transaction, agent_id: str, prefix: str) -> tuple[int, datetime | None]:
    """Return how many moves of the agent have a request id that begins so, and when the last one began."""
    where = (switches.c.agent_id == agent_id, switches.c.request_id.startswith(prefix, autoescape=True))
    row = tx.execute(select(func.count().label("tries"), func.max(switches.c.initiated_at).label("last")).where(*where)).one()
    return int(row.tries), row.last
