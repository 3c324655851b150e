"""Reading and writing replicas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CompoundSelect, Row, and_, bindparam, exists, insert, or_, select, union_all, update

from spot_server.db.runner import Transaction
from spot_server.db.tables import game_days, instance_types, instances, replica_instances
from spot_server.errors import NotFound, StateConflict
from spot_server.features.replicas.boot_rules import BOOT_WINDOW_DAYS, MOST_BOOTS, Boot
from spot_server.features.replicas.placement import Place, Shape
from spot_server.words import LIVE_REPLICA_STATUSES, Mode, ReplicaKind, ReplicaStatus, Role


@dataclass(frozen=True, slots=True)
class Replica:
    """One standby instance of an agent, from intent to end."""

    replica_id: str
    client_id: str
    agent_id: str
    request_id: str
    kind: ReplicaKind
    status: ReplicaStatus
    status_reason: str
    switch_id: str | None
    interruption_event_id: str | None
    hold_until: datetime | None
    instance_id: str | None
    instance_type: str
    az_id: str
    mode: Mode
    image_id: str | None
    wish: dict[str, Any]
    attempt: int
    rejected_places: list[str]
    launch_command_id: str | None
    client_token: str | None
    nonce_sha256: str | None
    nonce_used_at: datetime | None
    created_at: datetime
    launched_at: datetime | None
    registered_at: datetime | None
    sync_started_at: datetime | None
    sync_completed_at: datetime | None
    ready_at: datetime | None
    ended_at: datetime | None
    differences: list[dict[str, Any]] | None
    """Where a ready standby is not like the primary; None: not compared (yet)."""
    version: int

    @property
    def place(self) -> Place:
        """The market that it was, or is about to be, launched in."""
        return Place(self.instance_type, self.az_id, self.mode)

    @property
    def is_live(self) -> bool:
        """Whether it is, or may still become, something to promote."""
        return self.status in LIVE_REPLICA_STATUSES


_COLUMNS = [replica_instances.c[name] for name in Replica.__dataclass_fields__]


def _replica(row: Row[*tuple[Any, ...]]) -> Replica:
    return Replica(*row)


_REPLICA = select(*_COLUMNS).where(replica_instances.c.replica_id == bindparam("replica_id"))


def find_replica(tx: Transaction, replica_id: str) -> Replica | None:
    """Return the replica, or None."""
    row = tx.execute(_REPLICA, {"replica_id": replica_id}).one_or_none()
    return None if row is None else _replica(row)


def load_replica(tx: Transaction, agent_id: str, replica_id: str) -> Replica:
    """Return the agent's replica; NotFound for an unknown one and for another agent's."""
    replica = find_replica(tx, replica_id)
    if replica is None or replica.agent_id != agent_id:
        raise NotFound(f"there is no replica {replica_id}")
    return replica


_BY_REQUEST = select(*_COLUMNS).where(
    replica_instances.c.agent_id == bindparam("agent_id"), replica_instances.c.request_id == bindparam("request_id")
)


def find_by_request(tx: Transaction, agent_id: str, request_id: str) -> Replica | None:
    """Return the replica that an earlier identical request made, or None."""
    row = tx.execute(_BY_REQUEST, {"agent_id": agent_id, "request_id": request_id}).one_or_none()
    return None if row is None else _replica(row)


_OF_AGENT = select(*_COLUMNS).where(replica_instances.c.agent_id == bindparam("agent_id")).order_by(replica_instances.c.created_at)
_ALL_OF_AGENT = _OF_AGENT.order_by(replica_instances.c.replica_id)


def list_replicas(tx: Transaction, agent_id: str) -> list[Replica]:
    """Return every replica that the agent ever had, oldest first."""
    return [_replica(row) for row in tx.execute(_ALL_OF_AGENT, {"agent_id": agent_id})]


_LIVE_OF_AGENT = _OF_AGENT.where(replica_instances.c.status.in_(LIVE_REPLICA_STATUSES))


def live_replicas(tx: Transaction, agent_id: str) -> list[Replica]:
    """Return the replicas that are, or may still become, something to promote."""
    return [_replica(row) for row in tx.execute(_LIVE_OF_AGENT, {"agent_id": agent_id})]


_NEARNESS = {ReplicaStatus.READY: 0, ReplicaStatus.SYNCING: 1, ReplicaStatus.LAUNCHING: 2}


def nearest_live_replicas(tx: Transaction, agent_id: str) -> list[Replica]:
    """Return the live replicas, the nearest to serving first (what has an instance before what has none), the oldest among equals."""
    return sorted(live_replicas(tx, agent_id), key=lambda one: (_NEARNESS[one.status], one.instance_id is None, one.created_at))


def list_replicas_of_client(tx: Transaction, client_id: str, *, before: tuple[datetime, str] | None, limit: int) -> list[Replica]:
    """Return up to `limit` of the client's replicas, newest first; `before` is the position of the last one seen."""
    table = replica_instances
    statement = select(*_COLUMNS).where(table.c.client_id == client_id)
    if before is not None:
        moment, replica_id = before
        same_moment = and_(table.c.created_at == moment, table.c.replica_id < replica_id)
        statement = statement.where(or_(table.c.created_at < moment, same_moment))
    ordered = statement.order_by(table.c.created_at.desc(), table.c.replica_id.desc()).limit(limit)
    return [_replica(row) for row in tx.execute(ordered)]


