"""Open commands that nobody will answer: found in one query, and closed with the reason, so that they do not stay open for ever."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, exists, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, commands, instances, replica_instances, switches
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands.attempts import release_of
from spot_server.features.commands.queries import IS_OPEN
from spot_server.features.commands.rules import CLOSED_MEANINGS, DEADLINE_PATIENCE, OpenCommandFacts, why_to_close
from spot_server.words import Actor, ClosedBecause, CommandStatus, Role

_ANSWERED = commands.alias("answered")
_IS_DISMISSED = exists().where(
    _ANSWERED.c.agent_id == commands.c.agent_id,
    _ANSWERED.c.instance_id == commands.c.instance_id,
    release_of(_ANSWERED, commands.c.agent_id),
    _ANSWERED.c.status.in_((CommandStatus.SUCCEEDED, CommandStatus.FAILED)),
)
_IS_OVER = or_(
    instances.c.role == Role.TERMINATED,
    agents.c.deleted_at.is_not(None),
    and_(commands.c.switch_id.is_not(None), switches.c.active_key.is_(None)),
    and_(
        commands.c.replica_id.is_not(None), or_(replica_instances.c.ended_at.is_not(None), replica_instances.c.registered_at.is_not(None))
    ),
    commands.c.deadline_at < bindparam("due_before"),
)
_NAMES = ("command_id", "agent_id", "kind", "actor", "issued_at", "deadline_at", "switch_id", "replica_id")
_CANDIDATES = (
    select(
        *[commands.c[name] for name in _NAMES],
        instances.c.role,
        switches.c.active_key,
        replica_instances.c.ended_at,
        replica_instances.c.registered_at,
        _IS_DISMISSED.label("is_dismissed"),
    )
    .join_from(commands, agents)
    .outerjoin(instances, and_(instances.c.agent_id == commands.c.agent_id, instances.c.instance_id == commands.c.instance_id))
    .outerjoin(switches, switches.c.switch_id == commands.c.switch_id)
    .outerjoin(replica_instances, replica_instances.c.replica_id == commands.c.replica_id)
    .where(IS_OPEN, _IS_OVER)
)
"""The open commands for whose actor or owner something is over; those of a fleet at rest, or at work, are none of them."""
_CANDIDATES_OF_AGENT = _CANDIDATES.where(commands.c.agent_id == bindparam("agent_id"))


def agents_with_orphans(tx: Transaction) -> list[str]:
    """Return the agents that have open commands which nobody will answer."""
    return sorted({row.agent_id for row, _because in _found(tx, tx.execute(_CANDIDATES, _due_before(tx)))})


def close_orphans(tx: Transaction, *, agent_id: str) -> int:
    """Close the agent's open commands that nobody will answer; return how many."""
    load_agent(tx, agent_id, for_update=True)
    found = _found(tx, tx.execute(_CANDIDATES_OF_AGENT, {"agent_id": agent_id, **_due_before(tx)}).all())
    for row, because in found:
        ledger.give_up(tx, row.command_id, status=CommandStatus.EXPIRED, reason=CLOSED_MEANINGS[because], because=because)
    return len(found)


def _due_before(tx: Transaction) -> dict[str, datetime]:
    return {"due_before": tx.now - DEADLINE_PATIENCE}


def _found(tx: Transaction, rows: Iterable[Row[*tuple[Any, ...]]]) -> list[tuple[Row[*tuple[Any, ...]], ClosedBecause]]:
    judged = [(row, why_to_close(_facts(row), tx.now)) for row in rows]
    return [(row, because) for row, because in judged if because is not None]


def _facts(row: Row[*tuple[Any, ...]]) -> OpenCommandFacts:
    is_moving = row.switch_id is not None and row.active_key is not None
    is_on_its_way = row.replica_id is not None and row.ended_at is None and row.registered_at is None
    return OpenCommandFacts(
        kind=row.kind,
        actor=row.actor,
        issued_at=row.issued_at,
        deadline_at=row.deadline_at,
        instance_role=row.role,
        is_owner_waiting=is_moving or is_on_its_way,
        had_owner=row.switch_id is not None or row.replica_id is not None,
        is_daemon_dismissed=bool(row.is_dismissed) and row.actor is Actor.DAEMON,
    )
