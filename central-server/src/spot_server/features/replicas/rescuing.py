"""Taking a replica for a rescue, whatever it was made for. The caller holds the agent's row."""

from __future__ import annotations

from collections.abc import Iterable

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.queries import raise_priority
from spot_server.features.replicas import progress, queries
from spot_server.features.replicas.queries import Replica
from spot_server.words import PRIORITY_EMERGENCY, ReplicaKind, ReplicaStatus


def choose_replica(tx: Transaction, agent: Agent, live: Iterable[Replica]) -> Replica | None:
    """Return the first of these live replicas that a rescue can go to; None: it needs one of its own.

    One without an instance is widened first, and passed over when its launch is at its end with that.
    """
    widened = (widen(tx, agent, replica) for replica in live)
    return next((replica for replica in widened if replica.is_live), None)


def widen(tx: Transaction, agent: Agent, replica: Replica) -> Replica:
    """Have a replica without an instance launched as a rescue's own is: by any daemon, in any place, held back by no guard.

    Whoever asked for one place had time, and what was held on a recommendation could be done without. One with an instance stays as it is.
    """
    if replica.status is not ReplicaStatus.LAUNCHING or replica.instance_id is not None:
        return replica
    changed = queries.update_replica(tx, replica, kind=ReplicaKind.EMERGENCY, wish={}, hold_until=None)
    if changed.launch_command_id is not None:
        # What is asked for already goes before all that is asked for now.
        raise_priority(tx, changed.launch_command_id, PRIORITY_EMERGENCY)
    return progress.advance_known_replica(tx, agent, changed)
