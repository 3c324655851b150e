"""Profiles of agents' weeks: one row for each agent, read and written many at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, delete, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_activity, agents, clients, instances
from spot_server.db.upsert import insert_or_update
from spot_server.features.activity.rules import HourActivity, Profile, Reading, UsualWeek, usual_week

_PROFILE = [agent_activity.c[name] for name in ("time_zone", "hours", "hour_at", "instance_id", "cpu_busy_ratio_sum", "cpu_busy_count")]


@dataclass(frozen=True, slots=True)
class Due:
    """An agent whose PRIMARY says how busy it is, and of which the hour that ended last is not counted yet."""

    agent_id: str
    time_zone: str
    """Its client's."""
    reading: Reading
    profile: Profile | None


_DUE = (
    select(
        agents.c.agent_id,
        clients.c.time_zone,
        instances.c.instance_id,
        instances.c.cpu_busy_ratio_sum,
        instances.c.cpu_busy_count,
        *_PROFILE,
    )
    .join_from(agents, instances, instances.c.primary_of == agents.c.agent_id)
    .join(clients, clients.c.client_id == agents.c.client_id)
    .outerjoin(agent_activity, agent_activity.c.agent_id == agents.c.agent_id)
    .where(
        agents.c.agent_id > bindparam("after"),
        agents.c.deleted_at.is_(None),
        instances.c.cpu_busy_count > 0,
        or_(agent_activity.c.hour_at.is_(None), agent_activity.c.hour_at < bindparam("hour_at")),
    )
    .order_by(agents.c.agent_id)
    .limit(bindparam("most", type_=Integer))
)


def list_due(tx: Transaction, hour_at: datetime, *, after: str, most: int) -> list[Due]:
    """Return up to `most` living agents, by id from `after` on, of which not every hour before `hour_at` is counted."""
    found = tx.execute(_DUE, {"hour_at": hour_at, "after": after, "most": most})
    return [Due(row[0], row[1], Reading(*row[2:5]), None if row[5] is None else _profile(row[5:])) for row in found]


def store_profiles(tx: Transaction, profiles: Sequence[tuple[str, Profile]]) -> None:
    """Write whole profiles by agent id. What is written again is the same again: nothing is added to what is stored."""
    rows = [
        {
            "agent_id": agent_id,
            "time_zone": one.time_zone,
            "hours": [list(hour) for hour in one.hours],
            "hour_at": one.hour_at,
            "instance_id": one.reading.instance_id,
            "cpu_busy_ratio_sum": one.reading.cpu_busy_ratio_sum,
            "cpu_busy_count": one.reading.cpu_busy_count,
            **_usual(one),
        }
        for agent_id, one in profiles
    ]
    replaced = [*(column.name for column in _PROFILE), "days_seen", "usual_hours"]
    insert_or_update(tx.connection, agent_activity, rows, key=["agent_id"], replace=replaced)


def _usual(profile: Profile) -> dict[str, Any]:
    week = usual_week(profile)
    return {"days_seen": None, "usual_hours": None} if week is None else {"days_seen": week.days, "usual_hours": list(week.busy_ratios)}


_USUAL_WEEKS = select(
    agent_activity.c.agent_id, agent_activity.c.time_zone, agent_activity.c.days_seen, agent_activity.c.usual_hours
).where(agent_activity.c.agent_id.in_(bindparam("agent_ids", expanding=True)), agent_activity.c.days_seen.is_not(None))


def usual_weeks_of(tx: Transaction, agent_ids: Collection[str]) -> dict[str, UsualWeek]:
    """Return what is to be expected of these agents' hours, in one statement; one of whom too little is known is no key.

    It is worked out once an hour, when the profile is written: decisions about thousands of agents read it every few minutes.
    """
    if not agent_ids:
        return {}
    return {row[0]: UsualWeek(row[1], row[2], tuple(row[3])) for row in tx.execute(_USUAL_WEEKS, {"agent_ids": list(agent_ids)})}


def forget(tx: Transaction, agent_id: str) -> None:
    """Delete the agent's profile, if there is one."""
    tx.execute(delete(agent_activity).where(agent_activity.c.agent_id == agent_id))


def _profile(values: Sequence[Any]) -> Profile:
    time_zone, hours, hour_at, *reading = values
    return Profile(time_zone, tuple(HourActivity(*hour) for hour in hours), hour_at, Reading(*reading))
