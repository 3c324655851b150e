"""Reading what the images of the whole fleet are like, and what stands in the way of the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, exists, func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images, agents, instances, spot_interruption_events, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.attempts import notice_ends
from spot_server.features.instances.queries import Instance
from spot_server.words import Carry, InterruptionKind


@dataclass(frozen=True, slots=True)
class FleetImages:
    """One living agent with state and a PRIMARY: when the states of its images are of.

    `emergency_state_at`: of the one that an emergency would launch from. None: there is no image.
    """

    agent_id: str
    refresh_hours: int
    registered_at: datetime
    newest_state_at: datetime | None
    emergency_state_at: datetime | None


IS_AVAILABLE = and_(
    agent_images.c.agent_id == agents.c.agent_id,
    agent_images.c.available_at.is_not(None),
    agent_images.c.deregistered_at.is_(None),
)
"""An image of the agent that an instance could be launched from."""
_FLEET_IMAGES = (
    select(
        agents.c.agent_id,
        agents.c.image_refresh_hours,
        instances.c.registered_at,
        func.max(agent_images.c.started_at).label("newest_state_at"),
        func.max(case((agent_images.c.has_booted.is_(True), agent_images.c.started_at))).label("booted_state_at"),
    )
    .join_from(agents, instances, instances.c.primary_of == agents.c.agent_id)
    .outerjoin(agent_images, IS_AVAILABLE)
    .where(agents.c.deleted_at.is_(None), agents.c.enabled.is_(True), agents.c.carry != Carry.STATELESS)
    .group_by(agents.c.agent_id, agents.c.image_refresh_hours, instances.c.registered_at)
    .order_by(agents.c.agent_id)
)


def list_fleet_images(tx: Transaction) -> list[FleetImages]:
    """Return every enabled agent that carries state and has a PRIMARY, in one query."""
    return [
        FleetImages(
            agent_id=row.agent_id,
            refresh_hours=row.image_refresh_hours,
            registered_at=row.registered_at,
            newest_state_at=row.newest_state_at,
            emergency_state_at=row.booted_state_at or row.newest_state_at,
        )
        for row in tx.execute(_FLEET_IMAGES)
    ]


def waits_for_rescue(tx: Transaction, agent_id: str) -> bool:
    """Tell whether a rescue of the agent gave up and is to be taken up again."""
    found = exists().where(switches.c.agent_id == agent_id, switches.c.resume_at.is_not(None))
    return bool(tx.execute(select(found)).scalar_one())


def is_noticed(tx: Transaction, agent: Agent, primary: Instance) -> bool:
    """Tell whether EC2 announced something about the PRIMARY that may still come: its end, or, within the hold, a raised risk."""
    end_at = notice_ends(tx, agent.agent_id).get(primary.instance_id)
    if end_at is not None and tx.now < end_at + timedelta(seconds=tx.policy.notice_outlived_seconds):
        return True
    events = spot_interruption_events
    held_since = tx.now - timedelta(seconds=agent.rebalance_hold_seconds)
    recommended = exists().where(
        events.c.agent_id == agent.agent_id,
        events.c.instance_id == primary.instance_id,
        events.c.kind == InterruptionKind.REBALANCE,
        events.c.received_at > held_since,
    )
    return bool(tx.execute(select(recommended)).scalar_one())
