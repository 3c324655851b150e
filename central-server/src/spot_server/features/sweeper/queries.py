"""What the sweeper compares with what was seen: agents, instances and replicas as the books have them, and what it did lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, bindparam, or_, select

from spot_server.aws.ports import ControlRole
from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, cleanup_logs, clients, instances, replica_instances, switch_steps, switches
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance
from spot_server.features.sweeper.sightings import Report
from spot_server.words import ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

RETIRED_PREFIX = "sweep/retired/"
"""Begins the request id under which `cleanup_logs` holds a retirement; "0" comes right after "/" in the order of texts."""

_AFTER_RETIRED = RETIRED_PREFIX[:-1] + "0"


@dataclass(frozen=True, slots=True)
class Territory:
    """A client's control role in one region where it has, or had, an agent."""

    client_id: str
    role: ControlRole
    region: str


_TERRITORIES = (
    select(clients.c.client_id, clients.c.aws_role_arn, clients.c.aws_external_id, agents.c.region)
    .join_from(clients, agents)
    .where(clients.c.aws_role_arn.is_not(None))
    .distinct()
    .order_by(clients.c.client_id, agents.c.region)
)


def list_territories(tx: Transaction) -> list[Territory]:
    """Return where control roles can be asked what runs."""
    return [
        Territory(client_id, ControlRole(role_arn, external_id, f"spot-optimizer-{client_id}"), region)
        for client_id, role_arn, external_id, region in tx.execute(_TERRITORIES)
    ]


_REPORTS = (
    select(
        instances.c.client_id,
        instances.c.agent_id,
        agents.c.logical_agent_id,
        instances.c.instance_id,
        instances.c.last_heartbeat_at,
        instances.c.reported_resources,
    )
    .join_from(instances, agents)
    .where(
        instances.c.role.in_((Role.PRIMARY, Role.REPLICA)),
        instances.c.last_heartbeat_at >= bindparam("since"),
        instances.c.reported_resources.is_not(None),
    )
)


def list_reports(tx: Transaction, *, heard_within_seconds: float) -> list[Report]:
    """Return what the daemons of living agents' primaries and replicas said of late."""
    return [Report(*row) for row in tx.execute(_REPORTS, {"since": tx.now - timedelta(seconds=heard_within_seconds)})]


_KNOWN = select(instances.c.client_id, instances.c.instance_id).where(
    instances.c.client_id.in_(bindparam("client_ids", expanding=True)), instances.c.role.in_((Role.PRIMARY, Role.REPLICA))
)


def roles_of_instances(tx: Transaction, client_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return (client_id, instance_id) of every PRIMARY and REPLICA of these clients: nothing has to be asked about those."""
    return {(client_id, instance_id) for client_id, instance_id in tx.execute(_KNOWN, {"client_ids": client_ids})}


_AGENTS = select(agents).where(agents.c.agent_id.in_(bindparam("agent_ids", expanding=True)))


def load_agents(tx: Transaction, agent_ids: Collection[str]) -> dict[str, Agent]:
    """Return these agents by id, deleted ones too; unknown ones are left out."""
    return {row.agent_id: Agent(**row._asdict()) for row in tx.execute(_AGENTS, {"agent_ids": agent_ids})}


_ROWS_OF_INSTANCE = select(instances).where(
    instances.c.client_id == bindparam("client_id"), instances.c.instance_id == bindparam("instance_id")
)


def rows_of_instance(tx: Transaction, client_id: str, instance_id: str) -> list[Instance]:
    """Return the instance under every agent of the client that ever had it."""
    rows = tx.execute(_ROWS_OF_INSTANCE, {"client_id": client_id, "instance_id": instance_id})
    return [Instance(**row._asdict()) for row in rows]


_AGENT_ID: BindParameter[str] = bindparam("agent_id")
_INSTANCE_ID: BindParameter[str] = bindparam("instance_id")
_ENDED_REPLICA = select(replica_instances.c.replica_id).where(
    replica_instances.c.agent_id == _AGENT_ID,
    replica_instances.c.instance_id == _INSTANCE_ID,
    replica_instances.c.status.in_((ReplicaStatus.TERMINATED, ReplicaStatus.FAILED)),
    replica_instances.c.ended_at.is_(None),
)
_IS_PART = (switches.c.from_instance_id == _INSTANCE_ID) | (switches.c.to_instance_id == _INSTANCE_ID)
_MOVING = select(switches.c.switch_id).where(switches.c.active_key == _AGENT_ID, _IS_PART)
_RETIRING = (
    select(switches.c.switch_id)
    .join(switch_steps, switch_steps.c.switch_id == switches.c.switch_id)
    .where(
        switches.c.agent_id == _AGENT_ID,
        switches.c.status == SwitchStatus.COMPLETED,
        switches.c.from_instance_id == _INSTANCE_ID,
        switch_steps.c.name == StepName.RETIRE,
        switch_steps.c.status.in_((StepStatus.PENDING, StepStatus.RUNNING)),
    )
)
_IS_BEING_ENDED = select(or_(_ENDED_REPLICA.exists(), _MOVING.exists(), _RETIRING.exists()))


def is_being_ended(tx: Transaction, agent_id: str, instance_id: str) -> bool:
    """Tell whether a replica that has ended, a move, or the retirement after a move sees to this instance."""
    asked = {"agent_id": agent_id, "instance_id": instance_id}
    return bool(tx.execute(_IS_BEING_ENDED, asked).scalar_one())


_HAS_MOVED_SINCE = select(
    select(switches.c.switch_id)
    .where(
        switches.c.agent_id == bindparam("agent_id"),
        or_(switches.c.active_key.is_not(None), switches.c.completed_at >= bindparam("since")),
    )
    .exists()
)


def has_moved_since(tx: Transaction, agent_id: str, since: datetime) -> bool:
    """Tell whether a move of the agent is under way, or was at that moment or later."""
    return bool(tx.execute(_HAS_MOVED_SINCE, {"agent_id": agent_id, "since": since}).scalar_one())


_RETIRED_SINCE = select(cleanup_logs.c.agent_id).where(
    cleanup_logs.c.client_id == bindparam("client_id"),
    cleanup_logs.c.received_at > bindparam("since"),
    cleanup_logs.c.request_id > RETIRED_PREFIX,
    cleanup_logs.c.request_id < _AFTER_RETIRED,
)


def count_retired(tx: Transaction, client_id: str, since: datetime) -> Counter[str]:
    """Return how many instances the sweeper retired since then, by agent of the client."""
    return Counter(tx.execute(_RETIRED_SINCE, {"client_id": client_id, "since": since}).scalars())