def _unfinished() -> CompoundSelect[Any]:
    found = select(replica_instances.c.agent_id, replica_instances.c.replica_id)
    status = replica_instances.c.status
    has_lost_its_instance = exists().where(
        instances.c.agent_id == replica_instances.c.agent_id,
        instances.c.instance_id == replica_instances.c.instance_id,
        instances.c.role == Role.TERMINATED,
    )
    # Selections of their own, each by the index of (status, ended_at): an OR over them would read every replica that ever was.
    on_the_way = found.where(status.in_(LIVE_REPLICA_STATUSES - {ReplicaStatus.READY}))
    lost = found.where(status == ReplicaStatus.READY, has_lost_its_instance)
    not_gone = found.where(status.in_({ReplicaStatus.TERMINATED, ReplicaStatus.FAILED}), replica_instances.c.ended_at.is_(None))
    return union_all(on_the_way, lost, not_gone)


_UNFINISHED = _unfinished()


def unfinished_replicas(tx: Transaction) -> list[tuple[str, str]]:
    """Return (agent_id, replica_id) of every replica that is on its way up, or has ended and whose instance is not known to be gone.

    One that is ready waits for others, and costs a sweep nothing; only if its instance is gone there is something to do about it.
    """
    return sorted((agent_id, replica_id) for agent_id, replica_id in tx.execute(_UNFINISHED))


def manual_outcomes(tx: Transaction, agent_ids: Sequence[str]) -> dict[str, list[tuple[ReplicaStatus, datetime]]]:
    """Return the status and creation of every manual replica of these agents, by agent, the newest first; none is no key."""
    table = replica_instances
    rows = tx.execute(
        select(table.c.agent_id, table.c.status, table.c.created_at)
        .where(table.c.agent_id.in_(agent_ids), table.c.kind == ReplicaKind.MANUAL)
        .order_by(table.c.agent_id, table.c.created_at.desc(), table.c.replica_id.desc())
    )
    found: dict[str, list[tuple[ReplicaStatus, datetime]]] = {}
    for row in rows:
        found.setdefault(row.agent_id, []).append((row.status, row.created_at))
    return found


def insert_replica(tx: Transaction, replica: Replica) -> None:
    """Store a new replica."""
    tx.execute(insert(replica_instances).values({name: getattr(replica, name) for name in Replica.__dataclass_fields__}))


_CHANGE_SEEN = update(replica_instances).where(
    replica_instances.c.replica_id == bindparam("this_replica_id"), replica_instances.c.version == bindparam("seen_version")
)


def update_replica(tx: Transaction, replica: Replica, **values: Any) -> Replica:  # noqa: ANN401 - column values
    """Compare-and-set: change `values` if nobody changed the replica since it was read, and return it as it is now."""
    seen = {"this_replica_id": replica.replica_id, "seen_version": replica.version}
    if tx.execute(_CHANGE_SEEN, {**values, **seen, "version": replica.version + 1}).rowcount != 1:
        raise StateConflict(f"replica {replica.replica_id} changed meanwhile")
    changed = find_replica(tx, replica.replica_id)
    assert changed is not None  # noqa: S101 - the update above just found it
    return changed


def measured_boots(tx: Transaction, client_id: str, instance_types: Sequence[str]) -> list[Boot]:
    """Return what the client's replicas of these types took from launch to ready: of the last weeks, the newest of many."""
    table = replica_instances
    since = tx.now - timedelta(days=BOOT_WINDOW_DAYS)
    rows = tx.execute(
        select(table.c.instance_type, table.c.az_id, table.c.launched_at, table.c.ready_at)
        .where(
            table.c.client_id == client_id,
            table.c.ready_at > since,
            # What was let in when it registered counts from there: that it became ready soon says nothing of its boot.
            table.c.registered_at > table.c.launched_at,
            table.c.instance_type.in_(instance_types),
        )
        .order_by(table.c.ready_at.desc())
        .limit(MOST_BOOTS)
    )
    return [Boot(row.instance_type, row.az_id, (row.ready_at - row.launched_at).total_seconds()) for row in rows]


_GAME_DAY = select(game_days.c.game_day_id).where(game_days.c.active_key == bindparam("agent_id"))


def plays_game_day(tx: Transaction, agent_id: str) -> bool:
    """Tell whether a game day of this agent is under way: what befalls it may be played."""
    return tx.execute(_GAME_DAY, {"agent_id": agent_id}).first() is not None


def load_shapes(tx: Transaction, names: list[str]) -> dict[str, Shape]:
    """Return what is known of these instance types."""
    rows = tx.execute(select(instance_types).where(instance_types.c.instance_type.in_(names)))
    return {row.instance_type: Shape(row.vcpu, row.memory_mib, frozenset(row.architectures)) for row in rows}
