"""Terminating an instance, as steps that may be repeated: ask, then wait for EC2's word. Used for replicas and for retired primaries."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.errors import StateConflict
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken, last_attempt, request_id
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import find_instance
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.words import PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus, Role

RETRY_AFTER_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 900.0
"""Between two attempts at terminating, the first and the longest: a missing permission is not asked for every second."""

WAIT_SECONDS = 30
"""How long one look at a terminating instance lasts; another follows, so that no daemon's slow lane is held for long."""

UNKNOWN_FOR_SECONDS = 60.0
"""How long EC2 may not know an instance that was just launched. Source: EC2's notes on eventual consistency."""

GONE_STATES = frozenset({"terminated", "gone"})


def drive_termination(
    tx: Transaction,
    agent: Agent,
    instance_id: str,
    *,
    priority: int = PRIORITY_HOUSEKEEPING,
    final_image_name: str | None = None,
    may_be_new: bool = False,
) -> datetime | None:
    """Take the next step towards `instance_id` being terminated; return when EC2 said that it is, None until then.

    `may_be_new`: it may have been launched a moment ago, so that EC2 not knowing it yet does not mean that it is gone.
    Raises StateConflict for a PRIMARY: nothing that should serve is ever terminated by us.
    """
    instance = find_instance(tx, agent.agent_id, instance_id)
    if instance is not None and instance.role is Role.PRIMARY:
        raise StateConflict(f"instance {instance_id} is the PRIMARY and is not terminated")
    if instance is not None and instance.role is Role.TERMINATED:
        return instance.terminated_at or tx.now
    payload: dict[str, object] = {"instance_id": instance_id}
    if final_image_name is not None:
        payload["final_image_name"] = final_image_name
    if may_be_new:
        payload["unknown_for_seconds"] = UNKNOWN_FOR_SECONDS
    asked = _attempt(tx, agent, CommandKind.TERMINATE_INSTANCE, instance_id, payload, priority)
    if asked is None:
        return None
    waited = _attempt(
        tx,
        agent,
        CommandKind.WAIT_TERMINATED,
        instance_id,
        {"instance_id": instance_id, "wait_seconds": WAIT_SECONDS},
        priority,
    )
    if waited is None:
        return None
    return note_terminated(tx, agent, instance_id, reason="retired")


def withdraw_termination(tx: Transaction, agent: Agent, instance_id: str) -> None:
    """Take back what was asked for and not answered: nobody who has not begun may begin now."""
    _number, command = last_attempt(tx, agent.agent_id, f"{CommandKind.TERMINATE_INSTANCE}/{instance_id}")
    if command is not None:
        ledger.give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason="the instance is kept")


def note_terminated(tx: Transaction, agent: Agent, instance_id: str, *, reason: str) -> datetime:
    """EC2 says that the instance is gone: record it. Harmless when recorded already."""
    instance = find_instance(tx, agent.agent_id, instance_id)
    if instance is not None and instance.role is not Role.TERMINATED:
        change_role(tx, agent_id=agent.agent_id, instance_id=instance_id, event=RoleEvent.TERMINATED, reason=reason, by="system")
    ledger.give_up_instance(tx, agent.agent_id, instance_id, reason="EC2 says that the instance is gone")
    return tx.now


def _attempt(
    tx: Transaction, agent: Agent, kind: CommandKind, instance_id: str, payload: dict[str, object], priority: int
) -> Command | None:
    """Return the attempt that succeeded, or None while there is none; issues the next one when it is time."""
    prefix = f"{kind}/{instance_id}"
    number, command = last_attempt(tx, agent.agent_id, prefix)
    if command is not None:
        if _is_answer(command):
            return command
        if not _may_ask_again(tx, agent, command, number):
            return None
    chosen = assign(tx, agent, Act.TERMINATE, instance_id)
    if chosen is None:
        return None
    bound_seconds = tx.policy.terminate_bound_seconds + tx.policy.command_margin_seconds
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=request_id(prefix, number + 1),
            kind=kind,
            priority=priority,
            epoch=agent.epoch,
            payload=dict(payload),
            deadline_at=tx.now + timedelta(seconds=bound_seconds),
        ),
    )
    return None


def _is_answer(command: Command) -> bool:
    """Whether it was done: an answer that came after the command was given up is as good."""
    if (command.outcome or {}).get("outcome") != "succeeded":
        return False
    return command.kind is CommandKind.TERMINATE_INSTANCE or command.result.get("state") in GONE_STATES


def _may_ask_again(tx: Transaction, agent: Agent, command: Command, number: int) -> bool:
    if command.is_open:
        if not is_forsaken(tx, agent, command):
            return False
        ledger.give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason="nobody answers it")
        return True
    if command.status is not CommandStatus.FAILED:
        # Nobody refused it: whoever had it went away.
        number = 1
    pause_seconds = min(RETRY_AFTER_SECONDS * 2 ** min(number - 1, 10), LONGEST_RETRY_SECONDS)
    return tx.now - command.issued_at >= timedelta(seconds=pause_seconds)
