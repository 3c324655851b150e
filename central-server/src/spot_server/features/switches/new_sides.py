"""How far the new side of a move is: a replica on its way up, or an instance that is called back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.commands.attempts import is_going
from spot_server.features.instances.queries import Instance
from spot_server.features.replicas.queries import Replica
from spot_server.words import ReplicaStatus, Role


@dataclass(frozen=True, slots=True)
class NewSide:
    """The new side in the words of a replica's life; None before there is one."""

    status: ReplicaStatus | None
    reason: str


def side_of_replica(replica: Replica | None) -> NewSide:
    """Return how far the replica of a move is."""
    return NewSide(None, "") if replica is None else NewSide(replica.status, replica.status_reason)


def side_called_back(tx: Transaction, instance: Instance | None, end_at: datetime | None) -> NewSide:
    """An instance that is called back was launched long ago: it is ready, or EC2 is taking it away (at `end_at`), or has."""
    if instance is None or instance.role is Role.TERMINATED:
        return NewSide(ReplicaStatus.TERMINATED, "the instance that was to be called back is gone")
    if is_going(tx, instance, end_at):
        return NewSide(ReplicaStatus.FAILED, "EC2 is taking the instance away that was to be called back")
    return NewSide(ReplicaStatus.PROMOTED if instance.role is Role.PRIMARY else ReplicaStatus.READY, "")
