"""The loop that moves a switch along: read, decide, apply, until nothing is left to do now. The caller holds the agent's row."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.switches import issuing, outcomes, queries, undoing
from spot_server.features.switches.decisions import (
    Abandon,
    BeginUndo,
    Complete,
    Decision,
    FinishUndo,
    Issue,
    MakeReplica,
    PromoteNew,
    Settle,
    UndoIssue,
    UndoPromote,
    UndoReplica,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.facts import load_facts
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.rules import decide
from spot_server.words import Severity, StepName, StepStatus, SwitchStatus

MAX_DECISIONS_AT_ONCE = 60
"""More than a move and its undo have together: the loop below cannot run away."""


def drive(tx: Transaction, agent: Agent, switch: Switch) -> Switch:
    """Apply decisions until one says wait, and return the switch as it is then."""
    for _ in range(MAX_DECISIONS_AT_ONCE):
        if not switch.is_active:
            break
        decision = decide(load_facts(tx, agent, switch), tx.policy)
        if isinstance(decision, Wait) or not _apply(tx, agent, switch, decision):
            break
        agent = load_agent(tx, agent.agent_id)
        switch = queries.load_switch(tx, switch.switch_id)
    return queries.load_switch(tx, switch.switch_id)


def _apply(tx: Transaction, agent: Agent, switch: Switch, decision: Decision) -> bool:
    """Carry out one decision; False when nothing more can be done now."""
    match decision:
        case Wait():
            return False
        case Issue():
            return issuing.issue_step(tx, agent, switch, decision)
        case Settle():
            outcomes.settle_step(tx, agent, switch, decision)
        case MakeReplica():
            if outcomes.make_replica(tx, agent, switch) is None:
                return _apply(tx, agent, switch, _without_image(switch, decision.step))
        case PromoteNew():
            return outcomes.promote_new(tx, agent, switch) is not None
        case BeginUndo(step, reason):
            _begin_undo(tx, agent, switch, step, reason)
        case Abandon(step, reason):
            _abandon(tx, agent, switch, step, reason)
        case Complete():
            _complete(tx, agent, switch)
        case UndoIssue() | UndoSettle() | UndoPromote() | UndoReplica() | FinishUndo():
            return undoing.apply_undo(tx, agent, switch, decision)
        case _:
            assert_never(decision)
    return True


def _without_image(switch: Switch, step: StepName) -> BeginUndo | Abandon:
    reason = "there is no good image, no base image, and the primary's own image would come up without its state"
    return BeginUndo(step, reason) if switch.deadline_at is None else Abandon(step, reason)


def _begin_undo(tx: Transaction, agent: Agent, switch: Switch, step: StepName, reason: str) -> None:
    queries.update_step(tx, switch.switch_id, step, status=StepStatus.FAILED, outcome={"failure": reason})
    issuing.emit_step(tx, switch, "step_failed", step, {"reason": reason})
    failed = queries.update_switch(tx, switch, status=SwitchStatus.ROLLING_BACK, failed_step=step, failure=f"{step}: {reason}")
    text = f"the move of {agent.logical_agent_id} failed at {step} and is taken back: {reason}"
    issuing.tell_end(tx, agent, failed, Severity.WARNING, "switch_rolling_back", text)


def _abandon(tx: Transaction, agent: Agent, switch: Switch, step: StepName, reason: str) -> None:
    queries.update_step(tx, switch.switch_id, step, status=StepStatus.FAILED, outcome={"failure": reason})
    failed = queries.update_switch(
        tx,
        switch,
        status=SwitchStatus.FAILED,
        active_key=None,
        failed_step=step,
        failure=f"{step}: {reason}",
        completed_at=tx.now,
    )
    issuing.emit_step(tx, failed, "switch_failed", step, {"reason": reason})
    text = f"{agent.logical_agent_id} could not be moved and there is no way back ({step}: {reason}); a person must look"
    issuing.tell_end(tx, agent, failed, Severity.CRITICAL, "switch_failed", text)


def _complete(tx: Transaction, agent: Agent, switch: Switch) -> None:
    downtime_ms = None
    if switch.quiesced_at is not None and switch.serving_at is not None:
        downtime_ms = max(0, round((switch.serving_at - switch.quiesced_at).total_seconds() * 1000))
    done = queries.update_switch(
        tx,
        switch,
        status=SwitchStatus.COMPLETED,
        active_key=None,
        completed_at=tx.now,
        downtime_ms=downtime_ms,
        retire_at=tx.now + timedelta(seconds=agent.terminate_wait_seconds),
    )
    data = {
        "switch_id": done.switch_id,
        "trigger": done.trigger,
        "to": f"{done.to_mode}/{done.to_instance_type}/{done.to_az_id}",
        "seconds": round((tx.now - done.initiated_at).total_seconds(), 3),
        "downtime_ms": downtime_ms,
    }
    tx.emit(
        "switch_completed",
        client_id=done.client_id,
        agent_id=done.agent_id,
        instance_id=done.to_instance_id,
        data=data,
    )
