"""Closing what would stay open for ever."""

from __future__ import annotations

from functools import partial

from spot_server.features.commands.orphans import agents_with_orphans, close_orphans
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def close_orphaned_commands(context: JobContext) -> str:
    """Close the open commands that nobody will answer, each agent's in its own transaction."""
    agent_ids = context.database.read(agents_with_orphans)
    count = sum(for_each(agent_ids, lambda agent_id: context.database.write(partial(close_orphans, agent_id=agent_id))))
    return f"closed {count} commands that nobody will answer" if count else ""
