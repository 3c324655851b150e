"""The ReplicaCoordinator, the sweep that finishes launches and terminations, and the round that compares standbys with their primaries."""

from __future__ import annotations

from functools import partial

from spot_server.features.replicas import queries, service
from spot_server.features.replicas.comparing import note_likeness, standbys_to_note
from spot_server.features.replicas.coordinating import coordinate
from spot_server.features.replicas.scenes import agents_to_coordinate
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def sweep_replicas(context: JobContext) -> str:
    """Advance every replica that lives, or whose instance is not known to be gone, each in its own transaction."""
    unfinished = context.database.read(queries.unfinished_replicas)
    for_each(unfinished, lambda pair: context.database.write(partial(service.sweep_replica, agent_id=pair[0], replica_id=pair[1])))
    return ""


def coordinate_replicas(context: JobContext) -> str:
    """Compare the standbys of every agent with those that are wanted: read all at once, and hold only what needs something done."""
    agent_ids = context.database.read(agents_to_coordinate)
    done = for_each(agent_ids, lambda agent_id: context.database.write(partial(coordinate, agent_id=agent_id)))
    return "; ".join(sentence for sentence in done if sentence is not None)


def compare_standbys(context: JobContext) -> str:
    """Tell of every ready standby that is not like its primary, or is again, each in its own transaction."""
    changed = context.database.read(standbys_to_note)
    done = for_each(changed, lambda pair: context.database.write(partial(note_likeness, agent_id=pair[0], replica_id=pair[1])))
    return "; ".join(sentence for sentence in done if sentence is not None)
