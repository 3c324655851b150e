"""A replica that nobody launched for us: an unexpected instance that a person approved. The caller holds the agent's row."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.placement import Place
from spot_server.features.replicas.progress import NewReplica, new_replica
from spot_server.words import ReplicaKind

REASON = "an unexpected instance that a person approved"


@dataclass(frozen=True, slots=True)
class ApprovedInstance:
    """The instance, by its own word."""

    instance_id: str
    place: Place
    image_id: str | None
    booted_at: datetime | None


def take_approved_in(tx: Transaction, agent: Agent, approved: ApprovedInstance) -> str:
    """Store a replica for an instance that is there, and return its id. Nothing is launched; it is of no mode."""
    new = NewReplica(ReplicaKind.SWITCH, f"approved/{approved.instance_id}", approved.image_id or "", REASON)
    replica = replace(
        new_replica(tx, agent, new),
        instance_id=approved.instance_id,
        instance_type=approved.place.instance_type,
        az_id=approved.place.az_id,
        mode=approved.place.mode,
        attempt=1,
        launched_at=tx.now,
    )
    queries.insert_replica(tx, replica)
    emit_replica(tx, replica, "replica_wanted", {"kind": new.kind, "reason": REASON})
    return replica.replica_id
