"""Reading what an account is reckoned from, for many agents of one client at once: the number of statements does not grow with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import (
    agents,
    audit_logs,
    commands,
    instances,
    spot_interruption_events,
    switches,
)
from spot_server.features.savings.calendar_rules import Stretch
from spot_server.features.savings.due_rules import ENDS_LATE_BY
from spot_server.features.savings.launch_queries import Launch, launches_of, products_of
from spot_server.features.savings.presence_rules import Presence, RoleChange
from spot_server.words import CommandKind, CommandStatus, HandleKind, InterruptionKind, Role

ENDS_LEARNED_WITHIN = timedelta(days=7)
"""How long before a time an end may lie of which the server learned only then: it, or every daemon of the agent, was away meanwhile."""

ENDING_NOTICES = frozenset({InterruptionKind.TERMINATE, InterruptionKind.STOP, InterruptionKind.HIBERNATE})
LINUX = "Linux/UNIX"
"""The product of what was launched for an agent of which no instance is in the books any more."""

LOSSES = ENDING_NOTICES | {InterruptionKind.LOSS, InterruptionKind.SILENCE}


@dataclass(frozen=True, slots=True)
class AccountAgent:
    """An agent whose account is reckoned."""

    agent_id: str
    logical_agent_id: str
    region: str
    address_count: int
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Happened:
    """What a day was like beside its money."""

    switch_count: int = 0
    downtime_ms: int = 0
    interruption_count: int = 0


_AGENTS = (
    select(
        agents.c.agent_id, agents.c.logical_agent_id, agents.c.region, agents.c.traffic_handles, agents.c.created_at, agents.c.deleted_at
    )
    .where(
        agents.c.client_id == bindparam("client_id"),
        agents.c.created_at < bindparam("until"),
        or_(agents.c.deleted_at.is_(None), agents.c.deleted_at > bindparam("deleted_after")),
    )
    .order_by(agents.c.agent_id)
)
_THESE_AGENTS = _AGENTS.where(agents.c.agent_id.in_(bindparam("agent_ids", expanding=True)))


def account_agents(tx: Transaction, client_id: str, within: Stretch, agent_ids: Sequence[str] | None = None) -> list[AccountAgent]:
    """Return the client's agents that had an account in this time, all or some of them, by id."""
    asked: dict[str, Any] = {"client_id": client_id, "until": within.until, "deleted_after": within.since - ENDS_LATE_BY}
    statement = _AGENTS if agent_ids is None else _THESE_AGENTS
    if agent_ids is not None:
        asked["agent_ids"] = list(agent_ids)
    return [
        AccountAgent(row.agent_id, row.logical_agent_id, row.region, _address_count(row.traffic_handles), row.created_at, row.deleted_at)
        for row in tx.execute(statement, asked)
    ]


def _address_count(handles: Sequence[dict[str, Any]]) -> int:
    return sum(handle.get("kind") == HandleKind.ELASTIC_IP for handle in handles)


_of_agents: BindParameter[Any] = bindparam("agent_ids", expanding=True)
_since: BindParameter[Any] = bindparam("since")
_until: BindParameter[Any] = bindparam("until")
_ended_after: BindParameter[Any] = bindparam("ended_after")

_INSTANCES = select(
    instances.c.agent_id,
    instances.c.instance_id,
    instances.c.instance_type,
    instances.c.region,
    instances.c.az_id,
    instances.c.product,
    instances.c.mode,
    instances.c.role,
    instances.c.booted_at,
    instances.c.registered_at,
    instances.c.last_heartbeat_at,
    func.coalesce(instances.c.released_at, instances.c.terminated_at).label("ended_at"),
).where(
    instances.c.agent_id.in_(_of_agents),
    or_(instances.c.terminated_at.is_(None), instances.c.terminated_at > _since),
    or_(instances.c.released_at.is_(None), instances.c.released_at > _since),
)

_audit = audit_logs
_CHANGES = (
    select(_audit.c.agent_id, _audit.c.instance_id, _audit.c.at, _audit.c.action, _audit.c.pre_state, _audit.c.post_state)
    .where(
        _audit.c.agent_id.in_(_of_agents),
        _audit.c.at >= _since,
        or_(_audit.c.action.like("role.%"), _audit.c.action.in_(("agent.promoted", "agent.restored", "agent.called_back"))),
    )
    .order_by(_audit.c.audit_id)
)

_event = spot_interruption_events
_ANNOUNCED: Select[Any] = select(_event.c.agent_id, _event.c.instance_id, _event.c.action_at).where(
    _event.c.agent_id.in_(_of_agents),
    _event.c.kind.in_(ENDING_NOTICES),
    _event.c.action_at > _ended_after,
    _event.c.called_off_at.is_(None),
)

_ASKED = select(commands.c.agent_id, commands.c.payload, commands.c.finished_at).where(
    commands.c.agent_id.in_(_of_agents),
    commands.c.kind == CommandKind.TERMINATE_INSTANCE,
    commands.c.status == CommandStatus.SUCCEEDED,
    commands.c.issued_at > bindparam("issued_after"),
    commands.c.finished_at > _ended_after,
)


