"""How long a planned move is expected to keep the workload still: from what the agent's own moves, images and launches took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from sqlalchemy import select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agent_images, replica_instances, switches
from spot_server.features.agents.queries import Agent
from spot_server.words import RESCUE_TRIGGERS, Carry, SwitchStatus

MOST_MEASURED = 20
"""The latest that count: what was long ago says little of how long it takes now."""


class OutageBasis(StrEnum):
    """What the expected time rests on."""

    MOVES = "moves"
    IMAGES_AND_LAUNCHES = "images_and_launches"


@dataclass(frozen=True, slots=True)
class ExpectedOutage:
    """Seconds from the last good answer of the old side to the first of the new one."""

    seconds: int
    basis: OutageBasis


def expect_outage(carry: Carry, moves: Sequence[float], images: Sequence[float], launches: Sequence[float]) -> ExpectedOutage | None:
    """Return the median outage of the agent's own planned moves; None where nothing was measured: it is never guessed.

    With `image_after_quiesce` and no such move yet it is the medians of an image and of a launch, which the workload stands still for.
    All arguments are in seconds.
    """
    if moves:
        return ExpectedOutage(round(median(moves)), OutageBasis.MOVES)
    if carry is Carry.IMAGE_AFTER_QUIESCE and images and launches:
        return ExpectedOutage(round(median(images) + median(launches)), OutageBasis.IMAGES_AND_LAUNCHES)
    return None


def read_expected_outage(tx: Transaction, agent: Agent) -> ExpectedOutage | None:
    """Return how long a planned move of the agent would keep its workload still, as far as that was measured."""
    moves = (
        select(switches.c.downtime_ms)
        .where(
            switches.c.agent_id == agent.agent_id,
            switches.c.status == SwitchStatus.COMPLETED,
            switches.c.trigger.not_in(RESCUE_TRIGGERS),
            switches.c.carry == agent.carry,
            switches.c.downtime_ms.is_not(None),
        )
        .order_by(switches.c.initiated_at.desc())
        .limit(MOST_MEASURED)
    )
    images = (
        select(agent_images.c.started_at, agent_images.c.available_at)
        .where(agent_images.c.agent_id == agent.agent_id, agent_images.c.available_at.is_not(None))
        .order_by(agent_images.c.started_at.desc())
        .limit(MOST_MEASURED)
    )
    launches = (
        select(replica_instances.c.created_at, replica_instances.c.ready_at)
        .where(replica_instances.c.agent_id == agent.agent_id, replica_instances.c.ready_at.is_not(None))
        .order_by(replica_instances.c.created_at.desc())
        .limit(MOST_MEASURED)
    )
    return expect_outage(
        agent.carry,
        [row.downtime_ms / 1000 for row in tx.execute(moves)],
        [(row.available_at - row.started_at).total_seconds() for row in tx.execute(images)],
        [(row.ready_at - row.created_at).total_seconds() for row in tx.execute(launches)],
    )
