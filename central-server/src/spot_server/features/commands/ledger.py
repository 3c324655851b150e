"""Issuing and closing commands. Knows nothing of what a command is for, so that every feature may use it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import RequestIdReused
from spot_server.features.commands import queries
from spot_server.features.commands.queries import Command
from spot_server.features.commands.rules import (
    CommandEvent,
    has_secrets,
    next_command_status,
    payload_digest,
    payload_to_keep,
    without_secrets,
)
from spot_server.words import Actor, ClosedBecause, CommandKind, CommandStatus, StepName

ISSUED = "command_issued"
"""The event of a new command; `instance_id` says whose daemon it is for."""


@dataclass(frozen=True, slots=True)
class NewCommand:
    """What to tell an instance's daemon. `request_id` makes it repeatable within the agent."""

    client_id: str
    agent_id: str
    instance_id: str
    request_id: str
    kind: CommandKind
    priority: int
    epoch: int
    payload: dict[str, Any] = field(default_factory=dict)
    actor: Actor = Actor.DAEMON
    deadline_at: datetime | None = None
    switch_id: str | None = None
    step: StepName | None = None
    replica_id: str | None = None


def issue(tx: Transaction, new: NewCommand) -> str:
    """Queue a command and return its id; the same request again returns the first one's id.

    Raises RequestIdReused when the request_id was used for something else.
    """
    digest = payload_digest(new.kind, new.payload)
    earlier = queries.find_by_request(tx, new.agent_id, new.request_id)
    if earlier is not None:
        if earlier.payload_sha256 != digest:
            raise RequestIdReused(f"request_id {new.request_id!r} already asked for {earlier.kind}", request_id=new.request_id)
        return earlier.command_id
    command = Command(
        command_id=str(uuid.uuid4()),
        client_id=new.client_id,
        agent_id=new.agent_id,
        instance_id=new.instance_id,
        request_id=new.request_id,
        kind=new.kind,
        actor=new.actor,
        priority=new.priority,
        epoch=new.epoch,
        payload=new.payload,
        payload_sha256=digest,
        status=CommandStatus.QUEUED,
        switch_id=new.switch_id,
        step=new.step,
        replica_id=new.replica_id,
        issued_at=tx.now,
        deadline_at=new.deadline_at,
        first_delivered_at=None,
        last_delivered_at=None,
        finished_at=None,
        outcome=None,
        closed_because=None,
    )
    queries.insert_command(tx, command)
    _emit(tx, command, ISSUED, {})
    return command.command_id


def finish(tx: Transaction, command: Command, outcome: dict[str, Any]) -> Command:
    """Record a daemon's answer to an open command and return the command as it is then; the caller holds the agent's row."""
    event = CommandEvent.SUCCEEDED if outcome["outcome"] == "succeeded" else CommandEvent.FAILED
    status = next_command_status(command.status, event)
    payload = payload_to_keep(command.payload, outcome)
    queries.close_command(tx, command, status=status, outcome=outcome, payload=payload)
    _emit(tx, command, "command_finished", {"status": status, "error": outcome.get("error")})
    return replace(command, status=status, outcome=outcome, payload=payload, finished_at=tx.now)


def give_up(tx: Transaction, command_id: str | None, *, status: CommandStatus, reason: str, because: ClosedBecause | None = None) -> None:
    """Close a command that is no longer wanted or whose time is over, if it is still open. It may yet take effect at the daemon.

    `because` is kept where nobody asks anew: it is all that the command will ever say.
    """
    command = None if command_id is None else queries.load_command(tx, command_id)
    if command is None or not command.is_open:
        return
    given_up = next_command_status(command.status, CommandEvent(status.value))
    payload = without_secrets(command.payload)
    queries.close_command(tx, command, status=given_up, outcome=None, payload=payload, closed_because=because)
    _emit(tx, command, "command_given_up", {"status": given_up, "reason": reason, "because": because})


def give_up_switch(tx: Transaction, switch_id: str, *, reason: str) -> None:
    """Close every open command of a switch that is over: none of them may take effect in what comes after it."""
    for command in queries.open_commands_of_switch(tx, switch_id):
        give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason=reason)


def withdraw_orders_to_serve(tx: Transaction, agent_id: str, instance_id: str, *, reason: str) -> None:
    """Close the orders to serve that no move gave: delivered once more after a quiesce, such an order would undo it."""
    for command in queries.open_commands_of_instance(tx, agent_id, instance_id):
        if command.kind is CommandKind.START_SERVING and command.switch_id is None:
            give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason=reason)


def give_up_instance(tx: Transaction, agent_id: str, instance_id: str, *, reason: str) -> None:
    """Close the commands that an instance which is gone can no longer answer, but for those whose owner asks somebody else."""
    for command in queries.open_commands_of_instance(tx, agent_id, instance_id):
        if command.switch_id is None and command.replica_id is None:
            because = ClosedBecause.INSTANCE_TERMINATED
            give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason=reason, because=because)


def settle_launches(tx: Transaction, agent_id: str, replica_id: str, *, reason: str) -> None:
    """Close what is still open of a replica's launches, and forget their nonce: nothing waits for them any more.

    An answer that comes all the same is recorded as a late one, and what it brought is owned.
    """
    for command in queries.launches_of_replica(tx, agent_id, replica_id):
        give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason=reason, because=ClosedBecause.NOBODY_WAITS)
        if not command.is_open and has_secrets(command.payload):
            forget_secrets(tx, command)


def forget_secrets(tx: Transaction, command: Command) -> None:
    """Remove what a failed command kept so that the same could be asked for again."""
    queries.replace_payload(tx, command.command_id, without_secrets(command.payload))


def _emit(tx: Transaction, command: Command, kind: str, data: dict[str, Any]) -> None:
    seconds = (tx.now - command.issued_at).total_seconds()
    tx.emit(
        kind,
        client_id=command.client_id,
        agent_id=command.agent_id,
        instance_id=command.instance_id,
        data={
            "command_id": command.command_id,
            "command": command.kind,
            "step": command.step,
            "switch_id": command.switch_id,
            "replica_id": command.replica_id,
            "seconds": round(seconds, 3),
            **data,
        },
    )
