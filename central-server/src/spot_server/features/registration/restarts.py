"""A primary that registers again may have lost its journal: its daemon then waits to be told, and its workload may be down."""

from __future__ import annotations

from datetime import timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.features.instances.queries import load_instance
from spot_server.features.switches.queries import active_switch
from spot_server.words import PRIORITY_EMERGENCY, CommandKind, Role


def tell_to_serve(tx: Transaction, agent: Agent, instance_id: str) -> bool:
    """Tell a PRIMARY that registered again to serve; harmless if it does. The caller holds the agent's row.

    Not while a move runs: the move alone says which side may serve. Returns whether a command was issued.
    """
    if load_instance(tx, agent.agent_id, instance_id).role is not Role.PRIMARY or active_switch(tx, agent.agent_id) is not None:
        return False
    waiting = command_queries.open_commands_of_instance(tx, agent.agent_id, instance_id)
    if any(command.kind is CommandKind.START_SERVING for command in waiting):
        return False
    bound_seconds = tx.policy.start_bound_seconds
    issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=instance_id,
            request_id=f"serve-again/{instance_id}/{tx.now.isoformat()}",
            kind=CommandKind.START_SERVING,
            priority=PRIORITY_EMERGENCY,
            epoch=agent.epoch,
            payload={"epoch": agent.epoch, "bound_seconds": bound_seconds},
            deadline_at=tx.now + timedelta(seconds=bound_seconds + tx.policy.command_margin_seconds),
        ),
    )
    return True
