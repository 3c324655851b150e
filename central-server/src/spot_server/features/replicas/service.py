"""The use cases of replicas. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import FieldInvalid, MoveRefused, NoImage, RequestIdReused, StateConflict
from spot_server.features.agents.queries import Agent, find_agent_of_client, load_agent
from spot_server.features.audit.service import record
from spot_server.features.commands import ledger
from spot_server.features.instances.queries import load_instance, primary_of
from spot_server.features.instances.rules import require_part_of_agent
from spot_server.features.replicas import progress, queries
from spot_server.features.replicas.answers import note_instance
from spot_server.features.replicas.ending import end_replica
from spot_server.features.replicas.image_queries import mark_image_booted
from spot_server.features.replicas.image_rules import Purpose
from spot_server.features.replicas.launching import choose_image
from spot_server.features.replicas.progress import NewReplica
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent, next_replica_status
from spot_server.features.replicas.strays import own_stray
from spot_server.features.requests.service import is_repeated
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches import service as switches
from spot_server.words import ReplicaKind, ReplicaStatus


def on_registered(tx: Transaction, *, agent_id: str, replica_id: str, instance_id: str) -> None:
    """The replica's daemon has registered with its nonce; the caller has checked it, holds the agent's row and made the instance row."""
    replica = queries.load_replica(tx, agent_id, replica_id)
    if replica.instance_id is None:
        replica = note_instance(tx, replica, instance_id, None, launched_at=load_instance(tx, agent_id, instance_id).launched_at)
    if not replica.is_live:
        progress.advance_replica(tx, replica_id)
        return
    status = next_replica_status(replica.status, ReplicaEvent.REGISTERED)
    registered_at = replica.registered_at or tx.now
    queries.update_replica(
        tx,
        replica,
        status=status,
        registered_at=registered_at,
        sync_started_at=replica.sync_started_at or tx.now,
        nonce_used_at=replica.nonce_used_at or tx.now,
    )
    ledger.settle_launches(tx, agent_id, replica_id, reason="its instance has registered")
    switches.advance_switch_of_agent(tx, agent_id)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replica is, by its own daemon: `syncing`, `ready` or `failed`."""

    status: ReplicaStatus
    sync_started_at: datetime | None = None
    sync_completed_at: datetime | None = None
    reason: str = ""


def report_status(tx: Transaction, agent_id: str, instance_id: str, replica_id: str, told: Progress) -> Replica:
    """Take a daemon's word about a replica. What waits for it goes on in the same transaction.

    Only the replica's own instance may say that it is ready.
    """
    agent = load_agent(tx, agent_id, for_update=True)
    replica = queries.load_replica(tx, agent_id, replica_id)
    require_part_of_agent(load_instance(tx, agent_id, instance_id).role)
    if not replica.is_live:
        return replica
    match told.status:
        case ReplicaStatus.READY:
            replica = _become_ready(tx, replica, instance_id, told)
        case ReplicaStatus.FAILED:
            replica = end_replica(tx, agent, replica, ReplicaEvent.FAILED, told.reason or "its daemon says so")
        case ReplicaStatus.SYNCING | ReplicaStatus.LAUNCHING:
            pass
        case _:
            raise FieldInvalid("status", told.status, "syncing, ready or failed")
    progress.advance_replica(tx, replica_id)
    switches.advance_switch_of_agent(tx, agent_id)
    return queries.load_replica(tx, agent_id, replica_id)


def _become_ready(tx: Transaction, replica: Replica, instance_id: str, told: Progress) -> Replica:
    if replica.instance_id != instance_id:
        raise StateConflict(f"only instance {replica.instance_id} can say that replica {replica.replica_id} is ready")
    if replica.status is ReplicaStatus.READY:
        return replica
    changed = queries.update_replica(
        tx,
        replica,
        status=next_replica_status(replica.status, ReplicaEvent.BECAME_READY),
        ready_at=tx.now,
        sync_started_at=told.sync_started_at or replica.sync_started_at,
        sync_completed_at=told.sync_completed_at or tx.now,
    )
    if changed.image_id is not None:
        mark_image_booted(tx, changed.agent_id, changed.image_id)
    _emit(tx, changed, "replica_ready", {"place": changed.place.key})
    return changed


