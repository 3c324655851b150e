"""Asking EC2 about an instance, again and again, by whoever can be asked: for those who wait for its word without a move."""

from __future__ import annotations

from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken, last_attempt, request_id
from spot_server.features.commands.ledger import NewCommand
from spot_server.words import CommandKind, CommandStatus


def look_again(
    tx: Transaction, agent: Agent, instance_id: str, *, prefix: str, pause_seconds: float, priority: int, with_status_checks: bool = False
) -> bool:
    """Ask what EC2 says of the instance, unless an answer is on its way or the last question is younger than `pause_seconds`.

    `with_status_checks` asks for those of a running instance too.
    `prefix` names the questions of one asker, numbered as `attempts` does. Returns False when nobody can be asked now.
    """
    number, command = last_attempt(tx, agent.agent_id, prefix)
    if command is not None and command.is_open and not is_forsaken(tx, agent, command):
        return True
    if command is not None and not command.is_open and tx.now - command.issued_at < timedelta(seconds=pause_seconds):
        return True
    chosen = assign(tx, agent, Act.DESCRIBE, instance_id)
    if chosen is None:
        return False
    if command is not None:
        ledger.give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason="nobody answers it")
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=request_id(prefix, number + 1),
            kind=CommandKind.DESCRIBE_INSTANCE,
            priority=priority,
            epoch=agent.epoch,
            payload={"instance_id": instance_id, **({"with_status_checks": True} if with_status_checks else {})},
            deadline_at=tx.now + timedelta(seconds=tx.policy.check_bound_seconds + tx.policy.command_margin_seconds),
        ),
    )
    return True
