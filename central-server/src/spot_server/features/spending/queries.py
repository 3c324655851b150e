"""What an agent has launched, and what runs beside a primary for long."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, notifications, replica_instances
from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaKind, Role


@dataclass(frozen=True, slots=True)
class Overlap:
    """An instance that is paid beside its agent's primary, and is no standby that somebody wants. `since` it has its role."""

    client_id: str
    agent_id: str
    logical_agent_id: str
    instance_id: str
    role: Role
    since: datetime


def count_others_alive(tx: Transaction, agent_id: str, replica_id: str) -> int:
    """Return how many replicas of the agent but this one live and were asked for: those cost something, or are about to."""
    replica = replica_instances
    condition = (
        replica.c.agent_id == agent_id,
        replica.c.replica_id != replica_id,
        replica.c.status.in_(LIVE_REPLICA_STATUSES),
        or_(replica.c.launch_command_id.is_not(None), replica.c.instance_id.is_not(None)),
    )
    return int(tx.execute(select(func.count()).select_from(replica).where(*condition)).scalar_one())


def count_launched(tx: Transaction, agent_id: str, since: datetime) -> int:
    """Return how many instances were launched for the agent after `since`; what EC2 refused costs nothing and is not among them."""
    replica = replica_instances
    condition = (replica.c.agent_id == agent_id, replica.c.launched_at > since)
    return int(tx.execute(select(func.count()).select_from(replica).where(*condition)).scalar_one())


_OVERLAPS = (
    select(
        instances.c.client_id,
        instances.c.agent_id,
        agents.c.logical_agent_id,
        instances.c.instance_id,
        instances.c.role,
        instances.c.role_changed_at,
    )
    .join_from(instances, agents)
    .outerjoin(replica_instances, replica_instances.c.replica_id == instances.c.replica_id)
    .where(
        instances.c.role.in_((Role.REPLICA, Role.ZOMBIE)),
        instances.c.released_at.is_(None),
        instances.c.role_changed_at < bindparam("began_before"),
        or_(instances.c.role == Role.ZOMBIE, replica_instances.c.kind.is_(None), replica_instances.c.kind != ReplicaKind.MANUAL),
    )
    .order_by(instances.c.agent_id, instances.c.instance_id)
)


def list_overlaps(tx: Transaction, began_before: datetime) -> list[Overlap]:
    """Return the instances that have run beside their primary since before then. One that a person released is no part of its agent."""
    return [Overlap(*row) for row in tx.execute(_OVERLAPS, {"began_before": began_before})]


def told_of(tx: Transaction, dedupe_keys: Collection[str]) -> set[str]:
    """Return which of these notifications exist."""
    return set(tx.execute(select(notifications.c.dedupe_key).where(notifications.c.dedupe_key.in_(dedupe_keys))).scalars())
