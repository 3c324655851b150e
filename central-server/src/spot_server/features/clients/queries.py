"""Reading and writing clients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import clients, event_cursors


@dataclass(frozen=True, slots=True)
class Client:
    """A tenant. `time_zone` is an IANA name, for what is counted per day.

    `on_demand_discount_ppm`: by how much less than the list price it pays on demand, in millionths.
    """

    client_id: str
    name: str
    aws_role_arn: str | None
    aws_external_id: str | None
    fis_role_arn: str | None
    notice_queue_url: str | None
    time_zone: str
    on_demand_discount_ppm: int
    created_at: datetime


def client_exists(tx: Transaction, client_id: str) -> bool:
    """Return whether there is such a client."""
    return tx.execute(select(clients.c.client_id).where(clients.c.client_id == client_id)).first() is not None


_CLIENT = select(*(clients.c[name] for name in Client.__dataclass_fields__)).where(clients.c.client_id == bindparam("client_id"))


def find_client(tx: Transaction, client_id: str) -> Client | None:
    """Return the client, or None."""
    row = tx.execute(_CLIENT, {"client_id": client_id}).one_or_none()
    return None if row is None else Client(*row)


def find_client_by_name(tx: Transaction, name: str) -> Client | None:
    """Return the client of this name, or None."""
    row = tx.execute(select(clients).where(clients.c.name == name)).one_or_none()
    return None if row is None else Client(**row._asdict())


_ROLE_ARN = select(clients.c.aws_role_arn).where(clients.c.client_id == bindparam("client_id"))


def has_control_role(tx: Transaction, client_id: str) -> bool:
    """Return whether the client gave the server a role in its AWS account."""
    return tx.execute(_ROLE_ARN, {"client_id": client_id}).scalar_one() is not None


def is_external_id_taken(tx: Transaction, external_id: str) -> bool:
    """Return whether a client has this external id."""
    return tx.execute(select(clients.c.client_id).where(clients.c.aws_external_id == external_id)).first() is not None


def update_client(tx: Transaction, client_id: str, *, time_zone: str, on_demand_discount_ppm: int) -> None:
    """Change how the client's days are counted and compared."""
    values = {"time_zone": time_zone, "on_demand_discount_ppm": on_demand_discount_ppm}
    tx.execute(update(clients).where(clients.c.client_id == client_id).values(values))


def list_clients(tx: Transaction, *, after_name: str, most: int) -> list[Client]:
    """Return up to `most` clients in the order of their names, those after `after_name`."""
    rows = tx.execute(select(clients).where(clients.c.name > after_name).order_by(clients.c.name).limit(most))
    return [Client(**row._asdict()) for row in rows]


def insert_client(tx: Transaction, client: Client) -> None:
    """Store a new client and the cursor that numbers its events."""
    tx.execute(insert(clients).values({name: getattr(client, name) for name in Client.__dataclass_fields__}))
    tx.execute(insert(event_cursors).values(client_id=client.client_id, last_sequence=0))
