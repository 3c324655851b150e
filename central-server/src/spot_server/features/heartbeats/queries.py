"""The two statements of a heartbeat, and the silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Double, Integer, bindparam, exists, func, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, commands, instances
from spot_server.features.heartbeats.rules import SKEW_NOTED_SECONDS
from spot_server.words import Mode, Role

LIVING_ROLES = (Role.PRIMARY, Role.REPLICA)


@dataclass(frozen=True, slots=True)
class HeartbeatFacts:
    """What the answer to a heartbeat is made of."""

    client_id: str
    logical_agent_id: str
    role: Role
    epoch: int
    config_version: int
    is_offline: bool
    commands_waiting: bool


@dataclass(frozen=True, slots=True)
class Silent:
    """An agent whose primary has been silent."""

    agent_id: str
    client_id: str
    logical_agent_id: str
    instance_id: str
    last_heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class Odd:
    """An instance that heartbeats, but whose clock or mode is in doubt."""

    agent_id: str
    client_id: str
    logical_agent_id: str
    instance_id: str
    mode: Mode
    clock_skew_seconds: float | None


# The two statements of the hot path are built once: building them for each heartbeat costs as much time as SQLite needs to run them.
_IS_THIS_INSTANCE = (instances.c.agent_id == bindparam("this_agent_id"), instances.c.instance_id == bindparam("this_instance_id"))
_STORE = update(instances).where(*_IS_THIS_INSTANCE)
_STORE_BUSY = _STORE.values(
    cpu_busy_ratio_sum=instances.c.cpu_busy_ratio_sum + bindparam("said_busy_ratio", type_=Double),
    cpu_busy_count=instances.c.cpu_busy_count + 1,
)


def store_heartbeat(tx: Transaction, agent_id: str, instance_id: str, values: dict[str, Any], *, cpu_busy_ratio: float | None) -> bool:
    """Store what the daemon saw; False when the agent never had that instance. One UPDATE by primary key; no version is raised.

    How busy it was (0..1, None: it does not say) is counted and added up: `features/activity` reads both once an hour.
    """
    stored = {**values, "this_agent_id": agent_id, "this_instance_id": instance_id}
    if cpu_busy_ratio is None:
        return tx.execute(_STORE, stored).rowcount == 1
    return tx.execute(_STORE_BUSY, {**stored, "said_busy_ratio": cpu_busy_ratio}).rowcount == 1


_WAITING = exists().where(commands.c.open_instance_id == instances.c.instance_id, commands.c.agent_id == instances.c.agent_id)
_FACTS = (
    select(
        agents.c.client_id,
        agents.c.logical_agent_id,
        instances.c.role,
        agents.c.epoch,
        agents.c.config_version,
        agents.c.is_offline,
        _WAITING.label("commands_waiting"),
    )
    .join_from(instances, agents)
    .where(*_IS_THIS_INSTANCE)
)


def read_facts(tx: Transaction, agent_id: str, instance_id: str) -> HeartbeatFacts:
    """Return all that the answer needs, in one SELECT."""
    return HeartbeatFacts(*tx.execute(_FACTS, {"this_agent_id": agent_id, "this_instance_id": instance_id}).one())


def set_offline(tx: Transaction, agent_id: str, *, is_offline: bool) -> bool:
    """Turn the mark; False when it already was so."""
    statement = (
        update(agents)
        .where(agents.c.agent_id == agent_id, agents.c.is_offline.is_not(is_offline), agents.c.deleted_at.is_(None))
        .values(is_offline=is_offline)
    )
    return tx.execute(statement).rowcount == 1


_SILENT = (
    select(
        agents.c.agent_id,
        agents.c.client_id,
        agents.c.logical_agent_id,
        instances.c.instance_id,
        instances.c.last_heartbeat_at,
    )
    .join_from(instances, agents)
    .where(
        instances.c.role == Role.PRIMARY,
        instances.c.last_heartbeat_at < bindparam("cutoff"),
        agents.c.deleted_at.is_(None),
        agents.c.is_offline.is_(False),
    )
    .order_by(instances.c.last_heartbeat_at)
    .limit(bindparam("most", type_=Integer))
)


def list_silent(tx: Transaction, cutoff: datetime, *, most: int) -> list[Silent]:
    """Return up to `most` living agents, not marked yet, whose primary was last heard before `cutoff`."""
    return [Silent(*row) for row in tx.execute(_SILENT, {"cutoff": cutoff, "most": most})]


_ODD = (
    select(
        agents.c.agent_id,
        agents.c.client_id,
        agents.c.logical_agent_id,
        instances.c.instance_id,
        instances.c.mode,
        instances.c.clock_skew_seconds,
    )
    .join_from(instances, agents)
    .where(
        instances.c.role.in_(LIVING_ROLES),
        instances.c.last_heartbeat_at >= bindparam("since"),
        or_(
            instances.c.mode == Mode.UNKNOWN,
            func.abs(func.coalesce(instances.c.clock_skew_seconds, 0)) > SKEW_NOTED_SECONDS,
        ),
    )
)


def list_odd(tx: Transaction, *, heard_within_seconds: float) -> list[Odd]:
    """Return instances heard of late whose mode is unknown or whose clock is wrong by more than SKEW_NOTED_SECONDS."""
    return [Odd(*row) for row in tx.execute(_ODD, {"since": tx.now - timedelta(seconds=heard_within_seconds)})]
