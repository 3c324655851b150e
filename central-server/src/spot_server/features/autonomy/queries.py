"""Reading and writing plans, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, autonomy_plans, instances, replica_instances, switches
from spot_server.features.autonomy.rules import Plan, PlanFacts, Successor, Wanted
from spot_server.words import ReplicaStatus, Role

_PLAN = [autonomy_plans.c[name] for name in Plan.__dataclass_fields__]

_IS_OF_AGENT = autonomy_plans.c.agent_id == bindparam("agent_id")

_PLANS = select(*_PLAN).order_by(autonomy_plans.c.issued_at, autonomy_plans.c.plan_id)
_PLANS_IN_FORCE = _PLANS.where(autonomy_plans.c.current_of.is_not(None))
_PLANS_IN_FORCE_OF_AGENT = _PLANS_IN_FORCE.where(_IS_OF_AGENT)
_OPEN_PLANS = _PLANS.where(_IS_OF_AGENT)
_PLAN_OF_AGENT = _OPEN_PLANS.where(autonomy_plans.c.plan_id == bindparam("plan_id"))
_PLAN_IN_FORCE = _OPEN_PLANS.where(autonomy_plans.c.current_of == bindparam("agent_id"))


@dataclass(frozen=True, slots=True)
class Scene:
    """An agent, and what its plan rests on."""

    agent_id: str
    facts: PlanFacts


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A plan that daemons are not told of any more, and what its successor says."""

    plan: Plan
    successor_role: Role | None
    acknowledged_config_version: int | None


def list_scenes(tx: Transaction, *, fresh_seconds: float, agent_id: str | None = None) -> list[Scene]:
    """Return every agent that has a ready standby or a plan in force, or that one agent, with a fixed number of queries."""
    statement = _PLANS_IN_FORCE if agent_id is None else _PLANS_IN_FORCE_OF_AGENT
    in_force = {plan.agent_id: plan for plan in _plans(tx, statement, agent_id=agent_id)}
    ready = _ready(tx, fresh_seconds, agent_id)
    wanted = sorted(in_force.keys() | ready.keys() | ({agent_id} if agent_id else set()))
    return [scene for chunk in _chunks(wanted) for scene in _scenes_of(tx, chunk, in_force, ready, fresh_seconds)]


def open_plans(tx: Transaction, agent_id: str) -> list[Plan]:
    """Return every plan of the agent on which some successor may still act, told or not."""
    return _plans(tx, _OPEN_PLANS, agent_id=agent_id)


def find_plan(tx: Transaction, agent_id: str, plan_id: str) -> Plan | None:
    """Return the agent's plan, unless it is spent."""
    found = _plans(tx, _PLAN_OF_AGENT, agent_id=agent_id, plan_id=plan_id)
    return found[0] if found else None


def plan_in_force(tx: Transaction, agent_id: str) -> Plan | None:
    """Return the plan that the agent's daemons are told of, or None."""
    found = _plans(tx, _PLAN_IN_FORCE, agent_id=agent_id)
    return found[0] if found else None


_IS_SUCCESSOR = (instances.c.agent_id == autonomy_plans.c.agent_id) & (instances.c.instance_id == autonomy_plans.c.successor_instance_id)
_WITHDRAWN = (
    select(*_PLAN, instances.c.role, instances.c.acknowledged_config_version)
    .join_from(autonomy_plans, instances, _IS_SUCCESSOR, isouter=True)
    .where(autonomy_plans.c.current_of.is_(None))
)


def list_withdrawn(tx: Transaction) -> list[Withdrawn]:
    """Return the plans that were withdrawn, each with its successor."""
    return [Withdrawn(Plan(*plan), role, version) for *plan, role, version in tx.execute(_WITHDRAWN)]


def insert_plan(tx: Transaction, plan_id: str, client_id: str, agent_id: str, wanted: Wanted) -> None:
    """Put a plan in force; the agent has none."""
    values = {name: getattr(wanted, name) for name in Wanted.__dataclass_fields__}
    keys = {"plan_id": plan_id, "client_id": client_id, "agent_id": agent_id, "current_of": agent_id}
    tx.execute(insert(autonomy_plans).values(**keys, **values, issued_at=tx.now))


def withdraw_plan(tx: Transaction, plan_id: str, config_version: int) -> None:
    """Tell daemons of it no more, from this configuration on."""
    values: dict[str, Any] = {"current_of": None, "withdrawn_at": tx.now, "withdrawn_config_version": config_version}
    tx.execute(update(autonomy_plans).where(autonomy_plans.c.plan_id == plan_id).values(**values))


