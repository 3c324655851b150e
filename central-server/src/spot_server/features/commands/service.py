"""What daemons do with commands: take them, and answer them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import NotFound, OutcomeDiffers
from spot_server.features.agents.queries import load_agent
from spot_server.features.commands import ledger, queries
from spot_server.features.commands.queries import Command
from spot_server.features.commands.rules import (
    COMMAND_TRANSITIONS,
    QUIESCED_AFTER,
    CommandEvent,
    is_deliverable,
    is_same_outcome,
    next_command_status,
)
from spot_server.features.images.service import tell_unfrozen
from spot_server.features.instances.queries import note_quiesced
from spot_server.features.replicas import progress as replica_progress
from spot_server.features.replicas.refusals import tell_refusal
from spot_server.features.replicas.strays import own_late_launch
from spot_server.features.switches import service as switches
from spot_server.features.switches.outcomes import remember_image
from spot_server.features.tokens.service import revoke_agent_tokens
from spot_server.words import CommandKind, CommandStatus


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """A daemon's answer, as the wire has it."""

    request_id: str
    outcome: str
    error: dict[str, Any] | None
    result: dict[str, Any]
    started_at: str | None
    finished_at: str | None


def take_pending(tx: Transaction, agent_id: str, instance_id: str) -> list[Command]:
    """Return the commands that this instance's daemon should carry out now, most urgent first, and note their delivery."""
    deliverable = [
        command
        for command in queries.open_commands_of_instance(tx, agent_id, instance_id)
        if is_deliverable(command.status, command.last_delivered_at, tx.now)
    ]
    return queries.mark_delivered(tx, deliverable, tx.now) if deliverable else []


def record_outcome(tx: Transaction, agent_id: str, instance_id: str, command_id: str, outcome: CommandOutcome) -> CommandStatus:
    """Record an answer once, and go on with whatever waited for it, in the same transaction.

    Raises NotFound for a command that is not this instance's, OutcomeDiffers when another answer is recorded already.
    """
    load_agent(tx, agent_id, for_update=True)
    command = queries.load_command(tx, command_id)
    if command is None or command.agent_id != agent_id or command.instance_id != instance_id:
        raise NotFound(f"command {command_id!r} is not one of this instance's", field="command_id", value=command_id)
    if command.request_id != outcome.request_id:
        raise NotFound(f"command {command_id!r} has another request_id", field="request_id", value=outcome.request_id)
    answer = {key: value for key, value in asdict(outcome).items() if key != "request_id"}
    if not command.is_open:
        return _record_again(tx, command, answer)
    answered = ledger.finish(tx, command, answer)
    _note_quiesced(tx, answered, answer)
    _go_on(tx, answered)
    return answered.status


def _note_quiesced(tx: Transaction, command: Command, answer: dict[str, Any]) -> None:
    """Not for an answer that comes after the command was given up: it may be older than what was said since."""
    is_quiesced = QUIESCED_AFTER.get(command.kind)
    if is_quiesced is not None and answer["outcome"] == "succeeded":
        note_quiesced(tx, command.agent_id, command.instance_id, is_quiesced=is_quiesced)


def _record_again(tx: Transaction, command: Command, answer: dict[str, Any]) -> CommandStatus:
    if command.outcome is None and (command.status, CommandEvent.ANSWERED_LATE) in COMMAND_TRANSITIONS:
        queries.attach_late_outcome(tx, command.command_id, answer)
        _go_on(tx, replace(command, outcome=answer))
        return next_command_status(command.status, CommandEvent.ANSWERED_LATE)
    if not is_same_outcome(command.outcome, answer):
        raise OutcomeDiffers(f"command {command.command_id!r} is already {command.status}", status_recorded=command.status)
    return command.status


def _go_on(tx: Transaction, command: Command) -> None:
    """See to whatever waited for this answer. `command` holds it: nobody else changes an answered command while the agent's row is held."""
    if command.replica_id is not None:
        replica_progress.advance_replica(tx, command.replica_id)
        own_late_launch(tx, command)
    if command.kind is CommandKind.CREATE_IMAGE:
        remember_image(tx, command)
        tell_unfrozen(tx, command)
    tell_refusal(tx, command)
    if command.switch_id is not None:
        switches.advance_switch(tx, command.agent_id, command.switch_id)
    elif command.replica_id is not None:
        switches.advance_switch_of_agent(tx, command.agent_id)
    if command.kind is CommandKind.RELEASE:
        revoke_agent_tokens(tx, command.agent_id, instance_id=command.instance_id)
