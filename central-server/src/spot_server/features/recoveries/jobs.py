"""The sweeps that look for workloads that stand still."""

from __future__ import annotations

from functools import partial

from spot_server.features.recoveries import queries, service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def end_standstills(context: JobContext) -> str:
    """Tell every PRIMARY to serve that stands still with no move to look after it, each agent in its own transaction."""
    agent_ids = context.database.read(queries.agents_at_a_standstill)
    done = for_each(agent_ids, lambda agent_id: context.database.write(partial(service.end_standstill, agent_id=agent_id)))
    return "; ".join(sentence for sentence in done if sentence is not None)


def resume_rescues(context: JobContext) -> str:
    """Go on with the rescues that gave up and whose pause is over, each in its own transaction."""
    switch_ids = context.database.read(queries.rescues_to_resume)
    done = for_each(switch_ids, lambda switch_id: context.database.write(partial(service.resume_rescue, switch_id=switch_id)))
    return "; ".join(sentence for sentence in done if sentence is not None)
