"""Reading what an agent's present guarantee rests on: its images, its standby, and its own latest moves and launches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import replica_instances, switches
from spot_server.features.agents.guarantee_rules import Guarantee, GuaranteeFacts, StateImage, judge_guarantee
from spot_server.features.agents.queries import Agent
from spot_server.features.autonomy.reading import why_no_plan
from spot_server.features.clients.queries import has_control_role
from spot_server.features.instances.queries import primary_of
from spot_server.features.replicas.image_queries import available_images, find_image
from spot_server.features.replicas.image_rules import AgentImage, Purpose, pick_image
from spot_server.features.replicas.launching import choose_image
from spot_server.features.replicas.queries import nearest_live_replicas
from spot_server.features.volumes.queries import primary_volumes
from spot_server.words import ReplicaStatus, SwitchStatus

MOST_MEASURED = 20
"""The latest moves and launches that count: what was long ago says little of how long it takes now."""


def read_guarantee(tx: Transaction, agent: Agent) -> Guarantee:
    """Return what could be promised for this agent at the transaction's time."""
    images = available_images(tx, agent.agent_id)
    image = pick_image(images, Purpose.EMERGENCY)
    primary = primary_of(tx, agent.agent_id)
    return judge_guarantee(
        GuaranteeFacts(
            now=tx.now,
            carry=agent.carry,
            agent_created_at=agent.created_at,
            standby_state_at=_standby_state_at(tx, agent),
            image=_state_image(image),
            newest_image=_state_image(next(iter(images), None)),
            has_base_image=image is None and choose_image(tx, agent, primary) is not None,
            handover_seconds=_handover_seconds(tx, agent.agent_id),
            launch_seconds=_launch_seconds(tx, agent.agent_id),
            are_volumes_kept=primary_volumes(tx, agent, primary).outlive_their_instance,
            has_control_role=has_control_role(tx, agent.client_id),
            why_no_successor=why_no_plan(tx, agent),
        )
    )


def _state_image(image: AgentImage | None) -> StateImage | None:
    return None if image is None else StateImage(image.image_id, image.started_at, image.has_booted)


def _standby_state_at(tx: Transaction, agent: Agent) -> datetime | None:
    ready = [replica for replica in nearest_live_replicas(tx, agent.agent_id) if replica.status is ReplicaStatus.READY]
    if not ready:
        return None
    image = None if ready[0].image_id is None else find_image(tx, agent.agent_id, ready[0].image_id)
    return agent.created_at if image is None else image.started_at


def _handover_seconds(tx: Transaction, agent_id: str) -> tuple[float, ...]:
    """From the moment that the new side was there and wanted until it served."""
    where = (switches.c.agent_id == agent_id, switches.c.status == SwitchStatus.COMPLETED, switches.c.serving_at.is_not(None))
    columns = (switches.c.initiated_at, switches.c.instance_ready_at, switches.c.serving_at)
    rows = tx.execute(select(*columns).where(*where).order_by(switches.c.initiated_at.desc()).limit(MOST_MEASURED))
    began = ((max(row.initiated_at, row.instance_ready_at or row.initiated_at), row.serving_at) for row in rows)
    return tuple(max(0.0, (serving_at - began_at).total_seconds()) for began_at, serving_at in began)


def _launch_seconds(tx: Transaction, agent_id: str) -> tuple[float, ...]:
    """From the moment that a replica was wanted until its standby check passed, the tries in other places included."""
    table = replica_instances
    where = (table.c.agent_id == agent_id, table.c.ready_at.is_not(None))
    statement = select(table.c.created_at, table.c.ready_at).where(*where).order_by(table.c.created_at.desc()).limit(MOST_MEASURED)
    return tuple(max(0.0, (row.ready_at - row.created_at).total_seconds()) for row in tx.execute(statement))
