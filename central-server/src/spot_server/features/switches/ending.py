"""How a move ends, or turns round: completed, begun to be taken back, resumed, abandoned. The caller holds the agent's row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.images.service import refresh_image
from spot_server.features.instances.queries import set_retained
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.termination import note_terminated
from spot_server.features.silences.gone import ENDED_STATES, weighed_state
from spot_server.features.switches import issuing, queries
from spot_server.features.switches.alarms import what_is_needed
from spot_server.features.switches.decisions import Abandon, BeginUndo, Complete, LeaveUndone, Resume
from spot_server.features.switches.outages import downtime_of_completed, values_of
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.salvage import let_root_go
from spot_server.features.switches.status_rules import SwitchEvent, next_switch_status
from spot_server.features.switches.succession import first_of_row, give_up, open_successor
from spot_server.words import CommandStatus, ReplicaKind, Severity, StepName, StepStatus


def apply_ending(tx: Transaction, agent: Agent, switch: Switch, decision: BeginUndo | Abandon | LeaveUndone | Resume | Complete) -> None:
    """Carry out a decision that ends a move or turns it round."""
    match decision:
        case BeginUndo(step, reason, part):
            begin_undo(tx, agent, switch, step, reason, part=part)
        case Abandon(step, reason, part):
            abandon(tx, agent, switch, step, reason, part=part)
        case LeaveUndone():
            _leave_undone(tx, agent, switch, decision)
        case Resume():
            _resume(tx, agent, switch, decision)
        case Complete():
            _complete(tx, agent, switch)


def stop_without_image(tx: Transaction, agent: Agent, switch: Switch, step: StepName) -> None:
    """End a move that has nothing to launch from."""
    reason = "there is no good image, no base image, and the primary's own image would come up without its state"
    if switch.deadline_at is None:
        begin_undo(tx, agent, switch, step, reason)
    else:
        abandon(tx, agent, switch, step, reason)


def begin_undo(tx: Transaction, agent: Agent, switch: Switch, step: StepName, reason: str, *, part: int = 0) -> Switch:
    """Take the move back from `step` on, and say so."""
    queries.update_step(tx, switch.switch_id, step, part, status=StepStatus.FAILED, outcome={"failure": reason})
    issuing.emit_step(tx, switch, "step_failed", step, {"reason": reason}, part=part)
    status = next_switch_status(switch.status, SwitchEvent.UNDO_BEGUN)
    failed = queries.update_switch(tx, switch, status=status, failed_step=step, failure=f"{step}: {reason}")
    text = f"the move of {agent.logical_agent_id} failed at {step} and is taken back: {reason}"
    if failed.timing.get("is_resumed"):
        tell_of_row(tx, agent, failed, Severity.WARNING, "switch_rolling_back", text)
    else:
        issuing.tell_end(tx, agent, failed, Severity.WARNING, "switch_rolling_back", text)
    return failed


def abandon(tx: Transaction, agent: Agent, switch: Switch, step: StepName, reason: str, *, part: int = 0) -> None:
    """End a move that can neither be finished nor taken back; another one takes over if there is anything to move to."""
    _note_what_ec2_said(tx, agent, switch, step, part)
    failed = supersede(tx, switch, step, reason, part=part)
    spare_called_back(tx, agent, failed)
    successor = open_successor(tx, agent, failed)
    if successor is not None:
        text = f"the move of {agent.logical_agent_id} failed ({step}: {reason}); switch {successor.switch_id} takes over"
        issuing.tell_end(tx, agent, failed, Severity.WARNING, "switch_taken_over", text)
        return
    given_up = give_up(tx, failed)
    text = f"{agent.logical_agent_id} could not be moved and there is no way back ({step}: {reason}); a person must look"
    if given_up.resume_at is not None:
        text += f". It is looked at again at {given_up.resume_at.isoformat(timespec='seconds')}"
    tell_of_row(tx, agent, given_up, Severity.CRITICAL, "switch_failed", text)
    # Where there was nothing to launch from, and while the primary is there, the next rescue finds what is begun now.
    refresh_image(tx, agent_id=agent.agent_id)


def _leave_undone(tx: Transaction, agent: Agent, switch: Switch, decision: LeaveUndone) -> None:
    """End a move that nobody can take back. No other takes over: the old instance is merely silent, until EC2 can be asked.

    Where EC2 was asked, the watch over silent primaries goes on asking, and the new instance, if there is one, is kept for a while.
    """
    failed = supersede(tx, switch, decision.step, decision.reason, part=decision.part)
    spare_called_back(tx, agent, failed)
    text = f"the move of {agent.logical_agent_id} failed, and could not be taken back ({decision.step}: {decision.reason})"
    if decision.is_resumed:
        left = give_up(tx, failed)
        tell_of_row(tx, agent, left, Severity.CRITICAL, "switch_failed", f"{text}. {what_is_needed(left)}")
    else:
        tell_of_row(tx, agent, failed, Severity.CRITICAL, "switch_failed", f"{text}. {_what_can_be_done(tx, agent, failed)}")


def _what_can_be_done(tx: Transaction, agent: Agent, failed: Switch) -> str:
    """Say how the workload is brought back, and hold the new instance for it."""
    old = failed.from_instance_id
    text = f"The workload stands still: {old} serves again as soon as its daemon is heard (restart it, or the instance)"
    replica = None if failed.replica_id is None else replica_queries.load_replica(tx, agent.agent_id, failed.replica_id)
    if replica is None or not replica.is_live:
        return f"{text}; stop or terminate {old} in EC2, and it is rescued from the newest good image"
    way = f"{text}. Else promote replica {replica.replica_id} with force and accept_data_loss, which has {old} ended first"
    if replica.kind is ReplicaKind.MANUAL:
        return f"{way}; it stays"
    until = tx.now + timedelta(seconds=agent.rebalance_hold_seconds)
    replica_queries.update_replica(tx, replica, hold_until=until)
    return f"{way}; it is kept until {until.isoformat(timespec='seconds')}"


def spare_called_back(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Leave a person time to look at an instance that was wanted a moment ago, and was not gone back to, before it is retired after all."""
    if switch.is_call_back and switch.to_instance_id is not None:
        until = tx.now + timedelta(seconds=agent.terminate_wait_seconds)
        queries.postpone_retirement(tx, agent.agent_id, switch.to_instance_id, until)


