"""Giving replicas up, and seeing to it that nothing of them is left. The caller holds the agent's row."""

from __future__ import annotations

from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import find_instance
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import queries
from spot_server.features.replicas.answers import emit_replica, launch_command, note_instance
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent, next_replica_status
from spot_server.features.replicas.termination import drive_termination
from spot_server.features.switches.queries import active_switch, list_steps
from spot_server.words import CommandStatus, ReplicaStatus, Role, Severity, StepName, StepStatus, SwitchStatus


def end_replica(tx: Transaction, agent: Agent, replica: Replica, event: ReplicaEvent, reason: str) -> Replica:
    """Give a replica up: its status and its instance's role; `advance_replica` then sees to its termination."""
    status = next_replica_status(replica.status, event)
    if replica.launch_command_id is not None and replica.instance_id is None:
        _withdraw_launch(tx, replica.launch_command_id, reason)
    changed = queries.update_replica(tx, replica, status=status, status_reason=reason)
    emit_replica(tx, changed, f"replica_{status}", {"reason": reason})
    _retire_instance(tx, changed, reason)
    if status is ReplicaStatus.FAILED:
        notify(
            tx,
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            severity=Severity.WARNING,
            kind="replica_failed",
            text=f"a replica of {agent.logical_agent_id} failed: {reason}",
            dedupe_key=f"replica_failed/{replica.replica_id}",
        )
    return changed


def _retire_instance(tx: Transaction, replica: Replica, reason: str) -> None:
    if replica.instance_id is None:
        return
    instance = find_instance(tx, replica.agent_id, replica.instance_id)
    if instance is not None and instance.role is Role.REPLICA:
        change_role(
            tx,
            agent_id=replica.agent_id,
            instance_id=instance.instance_id,
            event=RoleEvent.RETIRED,
            reason=reason,
            by="system",
        )


def _withdraw_launch(tx: Transaction, command_id: str, reason: str) -> None:
    command = command_queries.load_command(tx, command_id)
    if command is None:
        return
    if command.status is CommandStatus.QUEUED:
        ledger.give_up(tx, command_id, status=CommandStatus.CANCELLED, reason=reason)
    elif not command.is_open:
        ledger.forget_secrets(tx, command)


def finish_replica(tx: Transaction, agent: Agent, replica: Replica) -> None:
    """See to it that the instance of an ended replica is gone, whenever its launch is answered.

    Not while the handles of its move are being brought back: until that is over, they may lead to it.
    """
    if replica.ended_at is not None or _is_losing_handles(tx, replica):
        return
    if replica.instance_id is None:
        command = launch_command(tx, replica)
        instance_id = None if command is None else command.result.get("instance_id")
        if instance_id is None:
            if command is None or not _may_still_launch(tx, command):
                _note_end(tx, replica, tx.now)
            return
        replica = note_instance(tx, replica, instance_id, command)
    assert replica.instance_id is not None  # noqa: S101 - set just above
    gone_at = drive_termination(tx, agent, replica.instance_id, may_be_new=replica.registered_at is None, asked_since=replica.created_at)
    if gone_at is not None:
        emit_replica(tx, _note_end(tx, replica, gone_at), "replica_gone", {})


def _is_losing_handles(tx: Transaction, replica: Replica) -> bool:
    running = active_switch(tx, replica.agent_id)
    if running is None or running.status is not SwitchStatus.ROLLING_BACK or running.replica_id != replica.replica_id:
        return False
    return any(step.name is StepName.TRAFFIC and step.status is StepStatus.UNDOING for step in list_steps(tx, running.switch_id))


def _note_end(tx: Transaction, replica: Replica, ended_at: datetime) -> Replica:
    ledger.settle_launches(tx, replica.agent_id, replica.replica_id, reason="its replica has ended")
    return queries.update_replica(tx, replica, ended_at=ended_at)


def _may_still_launch(tx: Transaction, command: Command) -> bool:
    if command.status is CommandStatus.FAILED or command.first_delivered_at is None:
        return command.is_open
    # Delivered and never answered: the act may have happened. The bound covers a daemon that restarts and answers late.
    patience = timedelta(seconds=tx.policy.boot_bound_seconds)
    return command.outcome is None and tx.now - command.issued_at < patience
