"""The figures behind the health page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import false, func, select, text, true

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, commands, switches
from spot_server.features.commands.queries import IS_OPEN
from spot_server.words import ACTIVE_SWITCH_STATUSES, CommandStatus


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is of what."""

    agents_online: int
    agents_offline: int
    commands_open: int
    oldest_queued_at: datetime | None
    switches_running: int


def ping(tx: Transaction) -> None:
    """Ask the database for nothing in particular."""
    tx.execute(text("SELECT 1"))


def count_all(tx: Transaction) -> Counts:
    """Count living agents, open commands and running switches. Every statement uses an index."""
    living = select(func.count()).select_from(agents).where(agents.c.deleted_at.is_(None))
    open_commands = select(func.count()).select_from(commands).where(IS_OPEN)
    oldest = select(func.min(commands.c.issued_at)).where(IS_OPEN, commands.c.status == CommandStatus.QUEUED)
    running = select(func.count()).select_from(switches).where(switches.c.status.in_(ACTIVE_SWITCH_STATUSES))
    return Counts(
        agents_online=tx.execute(living.where(agents.c.is_offline == false())).scalar_one(),
        agents_offline=tx.execute(living.where(agents.c.is_offline == true())).scalar_one(),
        commands_open=tx.execute(open_commands).scalar_one(),
        oldest_queued_at=tx.execute(oldest).scalar_one(),
        switches_running=tx.execute(running).scalar_one(),
    )
