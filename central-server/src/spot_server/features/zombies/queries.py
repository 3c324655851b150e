"""Reading the ZOMBIEs of all clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances
from spot_server.words import Mode, Role


@dataclass(frozen=True, slots=True)
class Zombie:
    """An instance that had a part in its agent and has it no more. `left_at`: since when."""

    client_id: str
    agent_id: str
    logical_agent_id: str
    instance_id: str
    instance_type: str
    region: str
    az_id: str
    mode: Mode
    left_at: datetime
    last_heartbeat_at: datetime
    is_retained: bool
    stray_reason: str | None
    end_asked_at: datetime | None
    end_asked_by: str | None


def list_zombies(tx: Transaction, *, after: tuple[datetime, str] | None, most: int, client_id: str | None = None) -> list[Zombie]:
    """Return up to `most` ZOMBIEs that are still ours, the longest left first, from after (left_at, instance id) on."""
    table = instances
    left_at = table.c.role_changed_at
    columns = [agents.c.logical_agent_id if name == "logical_agent_id" else table.c[name] for name in _names()]
    statement = (
        select(*columns)
        .join(agents, agents.c.agent_id == table.c.agent_id)
        .where(table.c.role == Role.ZOMBIE, table.c.released_at.is_(None))
        .order_by(left_at, table.c.instance_id)
        .limit(most)
    )
    if client_id is not None:
        statement = statement.where(table.c.client_id == client_id)
    if after is not None:
        moment, instance_id = after
        statement = statement.where(or_(left_at > moment, and_(left_at == moment, table.c.instance_id > instance_id)))
    return [Zombie(*row) for row in tx.execute(statement)]


def _names() -> list[str]:
    return ["role_changed_at" if name == "left_at" else name for name in Zombie.__dataclass_fields__]