def record_instance(
    tx: Transaction, agent_id: str, reporter_id: str, replica_id: str, *, instance_id: str | None, status: ReplicaStatus | None
) -> Replica:
    """Take the word of the daemon on `reporter_id` of which instance came of a launch, and of how far it is."""
    agent = load_agent(tx, agent_id, for_update=True)
    require_part_of_agent(load_instance(tx, agent_id, reporter_id).role)
    replica = queries.load_replica(tx, agent_id, replica_id)
    if instance_id is not None and replica.instance_id is None and replica.ended_at is not None:
        own_stray(tx, replica, instance_id, None)
    elif instance_id is not None and replica.instance_id is None:
        replica = note_instance(tx, replica, instance_id, None)
    elif instance_id is not None and replica.instance_id != instance_id:
        raise StateConflict(f"replica {replica_id} is instance {replica.instance_id}", instance_id=replica.instance_id)
    if status is ReplicaStatus.FAILED and replica.is_live:
        end_replica(tx, agent, replica, ReplicaEvent.FAILED, "its daemon says so")
    progress.advance_replica(tx, replica_id)
    switches.advance_switch_of_agent(tx, agent_id)
    return queries.load_replica(tx, agent_id, replica_id)


def request_replica(tx: Transaction, client_id: str, agent_id: str, *, request_id: str, user_id: str, wish: dict[str, Any]) -> Replica:
    """Make a standby on a person's request; the same request again returns the same replica.

    Raises RequestIdReused for another wish under the same request_id, StateConflict, and NoImage.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    is_known = is_repeated(tx, agent_id, request_id, page="replicas", body=wish)
    earlier = queries.find_by_request(tx, agent_id, request_id)
    if earlier is not None:
        if not is_known:
            raise RequestIdReused(f"request_id {request_id!r} is that of replica {earlier.replica_id}, which nobody asked for here")
        return earlier
    if agent.is_deleted or not agent.enabled:
        raise StateConflict("the agent is deleted or disabled", agent_id=agent_id)
    replica = make_standby(tx, agent, request_id=request_id, reason=f"asked for by {user_id}", wish=wish)
    if replica is None:
        raise NoImage("there is no good image and no base image to launch a standby from", agent_id=agent_id)
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=None,
        user_id=user_id,
        action="replica.requested",
        reason="",
        pre_state=None,
        post_state={"replica_id": replica.replica_id, "wish": wish},
        request_id=request_id,
    )
    return replica


def make_standby(tx: Transaction, agent: Agent, *, request_id: str, reason: str, wish: dict[str, Any] | None = None) -> Replica | None:
    """Make a manual replica from the newest image, which it proves; None when there is nothing to launch from."""
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id), Purpose.PLANNED)
    if image is None:
        return None
    new = NewReplica(kind=ReplicaKind.MANUAL, request_id=request_id, image_id=image.image_id, reason=reason, wish=wish or {})
    return progress.create_replica(tx, agent, new)


def retire_replica(tx: Transaction, client_id: str, agent_id: str, replica_id: str, *, user_id: str, reason: str) -> Replica:
    """Retire one replica on a person's request; MoveRefused while a handover uses it, harmless when it has ended."""
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    replica = queries.load_replica(tx, agent_id, replica_id)
    if not replica.is_live:
        return replica
    running = switch_queries.active_switch(tx, agent_id)
    if running is not None and running.replica_id == replica_id:
        raise MoveRefused(f"switch {running.switch_id} uses this replica", switch_id=running.switch_id)
    end_replica(tx, agent, replica, ReplicaEvent.RETIRED, reason)
    progress.advance_replica(tx, replica_id)
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=replica.instance_id,
        user_id=user_id,
        action="replica.retired",
        reason=reason,
        pre_state={"status": replica.status},
        post_state={"status": ReplicaStatus.TERMINATED},
    )
    return queries.load_replica(tx, agent_id, replica_id)


def retire_all(tx: Transaction, *, agent_id: str, reason: str) -> int:
    """Retire every live replica of an agent that is being deleted, and return how many; the caller holds the agent's row."""
    agent = load_agent(tx, agent_id)
    live = queries.live_replicas(tx, agent_id)
    for replica in live:
        end_replica(tx, agent, replica, ReplicaEvent.RETIRED, reason)
        progress.advance_replica(tx, replica.replica_id)
    return len(live)


def sweep_replica(tx: Transaction, *, agent_id: str, replica_id: str) -> None:
    """Take every step that a replica can take now, and let the move that waits for it go on."""
    agent = load_agent(tx, agent_id, for_update=True)
    before = queries.load_replica(tx, agent_id, replica_id)
    if progress.advance_known_replica(tx, agent, before).version != before.version:
        switches.advance_switch_of_agent(tx, agent_id)


def _emit(tx: Transaction, replica: Replica, kind: str, data: dict[str, Any]) -> None:
    seconds = (tx.now - (replica.launched_at or replica.created_at)).total_seconds()
    tx.emit(
        kind,
        client_id=replica.client_id,
        agent_id=replica.agent_id,
        instance_id=replica.instance_id,
        data={"replica_id": replica.replica_id, "seconds": round(seconds, 3), **data},
    )