def tell_of_row(tx: Transaction, agent: Agent, switch: Switch, severity: Severity, kind: str, text: str) -> None:
    """Notify the client of how a row of rescues stands, once a day: a rescue that is resumed every quarter of an hour is no news."""
    issuing.tell_end(tx, agent, switch, severity, kind, text, once_for=f"{first_of_row(switch)}/{tx.now.date()}")


def _note_what_ec2_said(tx: Transaction, agent: Agent, switch: Switch, name: StepName, part: int) -> None:
    """Record that the old instance is gone, if that is what was learned when its side was to be taken back."""
    command_id = issuing.load_step(tx, switch, name, part).undo_command_id
    command = None if command_id is None else command_queries.load_command(tx, command_id)
    asked_about_old = command is not None and command.payload.get("instance_id") == switch.from_instance_id
    if command is not None and asked_about_old and weighed_state(tx, agent, command) in ENDED_STATES:
        note_terminated(tx, agent, switch.from_instance_id, reason="EC2 says that it is gone")


def supersede(tx: Transaction, switch: Switch, step: StepName, reason: str, *, part: int = 0) -> Switch:
    """Close the move as failed, with all its open commands, so that another can begin."""
    ledger.give_up_switch(tx, switch.switch_id, reason="the move is over")
    status = next_switch_status(switch.status, SwitchEvent.ABANDONED)
    if switch.failed_step is None:
        queries.update_step(tx, switch.switch_id, step, part, status=StepStatus.FAILED, outcome={"failure": reason})
    failure = f"{step}: {reason}" if switch.failure is None else f"{switch.failure}; then {step}: {reason}"
    failed = queries.update_switch(
        tx,
        switch,
        status=status,
        active_key=None,
        failed_step=switch.failed_step or step,
        failure=failure,
        completed_at=tx.now,
    )
    issuing.emit_step(tx, failed, "switch_failed", step, {"reason": reason}, part=part)
    return failed


