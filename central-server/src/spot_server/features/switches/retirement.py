"""The old instance after a completed move: it waits, and is terminated only if auto-terminate is on at that moment."""

from __future__ import annotations

from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.commands.attempts import last_attempt
from spot_server.features.commands.looking import look_again
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import Instance, load_instance, set_retained
from spot_server.features.replicas.termination import (
    drive_final_image,
    drive_termination,
    last_final_image,
    last_termination,
    note_terminated,
    withdraw_termination,
)
from spot_server.features.silences.gone import ENDED_STATES, weighed_state
from spot_server.features.switches import queries
from spot_server.features.switches.carry_rules import STATE_MAY_BE_ON_ROOT
from spot_server.features.switches.confirming import advance_confirmation
from spot_server.features.switches.issuing import emit_step, load_step
from spot_server.features.switches.queries import Step, Switch
from spot_server.words import PRIORITY_HOUSEKEEPING, RESCUE_TRIGGERS, CommandStatus, Role, StepName, StepStatus

OBSERVE_EVERY_SECONDS = 15
"""Between two looks at an old instance that EC2 itself is taking away."""


STAYING_STATES = frozenset({"running", "stopped"})


def advance_retirement(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Take the next step of retiring the old instance; harmless when there is none.

    It is kept while clients may not reach the new one, and while a move goes back to it.
    """
    if _is_called_back(tx, switch):
        return
    steps = queries.list_steps(tx, switch.switch_id)
    is_confirmed = advance_confirmation(tx, agent, switch, steps)
    step = next(one for one in steps if one.name is StepName.RETIRE)  # no confirmation changes it
    if step.status not in {StepStatus.PENDING, StepStatus.RUNNING}:
        return
    old = load_instance(tx, agent.agent_id, switch.from_instance_id)
    is_due = is_confirmed and _is_due(switch, tx.now)
    if old.role is Role.TERMINATED:
        _finish(tx, switch, StepStatus.DONE, old.terminated_at or tx.now, "terminated")
    elif old.role is Role.PRIMARY:
        _finish(tx, switch, StepStatus.SKIPPED, None, "it is the primary again")
    elif switch.deadline_at is not None and tx.now >= switch.deadline_at and not is_due:
        _observe(tx, agent, switch)
    elif is_due:
        _retire(tx, agent, switch, step, old)


def _is_called_back(tx: Transaction, switch: Switch) -> bool:
    running = queries.active_switch(tx, switch.agent_id)
    return running is not None and running.to_instance_id == switch.from_instance_id


def _is_due(switch: Switch, now: datetime) -> bool:
    return switch.retire_at is not None and now >= switch.retire_at


def _retire(tx: Transaction, agent: Agent, switch: Switch, step: Step, old: Instance) -> None:
    if not agent.auto_terminate_enabled:
        _keep(tx, agent, switch, old)
        return
    if step.status is not StepStatus.RUNNING:
        queries.update_step(tx, switch.switch_id, StepName.RETIRE, status=StepStatus.RUNNING)
    if not old.launched_by_server and not _has_final_image(tx, agent, switch):
        return
    gone_at = drive_termination(tx, agent, old.instance_id, former_handles=switch.traffic_handles, keep_root=_has_lost_writes(switch, old))
    if gone_at is not None:
        _finish(tx, switch, StepStatus.DONE, gone_at, "terminated")
    else:
        _note_trouble(tx, switch, last_termination(tx, agent, old.instance_id))


def _has_lost_writes(switch: Switch, old: Instance) -> bool:
    """Tell whether the old root alone may have what a rescue left behind, as of an instance that a fence stopped. Else an image has it."""
    is_rescue_with_loss = switch.trigger in RESCUE_TRIGGERS and switch.loses_writes_since is not None
    return is_rescue_with_loss and old.launched_by_server and switch.carry in STATE_MAY_BE_ON_ROOT


def _has_final_image(tx: Transaction, agent: Agent, switch: Switch) -> bool:
    """The first time that we terminate an instance which we did not launch, its last state is kept as an image.

    Each attempt comes after EC2 was seen to have the instance still: of one that somebody ended there is no image to be had.
    """
    instance_id = switch.from_instance_id
    last = last_final_image(tx, agent, instance_id)
    if last is None or not (last.is_open or last.result):
        seen_since = switch.retire_at if last is None else last.finished_at
        _note_trouble(tx, switch, last)
        if not _is_seen_to_stay(tx, agent, switch, seen_since or tx.now):
            _observe(tx, agent, switch)
            return False
    return drive_final_image(tx, agent, instance_id) is not None


def _note_trouble(tx: Transaction, switch: Switch, command: Command | None) -> None:
    """Show at the step why the instance is still there."""
    if command is None or command.status is not CommandStatus.FAILED:
        return
    outcome = {"note": f"{command.kind} will be tried again: {command.error_text}"}
    if load_step(tx, switch, StepName.RETIRE).outcome != outcome:
        queries.update_step(tx, switch.switch_id, StepName.RETIRE, outcome=outcome)


def _keep(tx: Transaction, agent: Agent, switch: Switch, old: Instance) -> None:
    """Call back what was asked for, and tell the instance kept once EC2 shows that nobody had begun to end it."""
    withdraw_termination(tx, agent, old.instance_id)
    in_doubt_until = _in_doubt_until(tx, agent, switch)
    if in_doubt_until is not None and not _is_seen_to_stay(tx, agent, switch, in_doubt_until):
        _observe(tx, agent, switch)
        return
    set_retained(tx, agent.agent_id, old.instance_id, is_retained=True)
    _finish(tx, switch, StepStatus.SKIPPED, None, "auto-terminate is off: it is kept until a person acts")


def _in_doubt_until(tx: Transaction, agent: Agent, switch: Switch) -> datetime | None:
    """Return the moment after which EC2's word tells whether the instance stays; None when nobody was ending it.

    EC2 itself may, from the time that its notice named. So may the one who was told to terminate it, until the command's deadline.
    """
    command = last_termination(tx, agent, switch.from_instance_id)
    if command is None or command.first_delivered_at is None:
        return switch.deadline_at
    ends_at = command.deadline_at if command.outcome is None else command.finished_at
    return max(filter(None, (switch.deadline_at, ends_at)), default=None)


def _is_seen_to_stay(tx: Transaction, agent: Agent, switch: Switch, since: datetime) -> bool:
    """Tell whether EC2, asked after `since`, showed an instance that is not ending."""
    _number, command = last_attempt(tx, agent.agent_id, f"observe/{switch.from_instance_id}")
    return command is not None and command.issued_at >= since and command.result.get("state") in STAYING_STATES


def _observe(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Somebody else may be taking the instance away: look what EC2 says; nothing is terminated by us."""
    prefix = f"observe/{switch.from_instance_id}"
    _number, command = last_attempt(tx, agent.agent_id, prefix)
    if command is not None and weighed_state(tx, agent, command) in ENDED_STATES:
        was_announced = switch.deadline_at is not None
        gone_at = note_terminated(tx, agent, switch.from_instance_id, reason="interrupted" if was_announced else "retired")
        _finish(tx, switch, StepStatus.DONE, gone_at, "EC2 took it away" if was_announced else "EC2 says that it is gone")
        return
    look_again(
        tx,
        agent,
        switch.from_instance_id,
        prefix=prefix,
        pause_seconds=OBSERVE_EVERY_SECONDS,
        priority=PRIORITY_HOUSEKEEPING,
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