def presences(tx: Transaction, found: Sequence[AccountAgent], within: Stretch) -> dict[str, list[Presence]]:
    """Return by agent what the books say of every instance that may have run in this time."""
    if not found:
        return {}
    agent_ids = [agent.agent_id for agent in found]
    in_these = {"agent_ids": agent_ids, "since": within.since}
    launches = launches_of(tx, agent_ids, within)
    changes = _role_changes(tx, in_these)
    ended = {"agent_ids": agent_ids, "ended_after": within.since - ENDS_LEARNED_WITHIN}
    announced: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in tx.execute(_ANNOUNCED, ended):
        announced[row.agent_id, row.instance_id].append(row.action_at)
    asked_ends = _asked_ends(tx, ended)
    regions = {agent.agent_id: agent.region for agent in found}
    result: dict[str, list[Presence]] = defaultdict(list)
    for row in tx.execute(_INSTANCES, in_these):
        key = (row.agent_id, row.instance_id)
        launch = launches.pop(key, None)
        values: dict[str, Any] = {name: value for name, value in row._asdict().items() if name != "agent_id"}
        values |= {"announced_ends": announced.get(key, ()), "asked_end_at": asked_ends.get(key), "changes": changes.get(key, ())}
        result[row.agent_id].append(Presence(**values, launched_at=None if launch is None else launch.launched_at))
    # One that registered and is left over here had ended before: its own row said so, the replica's never does once it is promoted.
    waiting = {key: launch for key, launch in launches.items() if not launch.has_registered}
    products = products_of(tx, {agent_id for agent_id, _ in waiting})
    for key, launch in waiting.items():
        result[key[0]].append(_never_registered(launch, regions[key[0]], products.get(key[0], LINUX), asked_ends.get(key)))
    return dict(result)


def _never_registered(launch: Launch, region: str, product: str, asked_end_at: datetime | None) -> Presence:
    return Presence(
        instance_id=launch.instance_id,
        instance_type=launch.instance_type,
        region=region,
        az_id=launch.az_id,
        product=product,
        mode=launch.mode,
        role=None,
        launched_at=launch.launched_at,
        booted_at=None,
        registered_at=None,
        last_heartbeat_at=None,
        ended_at=launch.ended_at,
        asked_end_at=asked_end_at,
    )


def _role_changes(tx: Transaction, asked: dict[str, Any]) -> dict[tuple[str, str], list[RoleChange]]:
    found: dict[tuple[str, str], list[RoleChange]] = defaultdict(list)
    for row in tx.execute(_CHANGES, asked):
        before, after = row.pre_state or {}, row.post_state or {}
        befores = before.get("roles") or {row.instance_id: before.get("role")}
        afters = after.get("roles") or {row.instance_id: after.get("role")}
        for instance_id, role in afters.items():
            if role is not None:
                was = befores.get(instance_id)
                found[row.agent_id, instance_id].append(RoleChange(row.at, None if was is None else Role(was), Role(role)))
    return found


def _asked_ends(tx: Transaction, asked: dict[str, Any]) -> dict[tuple[str, str], datetime]:
    found: dict[tuple[str, str], datetime] = {}
    for row in tx.execute(_ASKED, {**asked, "issued_after": asked["ended_after"] - timedelta(days=1)}):
        key = (row.agent_id, str(row.payload.get("instance_id")))
        found[key] = min(row.finished_at, found.get(key, row.finished_at))
    return found


_first = (
    select(instances.c.agent_id, func.min(instances.c.registered_at).label("at"))
    .where(instances.c.agent_id.in_(_of_agents))
    .group_by(instances.c.agent_id)
    .subquery()
)
_FIRST_TYPES = select(instances.c.agent_id, instances.c.instance_type).join(
    _first, and_(_first.c.agent_id == instances.c.agent_id, _first.c.at == instances.c.registered_at)
)


def first_types(tx: Transaction, agent_ids: Iterable[str]) -> dict[str, str]:
    """Return by agent the instance type that it began with, as far as its first instance is still in the books."""
    asked = list(agent_ids)
    return {row.agent_id: row.instance_type for row in tx.execute(_FIRST_TYPES, {"agent_ids": asked})} if asked else {}


_SWITCHES = (
    select(switches.c.agent_id, func.count().label("move_count"), func.sum(func.coalesce(switches.c.downtime_ms, 0)).label("downtime_ms"))
    .where(switches.c.agent_id.in_(_of_agents), switches.c.completed_at >= _since, switches.c.completed_at < _until)
    .group_by(switches.c.agent_id)
)
_INTERRUPTIONS = (
    select(_event.c.agent_id, func.count().label("loss_count"))
    .where(
        _event.c.agent_id.in_(_of_agents),
        _event.c.received_at >= _since,
        _event.c.received_at < _until,
        _event.c.kind.in_(LOSSES),
        _event.c.game_day_id.is_(None),
    )
    .group_by(_event.c.agent_id)
)


def happenings(tx: Transaction, agent_ids: Sequence[str], within: Stretch) -> dict[str, Happened]:
    """Return by agent the moves that ended in this time, their downtime, and the interruptions in earnest, without recommendations."""
    if not agent_ids:
        return {}
    asked = {"agent_ids": list(agent_ids), "since": within.since, "until": within.until}
    moves = {row.agent_id: (row.move_count, int(row.downtime_ms)) for row in tx.execute(_SWITCHES, asked)}
    losses = {row.agent_id: row.loss_count for row in tx.execute(_INTERRUPTIONS, asked)}
    found = {}
    for agent_id in moves.keys() | losses.keys():
        move_count, downtime_ms = moves.get(agent_id, (0, 0))
        found[agent_id] = Happened(move_count, downtime_ms, losses.get(agent_id, 0))
    return found
