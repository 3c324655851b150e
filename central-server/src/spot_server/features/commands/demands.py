"""Asking for one thing until it is done, by whoever can be asked: attempts that follow each other, ever more rarely once refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken, last_attempt, request_id
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.queries import Command
from spot_server.words import PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus

RETRY_AFTER_SECONDS = 15.0
LONGEST_RETRY_SECONDS = 900.0
"""Between two attempts, the first and the longest: a missing permission is not asked for every second."""


def _any_success(_command: Command) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Demand:
    """What is wanted of or for `instance_id`. `prefix` begins its attempts' request ids; `is_enough` judges a success.

    A success of an attempt that was issued before `asked_since` does not count: the world was seen to be otherwise since.
    """

    prefix: str
    act: Act
    kind: CommandKind
    instance_id: str
    payload: dict[str, Any]
    bound_seconds: float
    priority: int = PRIORITY_HOUSEKEEPING
    asked_since: datetime | None = None
    is_enough: Callable[[Command], bool] = field(default=_any_success)


def press(tx: Transaction, agent: Agent, demand: Demand) -> Command | None:
    """Return the attempt that succeeded; None while there is none, and the next one is issued when it is time.

    The caller holds the agent's row.
    """
    number, command = last_attempt(tx, agent.agent_id, demand.prefix)
    if command is not None:
        if _is_met(command, demand):
            return command
        if not _may_ask_again(tx, agent, command, number):
            return None
    chosen = assign(tx, agent, demand.act, demand.instance_id)
    if chosen is None:
        return None
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=chosen.instance_id,
            actor=chosen.actor,
            request_id=request_id(demand.prefix, number + 1),
            kind=demand.kind,
            priority=demand.priority,
            epoch=agent.epoch,
            payload=dict(demand.payload),
            deadline_at=tx.now + timedelta(seconds=demand.bound_seconds + tx.policy.command_margin_seconds),
        ),
    )
    return None


def withdraw(tx: Transaction, agent: Agent, prefix: str, reason: str) -> None:
    """Take back what was asked for and not answered: who has not begun may not begin any more."""
    _number, command = last_attempt(tx, agent.agent_id, prefix)
    if command is not None:
        ledger.give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason=reason)


def _is_met(command: Command, demand: Demand) -> bool:
    """Whether it was done: an answer that came after the command was given up is as good."""
    is_asked_in_time = demand.asked_since is None or command.issued_at >= demand.asked_since
    return is_asked_in_time and (command.outcome or {}).get("outcome") == "succeeded" and demand.is_enough(command)


def _may_ask_again(tx: Transaction, agent: Agent, command: Command, number: int) -> bool:
    if command.is_open:
        if not is_forsaken(tx, agent, command):
            return False
        ledger.give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason="nobody answers it")
        return True
    if command.status not in {CommandStatus.FAILED, CommandStatus.SUCCEEDED}:
        # Nobody refused it: whoever had it went away.
        number = 1
    pause_seconds = min(RETRY_AFTER_SECONDS * 2 ** min(number - 1, 10), LONGEST_RETRY_SECONDS)
    return tx.now - command.issued_at >= timedelta(seconds=pause_seconds)
