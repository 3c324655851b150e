"""Making clients."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from spot_server.db.runner import Transaction
from spot_server.errors import NotFound, StateConflict
from spot_server.features.clients import queries
from spot_server.features.clients.queries import Client


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is told of a new tenant. The role is assumed with the external id; without a role, daemons act."""

    name: str
    aws_role_arn: str | None = None
    aws_external_id: str | None = None
    time_zone: str = "UTC"


def create_client(tx: Transaction, new: NewClient) -> Client:
    """Store a new client; StateConflict if the name is taken."""
    if queries.find_client_by_name(tx, new.name) is not None:
        raise StateConflict(f"there is already a client named {new.name!r}", field="name", value=new.name)
    client = Client(
        client_id=str(uuid.uuid4()),
        name=new.name,
        aws_role_arn=new.aws_role_arn,
        aws_external_id=new.aws_external_id,
        time_zone=new.time_zone,
        created_at=tx.now,
    )
    queries.insert_client(tx, client)
    return client


def load_client(tx: Transaction, client_id: str) -> Client:
    """Return the client; NotFound if there is none."""
    client = queries.find_client(tx, client_id)
    if client is None:
        raise NotFound(f"there is no client {client_id}")
    return client
