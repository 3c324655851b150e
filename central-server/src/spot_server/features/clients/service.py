"""Making clients."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid, NotFound, StateConflict
from spot_server.features.clients import queries
from spot_server.features.clients.queries import Client
from spot_server.features.clients.rules import find_role_problem


@dataclass(frozen=True, slots=True)
class NewClient:
    """What is told of a new tenant. The role is assumed with the external id (made up if there is none); without a role, daemons act.

    `fis_role_arn` is the role that AWS FIS takes on for game days; the control role starts them.
    """

    name: str
    aws_role_arn: str | None = None
    aws_external_id: str | None = None
    fis_role_arn: str | None = None
    notice_queue_url: str | None = None
    time_zone: str = "UTC"


def create_client(tx: Transaction, new: NewClient) -> Client:
    """Store a new client; StateConflict if the name, or the external id, is another client's; FieldInvalid for a role that cannot be one.

    An external id of our making, a different one for each client, is what keeps one client from having us act with another's role.
    """
    problem = find_role_problem(new.aws_role_arn, new.aws_external_id, new.fis_role_arn, new.notice_queue_url)
    if problem is not None:
        raise FieldInvalid(problem.field, problem.value, problem.expected)
    if queries.find_client_by_name(tx, new.name) is not None:
        raise StateConflict(f"there is already a client named {new.name!r}", field="name", value=new.name)
    if new.aws_external_id is not None and queries.is_external_id_taken(tx, new.aws_external_id):
        raise StateConflict("this external id is another client's", field="aws_external_id", value=new.aws_external_id)
    client = Client(
        client_id=str(uuid.uuid4()),
        name=new.name,
        aws_role_arn=new.aws_role_arn,
        aws_external_id=new.aws_external_id or _new_external_id(new.aws_role_arn),
        fis_role_arn=new.fis_role_arn,
        notice_queue_url=new.notice_queue_url,
        time_zone=new.time_zone,
        on_demand_discount_ppm=0,
        created_at=tx.now,
    )
    queries.insert_client(tx, client)
    return client


def _new_external_id(role_arn: str | None) -> str | None:
    return None if role_arn is None else "so-" + secrets.token_urlsafe(24)


def load_client(tx: Transaction, client_id: str) -> Client:
    """Return the client; NotFound if there is none."""
    client = queries.find_client(tx, client_id)
    if client is None:
        raise NotFound(f"there is no client {client_id}")
    return client
