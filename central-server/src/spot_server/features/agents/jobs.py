"""The sweep that lets the primaries of deleted agents go."""

from __future__ import annotations

from functools import partial

from spot_server.features.agents.release import release_primary, unreleased_agents
from spot_server.jobs.registry import JobContext


def release_deleted_agents(context: JobContext) -> str:
    """Tell every released instance's daemon to stop whose agent has nothing left to terminate, each in its own transaction."""
    told = [
        agent_id
        for agent_id in context.database.read(unreleased_agents)
        if context.database.write(partial(release_primary, agent_id=agent_id))
    ]
    return f"released {', '.join(told)}" if told else ""