def _resume(tx: Transaction, agent: Agent, switch: Switch, decision: Resume) -> None:
    """Go forward again from START: whatever its undo was about to do is called off.

    A new side that has stopped meanwhile is told to start anew; an order to start that is still with it goes on.
    """
    step = issuing.load_step(tx, switch, StepName.START)
    ledger.give_up(tx, step.undo_command_id, status=CommandStatus.CANCELLED, reason="the move goes forward again")
    if step.status is not StepStatus.PENDING:
        # The numbers of the attempts go on: they name the commands.
        anew: dict[str, Any] = {"command_id": None, "intent_at": None, "outcome": None} if decision.is_return else {}
        queries.update_step(tx, switch.switch_id, StepName.START, status=StepStatus.RUNNING, undo_command_id=None, **anew)
    status = next_switch_status(switch.status, SwitchEvent.RESUMED)
    # With a reason it is the old side's silence, and says nothing of whether the new side served.
    counted = queries.TURNS if decision.reason else queries.RETURNS
    number = int(switch.timing.get(counted, 0)) + 1
    timing = {**switch.timing, counted: number} if decision.is_return else switch.timing
    resumed = queries.update_switch(tx, switch, status=status, failed_step=None, failure=None, timing=timing)
    data = {"after": switch.failure, **({counted: number} if decision.is_return else {})}
    issuing.emit_step(tx, resumed, "switch_resumed", StepName.START, data)
    if decision.is_return:
        served = f"{switch.to_instance_id} served before it was stopped, and {switch.from_instance_id} does not have what it acknowledged"
        text = f"the move of {agent.logical_agent_id} goes forward again: {decision.reason or served}"
        issuing.tell_end(tx, agent, resumed, Severity.INFO, "switch_resumed", text)


def _complete(tx: Transaction, agent: Agent, switch: Switch) -> None:
    downtime = downtime_of_completed(tx, switch)
    ledger.give_up_switch(tx, switch.switch_id, reason="the move is over")
    queries.forget_given_up(tx, agent.agent_id)
    if switch.is_call_back and switch.to_instance_id is not None:
        set_retained(tx, agent.agent_id, switch.to_instance_id, is_retained=False)
    done = queries.update_switch(
        tx,
        switch,
        status=next_switch_status(switch.status, SwitchEvent.COMPLETED),
        active_key=None,
        completed_at=tx.now,
        retire_at=tx.now + timedelta(seconds=agent.terminate_wait_seconds),
        **values_of(downtime),
    )
    data = {
        "switch_id": done.switch_id,
        "trigger": done.trigger,
        "to": f"{done.to_mode}/{done.to_instance_type}/{done.to_az_id}",
        "seconds": round((tx.now - done.initiated_at).total_seconds(), 3),
        **values_of(downtime),
        "loses_writes_since": None if done.loses_writes_since is None else done.loses_writes_since.isoformat(),
    }
    tx.emit(
        "switch_completed",
        client_id=done.client_id,
        agent_id=done.agent_id,
        instance_id=done.to_instance_id,
        data=data,
    )
    let_root_go(tx, agent, done)
    if done.timing.get("is_resumed"):
        text = f"{agent.logical_agent_id}, whose rescue had given up, serves again on {done.to_instance_id}"
        tell_of_row(tx, agent, done, Severity.INFO, "rescued_at_last", text)
