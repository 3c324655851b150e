"""Instances that a launch brought after another had taken its place, or nobody waited any more: owned at once, and terminated."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands.queries import Command
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica, launch_moment, note_instance
from spot_server.features.replicas.ending import finish_replica
from spot_server.features.replicas.queries import Replica
from spot_server.words import CommandKind, Mode, ReplicaKind, ReplicaStatus


def own_late_launch(tx: Transaction, command: Command) -> None:
    """Own the instance that this launch brought, unless a replica has it already. The caller has advanced the replica before."""
    if command.kind is not CommandKind.LAUNCH_INSTANCE or command.replica_id is None:
        return
    instance_id = command.result.get("instance_id")
    replica = queries.find_replica(tx, command.replica_id)
    if instance_id is not None and replica is not None:
        own_stray(tx, replica, instance_id, launch_moment(command))


def own_stray(tx: Transaction, replica: Replica, instance_id: str, launched_at: datetime | None) -> None:
    """Record `instance_id` as an ended replica of its own, which the sweep terminates; nothing when it has an owner."""
    if any(known.instance_id == instance_id for known in queries.list_replicas(tx, replica.agent_id)):
        return
    reason = f"launched for replica {replica.replica_id} when that needed it no more"
    stray = replace(_ended(replica, tx.now, reason), request_id=_request_id(instance_id, 1), instance_id=instance_id)
    _own(tx, load_agent(tx, replica.agent_id), replace(stray, launched_at=launched_at or tx.now), replica.instance_id)


def own_nobodys(tx: Transaction, agent: Agent, instance_id: str, *, launched_at: datetime | None, like: Replica | None, reason: str) -> int:
    """Own an instance that nobody sees to, for the how-maniest time, which is returned; its termination is asked for anew.

    `like` is the replica that it was launched for, if that is known: one that still waits for its instance gets it.
    """
    number = 1 + sum(known.instance_id == instance_id for known in queries.list_replicas(tx, agent.agent_id))
    if like is not None and not like.is_live and like.ended_at is None and like.instance_id is None:
        finish_replica(tx, agent, note_instance(tx, like, instance_id, None, launched_at=launched_at))
        return number
    base = _ended(_unknown(agent) if like is None else like, tx.now, reason)
    stray = replace(base, request_id=_request_id(instance_id, number), instance_id=instance_id, launched_at=launched_at)
    _own(tx, agent, stray, None if like is None else like.instance_id)
    return number


def _own(tx: Transaction, agent: Agent, stray: Replica, instead_of: str | None) -> None:
    queries.insert_replica(tx, stray)
    emit_replica(tx, stray, "replica_stray", {"instead_of": instead_of, "reason": stray.status_reason})
    finish_replica(tx, agent, stray)


def _request_id(instance_id: str, number: int) -> str:
    return f"stray/{instance_id}" if number == 1 else f"stray/{instance_id}/{number}"


def _ended(replica: Replica, now: datetime, reason: str) -> Replica:
    """Return a replica like this one, of its own, that has ended and whose instance is still to go."""
    return replace(
        replica,
        replica_id=str(uuid.uuid4()),
        status=ReplicaStatus.TERMINATED,
        status_reason=reason,
        hold_until=None,
        launch_command_id=None,
        nonce_sha256=None,
        nonce_used_at=None,
        created_at=now,
        registered_at=None,
        sync_started_at=None,
        sync_completed_at=None,
        ready_at=None,
        ended_at=None,
        differences=None,
        version=1,
    )


def _unknown(agent: Agent) -> Replica:
    """Return a replica of which the books have lost everything but whose it is."""
    unset = dict.fromkeys(Replica.__dataclass_fields__)
    known: dict[str, Any] = {"client_id": agent.client_id, "agent_id": agent.agent_id, "kind": ReplicaKind.SWITCH, "mode": Mode.UNKNOWN}
    return Replica(**{**unset, **known, "instance_type": "", "az_id": "", "wish": {}, "attempt": 0, "rejected_places": []})
