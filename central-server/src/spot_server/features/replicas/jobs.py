"""The ReplicaCoordinator, and the sweep that finishes launches and terminations."""

from __future__ import annotations

from functools import partial

from spot_server.features.replicas import queries, service
from spot_server.jobs.registry import JobContext


def sweep_replicas(context: JobContext) -> str:
    """Advance every replica that is on its way up, or whose instance is not known to be gone, each in its own transaction."""
    for agent_id, replica_id in context.database.read(queries.unfinished_replicas):
        context.database.write(partial(service.sweep_replica, agent_id=agent_id, replica_id=replica_id))
    return ""


def coordinate_replicas(context: JobContext) -> str:
    """Compare the standbys of every agent with those that are wanted, each agent in its own transaction."""
    done = [
        context.database.write(partial(service.coordinate, agent_id=agent_id))
        for agent_id in context.database.read(queries.agents_to_coordinate)
    ]
    return "; ".join(sentence for sentence in done if sentence is not None)
