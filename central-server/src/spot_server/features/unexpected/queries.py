"""Reading and writing the claims of unexpected instances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import unexpected_instances
from spot_server.db.upsert import insert_or_ignore
from spot_server.words import Verdict


@dataclass(frozen=True, slots=True)
class UnexpectedInstance:
    """What an instance says of itself that claims to be an agent which lives on another one. `verdict` is None until a person decides."""

    agent_id: str
    instance_id: str
    client_id: str
    instance_type: str
    az_id: str
    image_id: str | None
    private_ip: str | None
    hostname: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    verdict: Verdict | None
    decided_at: datetime | None
    decided_by: str | None


def note_claim(tx: Transaction, values: dict[str, Any]) -> None:
    """Remember a claim, or that it was made again. What a person decided stands."""
    row = {**values, "first_seen_at": tx.now, "last_seen_at": tx.now}
    insert_or_ignore(tx.connection, unexpected_instances, [row], key=["agent_id", "instance_id"])
    where = _is(values["agent_id"], values["instance_id"])
    tx.execute(update(unexpected_instances).where(where).values(last_seen_at=tx.now))


def find_claim(tx: Transaction, agent_id: str, instance_id: str) -> UnexpectedInstance | None:
    """Return the claim of this instance to be this agent, or None."""
    row = tx.execute(select(unexpected_instances).where(_is(agent_id, instance_id))).one_or_none()
    return None if row is None else UnexpectedInstance(**row._asdict())


def decide_claim(tx: Transaction, claim: UnexpectedInstance, verdict: Verdict, user_id: str) -> None:
    """Keep what a person decided."""
    values = {"verdict": verdict, "decided_at": tx.now, "decided_by": user_id}
    tx.execute(update(unexpected_instances).where(_is(claim.agent_id, claim.instance_id)).values(values))


def list_claims(tx: Transaction, client_id: str, *, before: tuple[datetime, str] | None, most: int) -> list[UnexpectedInstance]:
    """Return up to `most` claims of the client's agents, the latest first."""
    table = unexpected_instances
    statement = select(table).where(table.c.client_id == client_id)
    if before is not None:
        moment, instance_id = before
        is_next = and_(table.c.first_seen_at == moment, table.c.instance_id < instance_id)
        statement = statement.where(or_(table.c.first_seen_at < moment, is_next))
    rows = tx.execute(statement.order_by(table.c.first_seen_at.desc(), table.c.instance_id.desc()).limit(most))
    return [UnexpectedInstance(**row._asdict()) for row in rows]


def _is(agent_id: str, instance_id: str) -> Any:  # noqa: ANN401 - a condition
    return and_(unexpected_instances.c.agent_id == agent_id, unexpected_instances.c.instance_id == instance_id)
