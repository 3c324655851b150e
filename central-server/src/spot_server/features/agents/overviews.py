"""An agent as a list shows it: itself, its primary, and a few counts. One query per kind of fact, not per agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images, agents, instances, replica_instances, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.heartbeats.rules import is_skew_noted
from spot_server.features.instances.queries import Instance
from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaStatus


@dataclass(frozen=True, slots=True)
class AgentOverview:
    """One agent with what a person wants to see at once."""

    agent: Agent
    primary: Instance | None
    instance_count: int
    live_replica_count: int
    ready_replica_count: int
    has_good_image: bool
    active_switch_id: str | None

    @property
    def clock_skew_seconds(self) -> float | None:
        """By how much the primary's clock is ahead (> 0) or behind; None when it never said."""
        return None if self.primary is None else self.primary.clock_skew_seconds

    @property
    def is_clock_off(self) -> bool:
        """Whether that is so much that a person should see to it."""
        return is_skew_noted(self.clock_skew_seconds)


def list_overviews(
    tx: Transaction,
    client_id: str,
    *,
    after: tuple[datetime, str] | None,
    most: int,
    logical_agent_id: str | None = None,
    with_deleted: bool = False,
) -> list[AgentOverview]:
    """Return up to `most` agents of the client, oldest first, from after (created_at, agent_id) on."""
    statement = select(agents).where(agents.c.client_id == client_id).order_by(agents.c.created_at, agents.c.agent_id).limit(most)
    if not with_deleted:
        statement = statement.where(agents.c.deleted_at.is_(None))
    if logical_agent_id is not None:
        statement = statement.where(agents.c.logical_agent_id == logical_agent_id)
    if after is not None:
        created_at, agent_id = after
        is_later = agents.c.created_at > created_at
        statement = statement.where(or_(is_later, (agents.c.created_at == created_at) & (agents.c.agent_id > agent_id)))
    return make_overviews(tx, [Agent(**row._asdict()) for row in tx.execute(statement)])


def make_overviews(tx: Transaction, listed: Sequence[Agent]) -> list[AgentOverview]:
    """Return the overviews of these agents, in their order, with a fixed number of queries."""
    ids = [agent.agent_id for agent in listed]
    if not ids:
        return []
    primaries = {row.agent_id: Instance(**row._asdict()) for row in tx.execute(select(instances).where(instances.c.primary_of.in_(ids)))}
    counted = select(instances.c.agent_id, func.count().label("row_count")).where(instances.c.agent_id.in_(ids))
    instance_counts = _counts(tx, counted.group_by(instances.c.agent_id))
    live = _replica_counts(tx, ids, LIVE_REPLICA_STATUSES)
    ready = _replica_counts(tx, ids, {ReplicaStatus.READY})
    imaged = _imaged(tx, ids)
    moving = _moving(tx, ids)
    return [
        AgentOverview(
            agent=agent,
            primary=primaries.get(agent.agent_id),
            instance_count=instance_counts.get(agent.agent_id, 0),
            live_replica_count=live.get(agent.agent_id, 0),
            ready_replica_count=ready.get(agent.agent_id, 0),
            has_good_image=agent.base_image_id is not None or agent.agent_id in imaged,
            active_switch_id=moving.get(agent.agent_id),
        )
        for agent in listed
    ]


def _replica_counts(tx: Transaction, ids: Sequence[str], statuses: frozenset[ReplicaStatus] | set[ReplicaStatus]) -> dict[str, int]:
    table = replica_instances
    statement = select(table.c.agent_id, func.count().label("row_count")).where(table.c.agent_id.in_(ids), table.c.status.in_(statuses))
    return _counts(tx, statement.group_by(table.c.agent_id))


def _counts(tx: Transaction, statement: Select[Any]) -> dict[str, int]:
    return {row.agent_id: row.row_count for row in tx.execute(statement)}


def _imaged(tx: Transaction, ids: Sequence[str]) -> set[str]:
    statement = select(agent_images.c.agent_id).where(
        agent_images.c.agent_id.in_(ids), agent_images.c.available_at.is_not(None), agent_images.c.deregistered_at.is_(None)
    )
    return set(tx.execute(statement.distinct()).scalars())


def _moving(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    statement = select(switches.c.agent_id, switches.c.switch_id).where(switches.c.active_key.in_(ids))
    return {row.agent_id: row.switch_id for row in tx.execute(statement)}
