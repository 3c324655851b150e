"""Taking a switch back, step by step. The caller holds the agent's row."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import promote
from spot_server.features.replicas import progress as replica_progress
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.ending import end_replica
from spot_server.features.replicas.rules import ReplicaEvent
from spot_server.features.switches import queries
from spot_server.features.switches.carry_payloads import close_side
from spot_server.features.switches.decisions import FinishUndo, Loss, UndoIssue, UndoPromote, UndoReplica, UndoSettle
from spot_server.features.switches.ending import spare_called_back
from spot_server.features.switches.issuing import Order, choose_step_actor, emit_step, guarded, issue_order, load_step, step_request_id
from spot_server.features.switches.losses import note_undo_loss
from spot_server.features.switches.outages import downtime_of_undone, values_of
from spot_server.features.switches.payloads import undo_payload_of, undo_target
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.status_rules import SwitchEvent, next_switch_status
from spot_server.features.switches.succession import give_up
from spot_server.features.switches.volume_payloads import VOLUME_KINDS, discard_copies, undo_volume_payload
from spot_server.words import RESCUE_TRIGGERS, CommandStatus, StepName, StepStatus, SwitchStatus

UndoDecision = UndoIssue | UndoSettle | UndoPromote | UndoReplica | FinishUndo


def apply_undo(tx: Transaction, agent: Agent, switch: Switch, decision: UndoDecision) -> bool:
    """Carry out one decision of a move that is taken back; False when nothing more can be done now."""
    match decision:
        case UndoIssue():
            return issue_undo(tx, agent, switch, decision)
        case UndoSettle(step, part, loss):
            settle_undo(tx, switch, step, part)
            if loss is not None:
                note_undo_loss(tx, agent, switch, is_sure=loss is Loss.SURE)
        case UndoPromote(step):
            if not undo_promote(tx, agent, switch):
                return False
            settle_undo(tx, switch, step)
        case UndoReplica(step):
            undo_replica(tx, agent, switch)
            settle_undo(tx, switch, step)
        case FinishUndo():
            finish_undo(tx, agent, switch)
    return True


def finish_undo(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Everything is taken back: a person's wish ends as cancelled, a failure as rolled back."""
    event = SwitchEvent.CANCEL_DONE if switch.failed_step is None else SwitchEvent.UNDONE
    status = next_switch_status(switch.status, event)
    ledger.give_up_switch(tx, switch.switch_id, reason="the move is taken back")
    discard_copies(tx, switch)
    downtime = downtime_of_undone(tx, switch)
    done = queries.update_switch(tx, switch, status=status, active_key=None, completed_at=tx.now, **values_of(downtime))
    data = {
        "switch_id": done.switch_id,
        "trigger": done.trigger,
        "failure": done.failure,
        "seconds": round((tx.now - done.initiated_at).total_seconds(), 3),
        **values_of(downtime),
    }
    spare_called_back(tx, agent, done)
    if status is SwitchStatus.ROLLED_BACK and done.trigger in RESCUE_TRIGGERS:
        done = give_up(tx, done)
    tx.emit(
        f"switch_{status}",
        client_id=done.client_id,
        agent_id=done.agent_id,
        instance_id=done.from_instance_id,
        data=data,
    )


def issue_undo(tx: Transaction, agent: Agent, switch: Switch, decision: UndoIssue) -> bool:
    """Give the command that takes a step back to its actor; False when nobody can be asked now."""
    step = load_step(tx, switch, decision.step, decision.part)
    if step.undo_command_id is None:
        # The act may be under way or done: whatever it did, the undo comes after it.
        ledger.give_up(tx, step.command_id, status=CommandStatus.CANCELLED, reason="the move is taken back")
    chosen = choose_step_actor(tx, agent, switch, decision.kind, decision.side, target=undo_target(switch, decision.step, decision.kind))
    if chosen is None:
        if step.status is not StepStatus.UNDOING:
            queries.update_step(tx, switch.switch_id, decision.step, decision.part, status=StepStatus.UNDOING)
        return False
    ledger.give_up(tx, step.undo_command_id, status=CommandStatus.EXPIRED, reason="a new attempt takes its place")
    attempt = step.undo_attempt + 1
    order = Order(
        kind=decision.kind,
        step=decision.step,
        request_id=step_request_id(switch, decision.step, decision.part, f"undo/{attempt}"),
        payload=guarded(tx, switch, _undo_payload(tx, agent, switch, decision)),
        deadline_at=tx.now + timedelta(seconds=decision.bound_seconds + tx.policy.command_margin_seconds),
    )
    command_id = issue_order(tx, agent, switch, chosen, order)
    queries.update_step(
        tx,
        switch.switch_id,
        decision.step,
        decision.part,
        status=StepStatus.UNDOING,
        undo_attempt=attempt,
        undo_command_id=command_id,
    )
    return True


def _undo_payload(tx: Transaction, agent: Agent, switch: Switch, decision: UndoIssue) -> dict[str, Any]:
    is_about_volumes = decision.kind in VOLUME_KINDS
    return undo_volume_payload(tx, switch, decision) if is_about_volumes else undo_payload_of(agent, switch, decision)


def undo_promote(tx: Transaction, agent: Agent, switch: Switch) -> bool:
    """Make the old instance the PRIMARY again under another epoch; False when the agent changed meanwhile."""
    epoch = promote(
        tx,
        agent=agent,
        new_instance_id=switch.from_instance_id,
        expected_epoch=agent.epoch,
        by="system",
        reason=f"switch {switch.switch_id} is taken back: {switch.failure}",
        event=RoleEvent.RESTORED,
    )
    if epoch is None:
        return False
    if switch.replica_id is not None:
        replica = replica_queries.load_replica(tx, agent.agent_id, switch.replica_id)
        end_replica(tx, agent, replica, ReplicaEvent.RESTORED, f"its handover was undone: {switch.failure}")
    pending = command_queries.find_by_request(tx, agent.agent_id, f"switch/{switch.switch_id}/demote/{switch.epoch_after}")
    if pending is not None:
        ledger.give_up(tx, pending.command_id, status=CommandStatus.CANCELLED, reason="the move is taken back")
    return True


def undo_replica(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Give up the instance that this switch made."""
    if switch.replica_id is None:
        return
    replica = replica_queries.load_replica(tx, agent.agent_id, switch.replica_id)
    if replica.is_live:
        replica = end_replica(tx, agent, replica, ReplicaEvent.RETIRED, f"its switch was taken back: {switch.failure}")
    replica_progress.advance_replica(tx, replica.replica_id)


def settle_undo(tx: Transaction, switch: Switch, name: StepName, part: int = 0) -> None:
    """Record that a step is taken back."""
    step = load_step(tx, switch, name, part)
    if step.undo_command_id is None:
        ledger.give_up(tx, step.command_id, status=CommandStatus.CANCELLED, reason="the move is taken back")
    if name in {StepName.KEY, StepName.RECEIVER, StepName.COPY}:
        close_side(tx, switch, name)
    queries.update_step(tx, switch.switch_id, name, part, status=StepStatus.UNDONE, undo_finished_at=tx.now)
    emit_step(tx, switch, "step_undone", name, {}, part=part)
