"""The order to serve that no move gives: for a PRIMARY that waits to be told, and whom nobody else would tell."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.attempts import is_forsaken, last_attempt, request_id
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import load_instance
from spot_server.features.recoveries.rules import is_workload_held
from spot_server.features.switches.queries import active_switch, list_steps
from spot_server.words import PRIORITY_EMERGENCY, CommandKind, CommandStatus, Role, StepName


class ServeReason(StrEnum):
    """Why a PRIMARY is told to serve."""

    REGISTERED = "registered"
    """It registered again: it may have lost its journal, and then waits to be told."""
    QUIESCED = "quiesced"
    """Its daemon says that it is quiesced, and no move holds it."""


def serve_prefix(reason: ServeReason, instance_id: str, epoch: int) -> str:
    """Name the orders to one instance for one reason under one epoch; each has a number behind it."""
    return f"serve/{reason}/{instance_id}/{epoch}"


def is_held(tx: Transaction, agent_id: str) -> bool:
    """Tell whether a move of the agent says which side may serve."""
    running = active_switch(tx, agent_id)
    steps = [] if running is None else list_steps(tx, running.switch_id)
    return is_workload_held(next((step.status for step in steps if step.name is StepName.QUIESCE), None))


def tell_to_serve(tx: Transaction, agent: Agent, instance_id: str, reason: ServeReason) -> bool:
    """Tell a PRIMARY to serve; harmless if it does. The caller holds the agent's row. Returns whether a command was issued.

    Not while a move holds the workload, nor while an earlier order may still be answered. A move that comes to its QUIESCE withdraws
    what is still on its way (`switches.issuing`): the two never cross.
    """
    if load_instance(tx, agent.agent_id, instance_id).role is not Role.PRIMARY or is_held(tx, agent.agent_id):
        return False
    for command in command_queries.open_commands_of_instance(tx, agent.agent_id, instance_id):
        if command.kind is CommandKind.START_SERVING:
            if not is_forsaken(tx, agent, command):
                return False
            ledger.give_up(tx, command.command_id, status=CommandStatus.EXPIRED, reason="a new order takes its place")
    prefix = serve_prefix(reason, instance_id, agent.epoch)
    number, _earlier = last_attempt(tx, agent.agent_id, prefix)
    bound_seconds = tx.policy.start_bound_seconds
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=instance_id,
            request_id=request_id(prefix, number + 1),
            kind=CommandKind.START_SERVING,
            priority=PRIORITY_EMERGENCY,
            epoch=agent.epoch,
            payload={"epoch": agent.epoch, "bound_seconds": bound_seconds},
            deadline_at=tx.now + timedelta(seconds=bound_seconds + tx.policy.command_margin_seconds),
        ),
    )
    data = {"reason": reason, "epoch": agent.epoch, "number": number + 1}
    tx.emit("told_to_serve", client_id=agent.client_id, agent_id=agent.agent_id, instance_id=instance_id, data=data)
    return True
