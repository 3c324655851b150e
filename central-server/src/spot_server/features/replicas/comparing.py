"""Comparing standbys with their primary while they stand, so that a person hears of a difference before one of them is wanted."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, replica_instances, switches
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches.configuration_rules import Difference, Document, compare, is_told_in_full
from spot_server.features.volumes.rules import devices_of, resolve_volumes, without_devices
from spot_server.words import Carry, ReplicaKind, ReplicaStatus, Severity

STANDBY_KINDS = (ReplicaKind.MANUAL, ReplicaKind.EMERGENCY)
"""What stands and waits. A replica that was made for a move is compared by that move."""

_primary = instances.alias("primary")
_standby = instances.alias("standby")
_SIDES = (
    select(
        replica_instances.c.agent_id,
        replica_instances.c.replica_id,
        replica_instances.c.differences,
        _standby.c.registered_at,
        _primary.c.instance_id.label("primary_instance_id"),
        _primary.c.configuration.label("primary_configuration"),
        _primary.c.attached_volumes,
        agents.c.carry,
        agents.c.data_volumes,
        _standby.c.configuration.label("standby_configuration"),
    )
    .join_from(replica_instances, agents, agents.c.agent_id == replica_instances.c.agent_id)
    .join(_primary, _primary.c.primary_of == replica_instances.c.agent_id)
    .join(_standby, and_(_standby.c.agent_id == replica_instances.c.agent_id, _standby.c.instance_id == replica_instances.c.instance_id))
    .outerjoin(switches, switches.c.active_key == replica_instances.c.agent_id)
    .where(
        replica_instances.c.status == ReplicaStatus.READY,
        replica_instances.c.kind.in_(STANDBY_KINDS),
        agents.c.deleted_at.is_(None),
        # A move that runs compares by itself, and is about to change which side is which.
        switches.c.switch_id.is_(None),
    )
    .order_by(replica_instances.c.agent_id, replica_instances.c.replica_id)
)


def standbys_to_note(tx: Transaction) -> list[tuple[str, str]]:
    """Return (agent_id, replica_id) of every ready standby whose likeness is not as it was recorded; one query for all of them."""
    rows = tx.execute(_SIDES).all()
    return [(row.agent_id, row.replica_id) for row in rows if _news(tx, row) is not None]


def note_likeness(tx: Transaction, *, agent_id: str, replica_id: str) -> str | None:
    """Record where a standby is not like the primary as both are now, and tell a person; return what was found, or None for no news."""
    agent = load_agent(tx, agent_id, for_update=True)
    row = tx.execute(_SIDES.where(replica_instances.c.replica_id == replica_id)).one_or_none()
    found = None if row is None else _news(tx, row)
    if row is None or found is None:
        return None
    noted = queries.update_replica(tx, queries.load_replica(tx, agent_id, replica_id), differences=[asdict(one) for one in found])
    data: dict[str, Any] = {"primary_instance_id": row.primary_instance_id, "differences": noted.differences}
    if not found:
        emit_replica(tx, noted, "standby_same", data)
        return f"{agent.logical_agent_id}: the standby is like the primary"
    emit_replica(tx, noted, "standby_differs", data)
    _tell(tx, agent, noted, row.primary_instance_id, found)
    return f"{agent.logical_agent_id}: the standby differs in {len(found)}"


def _news(tx: Transaction, row: Any) -> tuple[Difference, ...] | None:  # noqa: ANN401 - a row of _SIDES
    """Return the differences where they are not as recorded; None where they are, or cannot be told yet."""
    old: Document | None = row.primary_configuration
    new: Document | None = row.standby_configuration
    if old is None:
        return None
    registered_at: datetime = row.registered_at
    # As in a move, the new side is given time to say all of itself.
    is_late = tx.now >= registered_at + timedelta(seconds=tx.policy.check_bound_seconds)
    if not is_late and not is_told_in_full(old, new):
        return None
    is_moving = row.carry is Carry.VOLUME
    moving = devices_of(resolve_volumes(row.data_volumes, row.attached_volumes, row.primary_instance_id)) if is_moving else frozenset()
    found = compare(without_devices(old, moving), None if new is None else without_devices(new, moving))
    return None if [asdict(one) for one in found] == row.differences else found


def _tell(tx: Transaction, agent: Agent, replica: Replica, primary_instance_id: str, found: tuple[Difference, ...]) -> None:
    # No dedupe key: this is told with the change of the record, which nobody else makes meanwhile.
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="standby_unlike",
        text=(
            f"the standby {replica.instance_id} of {agent.logical_agent_id} is not like the primary {primary_instance_id}, "
            f"and is only promoted by whoever accepts that, or in a rescue: {'; '.join(map(str, found))}"
        ),
    )
