"""Looking for recommendations that nobody answered when they came."""

from __future__ import annotations

from functools import partial

from spot_server.features.interruptions import queries, service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def answer_recommendations(context: JobContext) -> str:
    """Have replicas ready for the recommendations that still stand for a PRIMARY and have none, each agent in its own transaction."""
    waiting = context.database.read(queries.unanswered_recommendations)
    agent_ids = dict.fromkeys(event.agent_id for event in waiting)
    done = for_each(agent_ids, lambda agent_id: context.database.write(partial(service.answer_recommendations, agent_id=agent_id)))
    return "; ".join(sentence for sentence in done if sentence is not None)
