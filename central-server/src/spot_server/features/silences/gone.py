"""What EC2 said of an instance, weighed against what it said before: in one place for all who act on it."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.queries import Command, answers_of_agent
from spot_server.features.instances.queries import Instance, find_instance
from spot_server.features.silences import queries
from spot_server.features.silences.gone_rules import (
    GONE,
    REMEMBERED_SECONDS,
    UNKNOWN_YET,
    Said,
    account_of_role,
    is_elsewhere,
    weigh,
)
from spot_server.features.silences.rules import silent_together
from spot_server.words import Actor, CommandKind

_SAYING_KINDS = (
    CommandKind.DESCRIBE_INSTANCE,
    CommandKind.WAIT_TERMINATED,
    CommandKind.TERMINATE_INSTANCE,
    CommandKind.STOP_INSTANCE,
)
"""The commands whose answer is EC2's word on an instance."""

ENDED_STATES = frozenset({"terminated", GONE})
"""As weighed: nothing of the instance is left that could write."""


def weighed_state(tx: Transaction, agent: Agent, command: Command) -> str | None:
    """Return EC2's word in a command's answer as far as it counts; None: the answer has none.

    `gone` is replaced by one of `gone_rules` until it is believed. Reads the agent's other answers only then: it is rare.
    """
    state: str | None = command.result.get("state")
    if state != GONE:
        return state
    instance_id, at = command.payload.get("instance_id"), command.finished_at
    if instance_id is None or at is None:
        return UNKNOWN_YET
    instance = find_instance(tx, agent.agent_id, instance_id)
    if instance is not None and command.issued_at <= instance.last_heartbeat_at:
        # It was heard after EC2 was asked.
        return UNKNOWN_YET
    earlier = _answers_about(tx, agent, instance_id, until=at)
    said = [say(tx, agent, instance, one) for one in (command, *(one for one in earlier if one.command_id != command.command_id))]
    if weigh(said, is_one_of_many=False) != GONE:
        return weigh(said, is_one_of_many=False)
    return weigh(said, is_one_of_many=_is_one_of_many(tx, agent.agent_id))


def say(tx: Transaction, agent: Agent, instance: Instance | None, command: Command) -> Said:
    """Return the answer that a command brought, and whether it came from another account than the instance's."""
    asked = command.result.get("account_id") or _account_asked(tx, agent, command)
    known = None if instance is None else instance.account_id
    return Said(str(command.result.get("state")), command.finished_at or command.issued_at, is_other_account=is_elsewhere(asked, known))


def _account_asked(tx: Transaction, agent: Agent, command: Command) -> str | None:
    """Return the account of who asked EC2, where the answer does not name it: daemons ask in their own."""
    if command.actor is Actor.CONTROL_ROLE:
        return account_of_role(queries.role_arn(tx, agent.client_id))
    asker = find_instance(tx, agent.agent_id, command.instance_id)
    return None if asker is None else asker.account_id


def _answers_about(tx: Transaction, agent: Agent, instance_id: str, *, until: datetime) -> list[Command]:
    since = until - timedelta(seconds=REMEMBERED_SECONDS)
    answered = answers_of_agent(tx, agent.agent_id, _SAYING_KINDS, since=since, until=until)
    return [one for one in answered if one.payload.get("instance_id") == instance_id and one.result.get("state")]


def _is_one_of_many(tx: Transaction, agent_id: str) -> bool:
    """Tell whether the agent fell silent together with many others: then what EC2 does not know may be our own mistake."""
    cutoff = tx.now - timedelta(seconds=tx.policy.daemon_fresh_seconds)
    suspects = queries.list_suspects(tx, cutoff)
    return agent_id in silent_together({one.agent_id: one.last_heartbeat_at for one in suspects}, queries.count_heard(tx, cutoff))
