"""Who is silent, and who is heard."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, exists, func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, clients, commands, instances, switches
from spot_server.features.commands.queries import IS_OPEN
from spot_server.words import Role

LOOK_PREFIX = "silence"
"""Begins the request ids of all questions about silent primaries."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An agent whose primary is silent."""

    agent_id: str
    client_id: str
    last_heartbeat_at: datetime


_SUSPECTS = (
    select(agents.c.agent_id, agents.c.client_id, instances.c.last_heartbeat_at)
    .join_from(instances, agents)
    .where(instances.c.role == Role.PRIMARY, instances.c.last_heartbeat_at < bindparam("cutoff"), agents.c.deleted_at.is_(None))
    .order_by(instances.c.last_heartbeat_at.desc(), agents.c.agent_id)
)


def list_suspects(tx: Transaction, cutoff: datetime) -> list[Suspect]:
    """Return the living agents whose primary was last heard before `cutoff`, those that were heard last first."""
    return [Suspect(*row) for row in tx.execute(_SUSPECTS, {"cutoff": cutoff})]


_HEARD_SINCE = instances.c.last_heartbeat_at >= bindparam("cutoff")
_COUNT_HEARD = select(func.count()).select_from(instances).where(instances.c.role == Role.PRIMARY, _HEARD_SINCE)


def count_heard(tx: Transaction, cutoff: datetime) -> int:
    """Return how many primaries of whatever agent were heard at `cutoff` or later."""
    return int(tx.execute(_COUNT_HEARD, {"cutoff": cutoff}).scalar_one())


_HEARS_SOMEBODY = select(exists().where(instances.c.role.in_((Role.PRIMARY, Role.REPLICA)), _HEARD_SINCE))


def hears_somebody(tx: Transaction, cutoff: datetime) -> bool:
    """Tell whether any daemon that should be heard was heard at `cutoff` or later."""
    return bool(tx.execute(_HEARS_SOMEBODY, {"cutoff": cutoff}).scalar_one())


_ASKED_ABOUT = select(commands.c.agent_id).where(
    IS_OPEN,
    commands.c.request_id >= f"{LOOK_PREFIX}/",
    commands.c.request_id < f"{LOOK_PREFIX}0",  # "0" comes right after "/"
)


def asked_about(tx: Transaction) -> frozenset[str]:
    """Return the agents about whose silent primary EC2 was asked and has not answered yet."""
    return frozenset(tx.execute(_ASKED_ABOUT).scalars())


def has_given_up(tx: Transaction, agent_id: str) -> bool:
    """Tell whether a rescue of the agent gave up and is looked at again."""
    where = (switches.c.agent_id == agent_id, switches.c.resume_at.is_not(None))
    return bool(tx.execute(select(exists().where(*where))).scalar_one())


def role_arn(tx: Transaction, client_id: str) -> str | None:
    """Return the ARN of the client's control role, or None."""
    arn: str | None = tx.execute(select(clients.c.aws_role_arn).where(clients.c.client_id == client_id)).scalar_one()
    return arn
