"""What the books hold about one sighting, read for the rules."""

from __future__ import annotations

from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.replicas.queries import Replica, find_replica, list_replicas
from spot_server.features.sweeper import queries
from spot_server.features.sweeper.rules import Books, KnownAgent, KnownInstance, KnownReplica, Sighting
from spot_server.words import Role

_MATTERS_MORE = {Role.PRIMARY: 0, Role.REPLICA: 1, Role.ZOMBIE: 2, Role.TERMINATED: 3}


def load_books(tx: Transaction, agent: Agent, sighting: Sighting) -> Books:
    """Return what is known of the instance that was seen, under the agent that its tags name."""
    named = None if sighting.replica_id is None else find_replica(tx, sighting.replica_id)
    holders = [replica for replica in list_replicas(tx, agent.agent_id) if replica.instance_id == sighting.instance_id]
    rows = queries.rows_of_instance(tx, agent.client_id, sighting.instance_id)
    return Books(
        agent=_known_agent(tx, agent),
        instance=_known_instance(tx, min(rows, key=_weight)) if rows else None,
        named=None if named is None else _known_replica(named),
        holder=_known_replica(holders[-1]) if holders else None,
    )


def books_without_agent(tx: Transaction, client_id: str, sighting: Sighting) -> Books:
    """Return what is known of an instance whose tags name no agent of its client."""
    rows = queries.rows_of_instance(tx, client_id, sighting.instance_id)
    return Books(agent=None, instance=_known_instance(tx, min(rows, key=_weight)) if rows else None, named=None, holder=None)


def _weight(row: Instance) -> tuple[int, bool]:
    """Of several rows: the role that protects most, and one that was let in before one that was not."""
    return _MATTERS_MORE[row.role], row.is_stray


def _known_agent(tx: Transaction, agent: Agent) -> KnownAgent:
    primary = primary_of(tx, agent.agent_id)
    fresh_since = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    return KnownAgent(
        agent_id=agent.agent_id,
        epoch=agent.epoch,
        enabled=agent.enabled,
        has_address=bool(agent.traffic_handles),
        is_primary_heard=primary is not None and primary.last_heartbeat_at >= fresh_since,
    )


def _known_instance(tx: Transaction, row: Instance) -> KnownInstance:
    is_kept = row.is_retained or row.released_at is not None or row.end_asked_at is not None
    return KnownInstance(
        role=row.role,
        is_stray=row.is_stray,
        was_primary=row.last_primary_at is not None,
        has_owner=row.role is Role.ZOMBIE and (is_kept or queries.is_being_ended(tx, row.agent_id, row.instance_id)),
        ended_at=row.terminated_at,
    )


def _known_replica(replica: Replica) -> KnownReplica:
    return KnownReplica(
        replica_id=replica.replica_id,
        agent_id=replica.agent_id,
        status=replica.status,
        instance_id=replica.instance_id,
        client_token=replica.client_token,
        ended_at=replica.ended_at,
    )
