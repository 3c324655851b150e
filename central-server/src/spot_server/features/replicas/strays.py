"""Instances that a launch brought after another had taken its place, or nobody waited any more: owned at once, and terminated."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica, launch_moment
from spot_server.features.replicas.ending import finish_replica
from spot_server.features.replicas.queries import Replica
from spot_server.words import CommandKind, ReplicaStatus


def own_late_launch(tx: Transaction, command_id: str) -> None:
    """Own the instance that this launch brought, unless a replica has it already. The caller has advanced the replica before."""
    command = command_queries.load_command(tx, command_id)
    if command is None or command.kind is not CommandKind.LAUNCH_INSTANCE or command.replica_id is None:
        return
    instance_id = command.result.get("instance_id")
    replica = queries.find_replica(tx, command.replica_id)
    if instance_id is not None and replica is not None:
        own_stray(tx, replica, instance_id, launch_moment(command))


def own_stray(tx: Transaction, replica: Replica, instance_id: str, launched_at: datetime | None) -> None:
    """Record `instance_id` as an ended replica of its own, which the sweep terminates; nothing when it has an owner."""
    if any(known.instance_id == instance_id for known in queries.list_replicas(tx, replica.agent_id)):
        return
    stray = replace(
        replica,
        replica_id=str(uuid.uuid4()),
        request_id=f"stray/{instance_id}",
        status=ReplicaStatus.TERMINATED,
        status_reason=f"launched for replica {replica.replica_id} when that needed it no more",
        hold_until=None,
        instance_id=instance_id,
        launch_command_id=None,
        nonce_sha256=None,
        nonce_used_at=None,
        created_at=tx.now,
        launched_at=launched_at or tx.now,
        registered_at=None,
        sync_started_at=None,
        sync_completed_at=None,
        ready_at=None,
        ended_at=None,
        version=1,
    )
    queries.insert_replica(tx, stray)
    emit_replica(tx, stray, "replica_stray", {"instead_of": replica.instance_id})
    finish_replica(tx, load_agent(tx, replica.agent_id), stray)
