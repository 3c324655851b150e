"""The old instance after a completed move: it waits, and is terminated only if auto-terminate is on at that moment."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import update

from spot_server.db.runner import Transaction
from spot_server.db.tables import instances
from spot_server.features.agents.queries import Agent
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.commands.attempts import assign, is_forsaken, last_attempt, request_id
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.instances.queries import Instance, load_instance
from spot_server.features.replicas.termination import GONE_STATES, drive_termination, note_terminated, withdraw_termination
from spot_server.features.switches import queries
from spot_server.features.switches.issuing import emit_step, load_step
from spot_server.features.switches.queries import Switch
from spot_server.words import PRIORITY_HOUSEKEEPING, CommandKind, CommandStatus, Role, StepName, StepStatus

OBSERVE_EVERY_SECONDS = 15
"""Between two looks at an old instance that EC2 itself is taking away."""


STAYING_STATES = frozenset({"running", "stopped"})


def advance_retirement(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Take the next step of retiring the old instance; harmless when there is none."""
    step = load_step(tx, switch, StepName.RETIRE)
    if step.status not in {StepStatus.PENDING, StepStatus.RUNNING}:
        return
    old = load_instance(tx, agent.agent_id, switch.from_instance_id)
    if old.role is Role.TERMINATED:
        _finish(tx, switch, StepStatus.DONE, old.terminated_at or tx.now, "terminated")
    elif old.role is Role.PRIMARY:
        _finish(tx, switch, StepStatus.SKIPPED, None, "it is the primary again")
    elif switch.deadline_at is not None and tx.now >= switch.deadline_at and not _is_due(switch, tx.now):
        _observe(tx, agent, switch)
    elif _is_due(switch, tx.now):
        _retire(tx, agent, switch, old)


def _is_due(switch: Switch, now: datetime) -> bool:
    return switch.retire_at is not None and now >= switch.retire_at


def _retire(tx: Transaction, agent: Agent, switch: Switch, old: Instance) -> None:
    if not agent.auto_terminate_enabled:
        if switch.deadline_at is not None and not _is_seen_to_stay(tx, agent, switch):
            _observe(tx, agent, switch)
            return
        withdraw_termination(tx, agent, old.instance_id)
        tx.execute(
            update(instances)
            .where(instances.c.agent_id == agent.agent_id, instances.c.instance_id == old.instance_id)
            .values(is_retained=True)
        )
        _finish(tx, switch, StepStatus.SKIPPED, None, "auto-terminate is off: it is kept until a person acts")
        return
    queries.update_step(tx, switch.switch_id, StepName.RETIRE, status=StepStatus.RUNNING)
    # The first time that we terminate an instance which we did not launch, its last state is kept as an image.
    final_image = None if old.launched_by_server else f"spot-optimizer-final-{old.instance_id}"
    gone_at = drive_termination(tx, agent, old.instance_id, final_image_name=final_image)
    if gone_at is not None:
        _finish(tx, switch, StepStatus.DONE, gone_at, "terminated")


def _is_seen_to_stay(tx: Transaction, agent: Agent, switch: Switch) -> bool:
    """Tell whether EC2, asked after the time that the notice named, showed an instance that it did not terminate."""
    _number, command = last_attempt(tx, agent.agent_id, f"observe/{switch.from_instance_id}")
    return command is not None and command.result.get("state") in STAYING_STATES


def _observe(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """EC2 is taking the instance away: look until it says so; nothing is terminated by us."""
    prefix = f"observe/{switch.from_instance_id}"
    number, command = last_attempt(tx, agent.agent_id, prefix)
    if command is not None and command.result.get("state") in GONE_STATES:
        gone_at = note_terminated(tx, agent, switch.from_instance_id, reason="interrupted")
        _finish(tx, switch, StepStatus.DONE, gone_at, "EC2 took it away")
        return
    if command is not None and command.is_open and not is_forsaken(tx, agent, command):
        return
    if command is not None and not command.is_open and tx.now - command.issued_at < timedelta(seconds=OBSERVE_EVERY_SECONDS):
        return
    chosen = assign(tx, agent, Act.DESCRIBE, switch.from_instance_id)
    if chosen is None:
        return
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
            priority=PRIORITY_HOUSEKEEPING,
            epoch=agent.epoch,
            payload={"instance_id": switch.from_instance_id},
            deadline_at=tx.now + timedelta(seconds=tx.policy.check_bound_seconds + tx.policy.command_margin_seconds),
        ),
    )


def _finish(tx: Transaction, switch: Switch, status: StepStatus, gone_at: datetime | None, note: str) -> None:
    queries.update_step(
        tx,
        switch.switch_id,
        StepName.RETIRE,
        status=status,
        intent_at=switch.completed_at,
        finished_at=tx.now,
        outcome={"note": note},
    )
    changed = queries.update_switch(tx, switch, old_terminated_at=gone_at) if gone_at is not None else switch
    emit_step(tx, changed, "step_finished", StepName.RETIRE, {"status": status, "note": note})
