"""Reading the instances that nothing ends, and noting that a person wants one ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, replica_instances, restore_holds, switch_steps, switches
from spot_server.features.instances.queries import Instance
from spot_server.words import ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

_ENDED = (ReplicaStatus.TERMINATED, ReplicaStatus.FAILED)
_OPEN = (StepStatus.PENDING, StepStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class KeptInstance:
    """An instance that nothing ends by itself, under the name of its agent."""

    instance: Instance
    logical_agent_id: str


def list_kept(tx: Transaction, client_id: str, *, after: tuple[datetime, str] | None, most: int) -> list[KeptInstance]:
    """Return up to `most` of the client's ZOMBIEs that nothing ends, or that a person is having ended, oldest registration first."""
    statement = (
        select(instances, agents.c.logical_agent_id)
        .join_from(instances, agents)
        .where(
            instances.c.client_id == client_id,
            instances.c.role == Role.ZOMBIE,
            instances.c.released_at.is_(None),
            instances.c.stray_reason.is_(None),
            or_(instances.c.is_retained.is_(True), instances.c.end_asked_at.is_not(None), ~_is_seen_to()),
        )
    )
    if after is not None:
        registered_at, instance_id = after
        is_next = and_(instances.c.registered_at == registered_at, instances.c.instance_id > instance_id)
        statement = statement.where(or_(instances.c.registered_at > registered_at, is_next))
    rows = tx.execute(statement.order_by(instances.c.registered_at, instances.c.instance_id).limit(most))
    return [_kept(row._asdict()) for row in rows]


def _kept(values: dict[str, Any]) -> KeptInstance:
    name = values.pop("logical_agent_id")
    return KeptInstance(Instance(**values), name)


def is_seen_to(tx: Transaction, agent_id: str, instance_id: str) -> bool:
    """Tell whether a replica that has ended, a move, or the retirement after one sees to the instance."""
    where = (instances.c.agent_id == agent_id, instances.c.instance_id == instance_id)
    return tx.execute(select(instances.c.instance_id).where(*where, _is_seen_to())).first() is not None


def _is_seen_to() -> ColumnElement[bool]:
    replica, retired = replica_instances, switches.alias("retired")
    moving = switches.alias("moving")
    has_ended_replica = exists().where(
        replica.c.agent_id == instances.c.agent_id,
        replica.c.instance_id == instances.c.instance_id,
        replica.c.status.in_(_ENDED),
        replica.c.ended_at.is_(None),
    )
    is_part = or_(moving.c.from_instance_id == instances.c.instance_id, moving.c.to_instance_id == instances.c.instance_id)
    is_moved = exists().where(moving.c.active_key == instances.c.agent_id, is_part)
    is_retiring = (
        select(retired.c.switch_id)
        .join(switch_steps, switch_steps.c.switch_id == retired.c.switch_id)
        .where(
            retired.c.agent_id == instances.c.agent_id,
            retired.c.from_instance_id == instances.c.instance_id,
            retired.c.status == SwitchStatus.COMPLETED,
            switch_steps.c.name == StepName.RETIRE,
            switch_steps.c.status.in_(_OPEN),
        )
        .exists()
    )
    return or_(has_ended_replica, is_moved, is_retiring)


def note_end_asked(tx: Transaction, instance: Instance, user_id: str) -> None:
    """Keep that a person wants the instance ended."""
    where = (instances.c.agent_id == instance.agent_id, instances.c.instance_id == instance.instance_id)
    tx.execute(update(instances).where(*where).values(end_asked_at=tx.now, end_asked_by=user_id))


_ENDS_ASKED_FOR = select(instances.c.agent_id, instances.c.instance_id).where(
    instances.c.end_asked_at.is_not(None), instances.c.role == Role.ZOMBIE
)


def ends_asked_for(tx: Transaction) -> list[tuple[str, str]]:
    """Return (agent_id, instance_id) of every instance that a person wants ended and that EC2 may still have."""
    return [(agent_id, instance_id) for agent_id, instance_id in tx.execute(_ENDS_ASKED_FOR)]


def is_restore_suspected(tx: Transaction, client_id: str) -> bool:
    """Tell whether something says that the database was restored, which nobody has confirmed."""
    holding = restore_holds.c.seen_epoch > restore_holds.c.confirmed_epoch
    return tx.execute(select(restore_holds.c.agent_id).where(restore_holds.c.client_id == client_id, holding).limit(1)).first() is not None


def handles_when_left(tx: Transaction, agent_id: str, instance_id: str) -> list[dict[str, Any]]:
    """Return what clients reached the workload by when a move last left the instance."""
    row = tx.execute(
        select(switches.c.traffic_handles)
        .where(switches.c.agent_id == agent_id, switches.c.from_instance_id == instance_id)
        .order_by(switches.c.initiated_at.desc())
        .limit(1)
    ).one_or_none()
    return [] if row is None else list(row.traffic_handles)
