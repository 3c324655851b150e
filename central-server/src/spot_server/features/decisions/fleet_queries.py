"""Reading what decisions about many agents rest on, in few statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Integer, bindparam, distinct, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    agents,
    instance_types,
    instances,
    pool_cooldowns,
    replica_instances,
    spot_interruption_events,
    switches,
)
from spot_server.features.agents.queries import Agent
from spot_server.features.interruptions.rules import TAKING_KINDS
from spot_server.features.replicas.placement import Shape
from spot_server.words import (
    ACTIVE_SWITCH_STATUSES,
    LIVE_REPLICA_STATUSES,
    RESCUE_TRIGGERS,
    Mode,
    Role,
    SwitchStatus,
    SwitchTrigger,
)

MEASURED_DAYS = 90
"""Downtimes that are older say little of what a move costs now."""


@dataclass(frozen=True, slots=True)
class Primary:
    """The PRIMARY of an agent, as far as a decision needs it."""

    instance_id: str
    role: Role
    mode: Mode
    az_id: str
    instance_type: str
    product: str
    architecture: str
    registered_at: datetime
    launched_at: datetime | None
    booted_at: datetime | None
    last_primary_at: datetime | None


_AGENT_COLUMNS = [agents.c[name] for name in Agent.__dataclass_fields__]
_PRIMARY_COLUMNS = [instances.c[name] for name in Primary.__dataclass_fields__]
_AGENTS = (
    select(*_AGENT_COLUMNS, *_PRIMARY_COLUMNS)
    .join_from(agents, instances, instances.c.primary_of == agents.c.agent_id)
    .where(agents.c.deleted_at.is_(None))
)
_NEXT_AGENTS = _AGENTS.where(agents.c.agent_id > bindparam("after")).order_by(agents.c.agent_id).limit(bindparam("most", type_=Integer))
_ONE_AGENT = _AGENTS.where(agents.c.agent_id == bindparam("agent_id"))


def next_agents(tx: Transaction, after: str, most: int) -> list[tuple[Agent, Primary]]:
    """Return the next living agents with a PRIMARY, by id."""
    return [_split(row) for row in tx.execute(_NEXT_AGENTS, {"after": after, "most": most})]


def one_agent(tx: Transaction, agent_id: str) -> tuple[Agent, Primary] | None:
    """Return a living agent with its PRIMARY; None when there is none."""
    row = tx.execute(_ONE_AGENT, {"agent_id": agent_id}).one_or_none()
    return None if row is None else _split(row)


def _split(values: Sequence[Any]) -> tuple[Agent, Primary]:
    return Agent(*values[: len(_AGENT_COLUMNS)]), Primary(*values[len(_AGENT_COLUMNS) :])


@dataclass(slots=True)
class Past:
    """What befell an agent of late, and what its moves took on average."""

    planned_ms: float | None = None
    forced_ms: float | None = None
    moves_in_day: int = 0
    last_move_at: datetime | None = None
    last_forced_at: datetime | None = None
    losses_in_day: int = 0
    is_moving: bool = False
    lasting_replicas: int = 0
    """Live ones whose hold, if they have one, reaches as far as was asked for."""


_OF_AGENTS: BindParameter[Any] = bindparam("agent_ids", expanding=True)
_IS_FORCED = switches.c.trigger.in_(RESCUE_TRIGGERS)
_DOWNTIMES = (
    select(switches.c.agent_id, _IS_FORCED, func.avg(switches.c.downtime_ms))
    .where(
        switches.c.agent_id.in_(_OF_AGENTS),
        switches.c.status == SwitchStatus.COMPLETED,
        switches.c.downtime_ms.is_not(None),
        switches.c.initiated_at > bindparam("measured_since"),
    )
    .group_by(switches.c.agent_id, _IS_FORCED)
)
_MOVES = select(switches.c.agent_id, switches.c.trigger, switches.c.status, switches.c.initiated_at).where(
    switches.c.agent_id.in_(_OF_AGENTS), or_(switches.c.initiated_at > bindparam("since"), switches.c.active_key.is_not(None))
)
_LOSSES = (
    select(spot_interruption_events.c.agent_id, func.count(distinct(spot_interruption_events.c.instance_id)))
    .where(
        spot_interruption_events.c.agent_id.in_(_OF_AGENTS),
        spot_interruption_events.c.received_at > bindparam("since"),
        spot_interruption_events.c.kind.in_(TAKING_KINDS),
        spot_interruption_events.c.instance_role == Role.PRIMARY,
        spot_interruption_events.c.game_day_id.is_(None),
    )
    .group_by(spot_interruption_events.c.agent_id)
)
_REPLICAS = (
    select(replica_instances.c.agent_id, func.count())
    .where(
        replica_instances.c.agent_id.in_(_OF_AGENTS),
        replica_instances.c.status.in_(LIVE_REPLICA_STATUSES),
        or_(replica_instances.c.hold_until.is_(None), replica_instances.c.hold_until >= bindparam("lasting_until")),
    )
    .group_by(replica_instances.c.agent_id)
)
_LAPSING = (
    select(replica_instances.c.agent_id)
    .where(
        replica_instances.c.status.in_(LIVE_REPLICA_STATUSES),
        replica_instances.c.hold_until < bindparam("lasting_until"),
    )
    .distinct()
)


def agents_with_lapsing_replicas(tx: Transaction, *, lasting_until: datetime) -> set[str]:
    """Return the agents that have a live replica whose hold ends before `lasting_until`."""
    return set(tx.execute(_LAPSING, {"lasting_until": lasting_until}).scalars())


def read_pasts(tx: Transaction, agent_ids: Collection[str], *, lasting_until: datetime) -> dict[str, Past]:
    """Return what befell these agents, in four statements; every one of them is a key.

    A replica counts as standing by if it is held until `lasting_until` at least: one whose hold ends earlier must be asked for once more.
    """
    found = {agent_id: Past() for agent_id in agent_ids}
    if not found:
        return found
    wanted = {"agent_ids": list(found), "since": tx.now - timedelta(days=1)}
    measured = {"agent_ids": list(found), "measured_since": tx.now - timedelta(days=MEASURED_DAYS)}
    for agent_id, is_forced, average in tx.execute(_DOWNTIMES, measured):
        setattr(found[agent_id], "forced_ms" if is_forced else "planned_ms", float(average))
    for agent_id, trigger, status, initiated_at in tx.execute(_MOVES, wanted):
        _note_move(found[agent_id], trigger, status, initiated_at)
    for agent_id, count in tx.execute(_LOSSES, wanted):
        found[agent_id].losses_in_day = count
    for agent_id, count in tx.execute(_REPLICAS, {"agent_ids": list(found), "lasting_until": lasting_until}):
        found[agent_id].lasting_replicas = count
    return found


def _note_move(past: Past, trigger: SwitchTrigger, status: SwitchStatus, initiated_at: datetime) -> None:
    past.is_moving = past.is_moving or status in ACTIVE_SWITCH_STATUSES
    if trigger is SwitchTrigger.AUTOMATIC:
        past.moves_in_day += 1
    if trigger in RESCUE_TRIGGERS:
        past.last_forced_at = max(filter(None, (past.last_forced_at, initiated_at)))
    else:
        past.last_move_at = max(filter(None, (past.last_move_at, initiated_at)))


_COOLING = select(pool_cooldowns.c.instance_type, pool_cooldowns.c.az_id, pool_cooldowns.c.until_at).where(
    pool_cooldowns.c.region == bindparam("region"), pool_cooldowns.c.until_at > bindparam("now")
)


def cooling_in(tx: Transaction, region: str) -> dict[tuple[str, str], datetime]:
    """Return until when pools of the region are left alone, by (type, AZ id)."""
    return {(kind, az_id): until for kind, az_id, until in tx.execute(_COOLING, {"region": region, "now": tx.now})}


_SHAPES = select(instance_types.c.instance_type, instance_types.c.vcpu, instance_types.c.memory_mib, instance_types.c.architectures)


def all_shapes(tx: Transaction) -> dict[str, Shape]:
    """Return what EC2 says of every instance type that is known."""
    return {kind: Shape(vcpu, memory, frozenset(architectures)) for kind, vcpu, memory, architectures in tx.execute(_SHAPES)}


_REACHED = (
    select(agents.c.region, instances.c.product, instances.c.instance_type, agents.c.allowed_instance_types)
    .join_from(agents, instances, instances.c.primary_of == agents.c.agent_id)
    .where(agents.c.deleted_at.is_(None))
    .distinct()
)


def types_reached(tx: Transaction) -> dict[tuple[str, str], set[str]]:
    """Return by (region, product) the instance types that living agents run on or may use."""
    found: dict[tuple[str, str], set[str]] = {}
    for region, product, instance_type, allowed in tx.execute(_REACHED):
        found.setdefault((region, product), set()).update((instance_type, *allowed))
    return found
