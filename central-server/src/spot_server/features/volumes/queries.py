"""Reading what is known of an agent's data volumes."""

from __future__ import annotations

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import switch_steps, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance
from spot_server.features.volumes.rules import Resolved, resolve_volumes
from spot_server.words import Carry, StepName, StepStatus

MOST_MEASURED = 20
"""The latest copies that count."""


def volumes_of(agent: Agent, primary: Instance | None) -> Resolved:
    """Return the agent's data volumes as its primary has them; none, and no problem, with another carry."""
    if agent.carry is not Carry.VOLUME:
        return Resolved()
    if primary is None:
        return Resolved(problem="the agent has no primary instance now")
    return resolve_volumes(agent.data_volumes, primary.attached_volumes, primary.instance_id)


def copy_seconds(tx: Transaction, agent_id: str) -> list[float]:
    """Return how long the agent's latest copies took: snapshots beforehand, last snapshots and new volumes together."""
    steps = switch_steps
    rows = tx.execute(
        select(steps.c.switch_id, steps.c.intent_at, steps.c.finished_at)
        .join_from(steps, switches)
        .where(
            switches.c.agent_id == agent_id,
            steps.c.name.in_({StepName.SNAPSHOT, StepName.COPY_VOLUMES}),
            steps.c.status == StepStatus.DONE,
            steps.c.finished_at.is_not(None),
        )
        .order_by(switches.c.initiated_at.desc())
        .limit(2 * MOST_MEASURED)
    )
    taken: dict[str, float] = {}
    for row in rows:
        taken[row.switch_id] = taken.get(row.switch_id, 0.0) + (row.finished_at - row.intent_at).total_seconds()
    return list(taken.values())[:MOST_MEASURED]
