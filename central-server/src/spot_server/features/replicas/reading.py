"""Replicas as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.instances.queries import load_instance, primary_of
from spot_server.features.replicas import queries
from spot_server.features.replicas.queries import Replica
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import Carry


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """What a replica must keep."""

    replica_id: str | None
    carry: Carry
    traffic_handles: list[dict[str, Any]]
    primary_instance_id: str | None
    primary_private_ip: str | None


def list_live(tx: Transaction, agent_id: str) -> list[Replica]:
    """Return the agent's live replicas, oldest first."""
    return queries.live_replicas(tx, agent_id)


def list_of_client(tx: Transaction, client_id: str, *, limit: int, cursor: str | None) -> Page[Replica]:
    """Return the client's replicas, newest first."""
    rows = queries.list_replicas_of_client(tx, client_id, before=read_moment_cursor(cursor), limit=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.created_at, row.replica_id))


def read_replica_config(tx: Transaction, agent_id: str, instance_id: str) -> ReplicaConfig:
    """Return what the replica on `instance_id` must keep."""
    agent = load_agent(tx, agent_id)
    primary = primary_of(tx, agent_id)
    return ReplicaConfig(
        replica_id=load_instance(tx, agent_id, instance_id).replica_id,
        carry=agent.carry,
        traffic_handles=agent.traffic_handles,
        primary_instance_id=None if primary is None else primary.instance_id,
        primary_private_ip=None if primary is None else primary.private_ip,
    )