def delete_plan(tx: Transaction, plan_id: str) -> None:
    """Forget a plan that is spent."""
    tx.execute(delete(autonomy_plans).where(autonomy_plans.c.plan_id == plan_id))


def raise_config_version(tx: Transaction, agent_id: str) -> int:
    """Have the agent's daemons fetch their configuration, and return its new number; the caller holds the agent's row."""
    tx.execute(update(agents).where(agents.c.agent_id == agent_id).values(config_version=agents.c.config_version + 1))
    version: int = tx.execute(select(agents.c.config_version).where(agents.c.agent_id == agent_id)).scalar_one()
    return version


def _plans(tx: Transaction, statement: Executable, **parameters: str | None) -> list[Plan]:
    return [Plan(*row) for row in tx.execute(statement, parameters)]


_IS_ITS = (instances.c.agent_id == replica_instances.c.agent_id) & (instances.c.instance_id == replica_instances.c.instance_id)
_READY = (
    select(
        replica_instances.c.agent_id,
        replica_instances.c.replica_id,
        instances.c.instance_id,
        instances.c.last_heartbeat_at,
        instances.c.acknowledged_config_version,
    )
    .join_from(replica_instances, instances, _IS_ITS)
    .where(replica_instances.c.status == ReplicaStatus.READY, instances.c.role == Role.REPLICA)
    .order_by(replica_instances.c.created_at.desc(), replica_instances.c.replica_id)
)
_READY_OF_AGENT = _READY.where(replica_instances.c.agent_id == bindparam("agent_id"))


def _ready(tx: Transaction, fresh_seconds: float, agent_id: str | None) -> dict[str, list[Successor]]:
    """The ready standbys of each agent, the newest first."""
    found: dict[str, list[Successor]] = {}
    for row in tx.execute(_READY if agent_id is None else _READY_OF_AGENT, {"agent_id": agent_id}):
        can_act = _can_act(tx.now, fresh_seconds, row.last_heartbeat_at, row.acknowledged_config_version)
        found.setdefault(row.agent_id, []).append(Successor(row.instance_id, row.replica_id, can_act))
    return found


def _can_act(now: datetime, fresh_seconds: float, heard_at: datetime | None, version: int | None) -> bool:
    return version is not None and heard_at is not None and now - heard_at <= timedelta(seconds=fresh_seconds)


def _chunks(ids: Sequence[str], most: int = 500) -> list[Sequence[str]]:
    return [ids[at : at + most] for at in range(0, len(ids), most)]


_SCENES = (
    select(
        *(agents.c.agent_id, agents.c.enabled, agents.c.deleted_at, agents.c.carry, agents.c.traffic_handles, agents.c.epoch),
        instances.c.instance_id.label("primary_instance_id"),
        instances.c.last_heartbeat_at.label("heard_at"),
        instances.c.acknowledged_config_version.label("acknowledged"),
        switches.c.switch_id,
        switches.c.replica_id.label("moving_to"),
    )
    .join_from(agents, instances, instances.c.primary_of == agents.c.agent_id, isouter=True)
    .join(switches, switches.c.active_key == agents.c.agent_id, isouter=True)
    .where(agents.c.agent_id.in_(bindparam("agent_ids", expanding=True)))
    .order_by(agents.c.agent_id)
)


def _scenes_of(
    tx: Transaction, ids: Sequence[str], in_force: dict[str, Plan], ready: dict[str, list[Successor]], fresh_seconds: float
) -> list[Scene]:
    return [
        Scene(row.agent_id, _facts(tx, row, in_force.get(row.agent_id), ready.get(row.agent_id, []), fresh_seconds))
        for row in tx.execute(_SCENES, {"agent_ids": ids})
    ]


def _facts(tx: Transaction, row: Any, plan: Plan | None, ready: Sequence[Successor], fresh_seconds: float) -> PlanFacts:  # noqa: ANN401 - a row
    return PlanFacts(
        enabled=row.enabled,
        is_deleted=row.deleted_at is not None,
        carry=row.carry,
        traffic_handles=row.traffic_handles,
        epoch=row.epoch,
        primary_instance_id=row.primary_instance_id,
        can_primary_act=_can_act(tx.now, fresh_seconds, row.heard_at, row.acknowledged),
        ready=ready,
        is_moving=row.switch_id is not None,
        moving_to=row.moving_to,
        in_force=plan,
    )
