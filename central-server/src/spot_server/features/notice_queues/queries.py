"""Which clients have a queue, and whose the instances are that its messages name."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from spot_server.aws.ports import ControlRole
from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, clients, instances
from spot_server.features.clients.rules import region_of_queue
from spot_server.features.notice_watch.queries import Watched
from spot_server.words import Mode, Role


@dataclass(frozen=True, slots=True)
class ClientQueue:
    """A client's queue, the role that may read it, and the region where it is."""

    client_id: str
    queue_url: str
    role: ControlRole
    region: str


def list_queues(tx: Transaction) -> list[ClientQueue]:
    """Return the queues of all clients that gave one, with a control role."""
    where = (clients.c.notice_queue_url.is_not(None), clients.c.aws_role_arn.is_not(None))
    rows = tx.execute(select(clients).where(*where).order_by(clients.c.client_id))
    return [
        ClientQueue(
            row.client_id,
            row.notice_queue_url,
            ControlRole(row.aws_role_arn, row.aws_external_id, f"spot-optimizer-{row.client_id}"),
            region_of_queue(row.notice_queue_url),
        )
        for row in rows
    ]


def find_watched(tx: Transaction, client_id: str, instance_id: str, region: str) -> list[Watched]:
    """Return the client's own instances of this id that have a part in a living agent; another client's are never among them."""
    rows = tx.execute(
        select(instances.c.agent_id, instances.c.mode)
        .join_from(instances, agents)
        .where(
            instances.c.client_id == client_id,
            instances.c.instance_id == instance_id,
            instances.c.region == region,
            instances.c.role.in_((Role.PRIMARY, Role.REPLICA)),
            agents.c.deleted_at.is_(None),
        )
    )
    return [Watched(row.agent_id, instance_id, row.mode is not Mode.ON_DEMAND) for row in rows]
