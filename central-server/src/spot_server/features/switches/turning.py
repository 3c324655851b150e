"""Turning a move forward again that its silent old side cannot take back. The caller holds the agent's row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, exists, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import commands
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.switches import issuing, outcomes, queries
from spot_server.features.switches.decisions import Settle, TurnForward
from spot_server.features.switches.plans import AFTERWARDS
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.status_rules import SwitchEvent, next_switch_status
from spot_server.words import CommandKind, CommandStatus, Severity, StepName, StepStatus

_TOLD_TO_SERVE = select(
    exists().where(
        commands.c.switch_id == bindparam("switch_id"),
        commands.c.instance_id == bindparam("instance_id"),
        commands.c.kind == CommandKind.START_SERVING,
        commands.c.first_delivered_at.is_not(None),
    )
)


def was_told_to_serve(tx: Transaction, switch: Switch) -> bool:
    """Tell whether this move handed its old side an order to serve again: whatever became of that, it may serve."""
    return bool(tx.execute(_TOLD_TO_SERVE, {"switch_id": switch.switch_id, "instance_id": switch.from_instance_id}).scalar_one())


def turn_forward(tx: Transaction, agent: Agent, switch: Switch, decision: TurnForward) -> bool:
    """Take the steps after the confirmed QUIESCE anew, without a last pass if none came; False: the old side may serve after all.

    The orders that would take it back are closed first: what was handed out by then is seen, and nothing is handed out afterwards.
    """
    steps = queries.list_steps(tx, switch.switch_id)
    for step in steps:
        ledger.give_up(tx, step.undo_command_id, status=CommandStatus.CANCELLED, reason="the move goes forward again")
    if was_told_to_serve(tx, switch):
        return False
    quiesce = next(step for step in steps if step.name is StepName.QUIESCE)
    queries.update_step(tx, switch.switch_id, StepName.QUIESCE, status=StepStatus.DONE, undo_command_id=None, undo_finished_at=None)
    for step in steps:
        if step.position > quiesce.position and step.name not in AFTERWARDS:
            switch = _take_anew(tx, agent, switch, step, decision)
    turns = int(switch.timing.get(queries.TURNS, 0)) + 1
    resumed = queries.update_switch(
        tx,
        switch,
        status=next_switch_status(switch.status, SwitchEvent.RESUMED),
        failed_step=None,
        failure=None,
        timing={**switch.timing, queries.TURNS: turns},
    )
    data = {"after": switch.failure, queries.TURNS: turns, "reason": decision.reason}
    issuing.emit_step(tx, resumed, "switch_resumed", StepName.QUIESCE, data)
    _tell(tx, agent, resumed, decision)
    return True


def _take_anew(tx: Transaction, agent: Agent, switch: Switch, step: Step, decision: TurnForward) -> Switch:
    """The numbers of the attempts go on: they name the commands."""
    if step.status in {StepStatus.PENDING, StepStatus.SKIPPED}:
        return switch
    ledger.give_up(tx, step.command_id, status=CommandStatus.CANCELLED, reason="the move goes forward again")
    if step.name is StepName.SYNC and decision.loses:
        return outcomes.settle_step(tx, agent, switch, Settle(step.name, StepStatus.SKIPPED, decision.reason))
    is_kept = step.name is StepName.SYNC
    anew: dict[str, Any] = {} if is_kept else {"command_id": None, "intent_at": None, "finished_at": None, "outcome": None}
    status = StepStatus.DONE if is_kept else StepStatus.PENDING
    queries.update_step(tx, switch.switch_id, step.name, step.part, status=status, undo_command_id=None, undo_finished_at=None, **anew)
    return switch


def _tell(tx: Transaction, agent: Agent, switch: Switch, decision: TurnForward) -> None:
    text = (
        f"the move of {agent.logical_agent_id} goes forward again to {switch.to_instance_id}: it cannot be taken back, {decision.reason}. "
        f"{switch.from_instance_id} confirmed that it serves no more, and serves only when it is told"
    )
    issuing.tell_end(tx, agent, switch, Severity.WARNING, "switch_resumed", text)
    if decision.loses and switch.loses_writes_since is not None:
        lost = (
            f"switch {switch.switch_id} moves {agent.logical_agent_id} to {switch.to_instance_id} without a last pass, "
            f"for {decision.reason}: what was written since {switch.loses_writes_since.isoformat()} is on {switch.from_instance_id} alone"
        )
        issuing.tell_end(tx, agent, switch, Severity.CRITICAL, "writes_lost", lost)
