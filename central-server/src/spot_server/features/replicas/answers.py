"""What came of a replica's launch: the command in force, and the instance that it brought. The caller holds the agent's row."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.queries import Command
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.service import note_capacity
from spot_server.features.replicas import queries
from spot_server.features.replicas.queries import Replica
from spot_server.moments import read_told_moment
from spot_server.words import Mode


def launch_command(tx: Transaction, replica: Replica) -> Command | None:
    """Return the launch command in force, or an earlier one for the same launch that was answered after it was given up."""
    if replica.launch_command_id is None:
        return None
    command = command_queries.load_command(tx, replica.launch_command_id)
    if command is None or command.result.get("instance_id") is not None or "#" not in command.request_id:
        return command
    first = command.request_id.partition("#")[0]
    number = 1
    while True:
        name = first if number == 1 else f"{first}#{number}"
        earlier = command_queries.find_by_request(tx, replica.agent_id, name)
        if earlier is None or earlier.command_id == command.command_id:
            return command
        if earlier.result.get("instance_id") is not None:
            return earlier
        number += 1


def ask_number(request_id: str) -> int:
    """Return for the how-maniest time a launch was asked for under one client token, from 1."""
    return int(request_id.rpartition("#")[2]) if "#" in request_id else 1


def note_instance(
    tx: Transaction, replica: Replica, instance_id: str, command: Command | None, *, launched_at: datetime | None = None
) -> Replica:
    """Record which instance came of the launch: from the command's answer, the instance's own registration, or what EC2 shows."""
    launched_at = launched_at if command is None else launch_moment(command)
    changed = queries.update_replica(tx, replica, instance_id=instance_id, launched_at=launched_at or tx.now)
    if changed.mode is Mode.SPOT and changed.launched_at is not None:
        note_capacity(tx, PoolKey(load_agent(tx, changed.agent_id).region, changed.az_id, changed.instance_type), changed.launched_at)
    emit_replica(tx, changed, "replica_launched", {"place": changed.place.key})
    return changed


def launch_moment(command: Command) -> datetime | None:
    """Return when EC2 launched the instance, as the command's answer says; None when it does not say."""
    return read_told_moment(command.result.get("launched_at"))


def emit_replica(tx: Transaction, replica: Replica, kind: str, data: dict[str, Any]) -> None:
    """Add a replica's event to the client's log."""
    seconds = (tx.now - replica.created_at).total_seconds()
    tx.emit(
        kind,
        client_id=replica.client_id,
        agent_id=replica.agent_id,
        instance_id=replica.instance_id,
        data={"replica_id": replica.replica_id, "seconds": round(seconds, 3), **data},
    )
