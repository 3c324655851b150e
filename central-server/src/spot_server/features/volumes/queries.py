"""Reading what is known of an agent's data volumes."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import and_, bindparam, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import switch_steps, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance
from spot_server.features.volumes.rules import Resolved, resolve_volumes
from spot_server.words import Carry, StepName, StepStatus

MOST_MEASURED = 20
"""The latest copies that count."""


TOLD_AFTER_SECONDS = 300.0
"""So long after a move attached volumes to an instance its heartbeats may still tell of a look before: its daemon looks every 180 s, a
minute after a look that EC2 did not answer, and EC2's answers lag behind its acts."""

ATTACHED = "attached_volumes"
"""The member of the outcome of ATTACH: what the new instance has by it, as a heartbeat tells of volumes."""

_BROUGHT = (
    select(switch_steps.c.name, switch_steps.c.outcome, switches.c.data_volumes)
    .join_from(switch_steps, switches, switch_steps.c.switch_id == switches.c.switch_id)
    .where(
        switches.c.agent_id == bindparam("agent_id"),
        or_(
            and_(
                switches.c.to_instance_id == bindparam("instance_id"),
                switch_steps.c.name == StepName.ATTACH,
                switch_steps.c.status == StepStatus.DONE,
                switch_steps.c.finished_at >= bindparam("since"),
            ),
            # Taken back: they are at the instance again that they were taken from.
            and_(
                switches.c.from_instance_id == bindparam("instance_id"),
                switch_steps.c.name == StepName.DETACH,
                switch_steps.c.status == StepStatus.UNDONE,
                switch_steps.c.undo_finished_at >= bindparam("since"),
            ),
        ),
    )
    .order_by(switches.c.initiated_at.desc())
    .limit(1)
)


def volumes_of(agent: Agent, primary: Instance | None) -> Resolved:
    """Return the agent's data volumes as the daemon of this instance told of them; none, and no problem, with another carry."""
    if agent.carry is not Carry.VOLUME:
        return Resolved()
    if primary is None:
        return Resolved(problem="the agent has no primary instance now")
    return resolve_volumes(agent.data_volumes, primary.attached_volumes, primary.instance_id)


def primary_volumes(tx: Transaction, agent: Agent, primary: Instance | None) -> Resolved:
    """Return the agent's data volumes as its primary has them, also right after a move brought them.

    The heartbeats of the primary tell what its daemon saw minutes ago. Where it saw less than a move attached since, the move is believed.
    """
    told = volumes_of(agent, primary)
    if not told.problem or primary is None:
        return told
    brought = tx.execute(
        _BROUGHT,
        {
            "agent_id": agent.agent_id,
            "instance_id": primary.instance_id,
            "since": tx.now - timedelta(seconds=TOLD_AFTER_SECONDS),
        },
    ).first()
    if brought is None:
        return told
    attached = brought.data_volumes if brought.name is StepName.DETACH else (brought.outcome or {}).get(ATTACHED, [])
    believed = resolve_volumes(agent.data_volumes, attached, primary.instance_id)
    return told if believed.problem else believed


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
