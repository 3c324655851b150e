"""What a step that is over brings: results noted, the replica made, the promotion run. The caller holds the agent's row."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.ledger import NewCommand
from spot_server.features.commands.queries import Command
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import promote
from spot_server.features.replicas import progress as replica_progress
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.image_queries import find_image, store_image
from spot_server.features.replicas.image_rules import AgentImage, Purpose
from spot_server.features.replicas.launching import choose_image, last_primary
from spot_server.features.replicas.progress import NewReplica
from spot_server.features.replicas.rules import ReplicaEvent, next_replica_status
from spot_server.features.replicas.termination import is_final_image, note_terminated
from spot_server.features.silences.gone import ENDED_STATES, weighed_state
from spot_server.features.switches import queries
from spot_server.features.switches.decisions import Settle
from spot_server.features.switches.issuing import emit_step, load_step, moment, tell_end
from spot_server.features.switches.losses import note_loss, note_volume_loss
from spot_server.features.switches.payloads import handle_of
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.salvage import salvage_what_is_left
from spot_server.features.switches.volume_payloads import note_attached
from spot_server.words import (
    PRIORITY_HOUSEKEEPING,
    RESCUE_TRIGGERS,
    CommandKind,
    CommandStatus,
    ImageConsistency,
    ReplicaKind,
    Severity,
    StepName,
    StepStatus,
)


def settle_step(tx: Transaction, agent: Agent, switch: Switch, decision: Settle) -> Switch:
    """Record that a step is over, with what it brought."""
    step = load_step(tx, switch, decision.step, decision.part)
    command = None if step.command_id is None else command_queries.load_command(tx, step.command_id)
    if decision.status is StepStatus.SKIPPED:
        ledger.give_up(tx, step.command_id, status=CommandStatus.CANCELLED, reason=decision.note)
    # A step of the server's own, such as the boot, begins when the one before it is over.
    started_at = step.intent_at or _previous_end(tx, switch, step) or tx.now
    outcome: dict[str, Any] = {"note": decision.note} if decision.note else {}
    is_done = decision.status is StepStatus.DONE
    if is_done and command is not None:
        outcome |= command.result
    queries.update_step(
        tx,
        switch.switch_id,
        decision.step,
        decision.part,
        status=decision.status,
        intent_at=tx.now if decision.status is StepStatus.SKIPPED and step.intent_at is None else started_at,
        finished_at=tx.now,
        outcome=outcome,
    )
    data = {"status": decision.status, "note": decision.note, "seconds": round((tx.now - started_at).total_seconds(), 3)}
    emit_step(tx, switch, "step_finished", decision.step, data, part=decision.part)
    if decision.status is StepStatus.SKIPPED and step.attempt and decision.step is StepName.TRAFFIC:
        _tell_left_behind(tx, agent, switch, decision)
    if is_done:
        return _note_results(tx, agent, switch, decision.step, command)
    if decision.step is not StepName.SYNC:
        return switch
    salvage_what_is_left(tx, agent, switch)
    return note_loss(tx, agent, switch, switch.image_id)


def _tell_left_behind(tx: Transaction, agent: Agent, switch: Switch, decision: Settle) -> None:
    """A rescue goes on without a handle that could not be moved: a person must move it."""
    handle = handle_of(switch, decision.step, decision.part)
    text = (
        f"{agent.logical_agent_id} moves to {switch.to_instance_id} without its traffic handle {handle}: {decision.note}. "
        "A person must move it"
    )
    tell_end(tx, agent, switch, Severity.CRITICAL, "handle_left_behind", text, once_for=f"{switch.switch_id}/{decision.part}")


def _previous_end(tx: Transaction, switch: Switch, step: Step) -> datetime | None:
    ends = [
        other.finished_at
        for other in queries.list_steps(tx, switch.switch_id)
        if other.position < step.position and other.finished_at is not None
    ]
    return max(ends, default=None)


def _note_results(tx: Transaction, agent: Agent, switch: Switch, name: StepName, command: Command | None) -> Switch:
    match name:
        case StepName.IMAGE if command is not None:
            return _note_image(tx, switch, command)
        case StepName.LAUNCH | StepName.BOOT if switch.replica_id is not None:
            replica = replica_queries.load_replica(tx, agent.agent_id, switch.replica_id)
            return queries.update_switch(
                tx,
                _follow_image(tx, agent, switch, replica.image_id),
                to_instance_id=replica.instance_id,
                to_instance_type=replica.instance_type,
                to_az_id=replica.az_id,
                to_mode=replica.mode,
                instance_launched_at=replica.launched_at,
                instance_ready_at=replica.ready_at,
            )
        case StepName.QUIESCE if command is not None:
            return queries.update_switch(tx, switch, quiesced_at=moment(command.result.get("quiesced_at")) or tx.now)
        case StepName.COPY_VOLUMES if command is not None:
            return note_volume_loss(tx, agent, switch, command.result)
        case StepName.ATTACH if command is not None:
            note_attached(tx, switch)
            return switch
        case StepName.START if command is not None:
            return queries.update_switch(tx, switch, serving_at=moment(command.result.get("serving_at")) or tx.now)
        case StepName.FENCE if command is not None and weighed_state(tx, agent, command) in ENDED_STATES:
            note_terminated(tx, agent, switch.from_instance_id, reason="interrupted")
            return switch
        case _:
            return switch


def _follow_image(tx: Transaction, agent: Agent, switch: Switch, image_id: str | None) -> Switch:
    """Keep with the switch the image that its replica was launched from in the end: the one it began with may be gone, and lose less."""
    if image_id is None or image_id == switch.image_id:
        return switch
    image = find_image(tx, agent.agent_id, image_id)
    _say_image(tx, switch, image_id, image)
    changed = queries.update_switch(tx, switch, image_id=image_id, ami_created_at=None if image is None else image.available_at)
    return note_loss(tx, agent, changed, image_id)


def remember_image(tx: Transaction, command: Command) -> AgentImage | None:
    """Store the image that a command brought, however late: it may be the newest good one. None: it brought none to launch from."""
    if command.kind is not CommandKind.CREATE_IMAGE or command.result.get("image_id") is None:
        return None
    if is_final_image(command):
        return None  # a retired instance's state is older than its image: what the new primary wrote since is not in it
    result = command.result
    image = AgentImage(
        agent_id=command.agent_id,
        image_id=result["image_id"],
        client_id=command.client_id,
        image_name=command.payload.get("image_name", ""),
        snapshot_ids=list(result.get("snapshot_ids") or []),
        device_names=[str(name) for name in result.get("device_names") or []],
        source_instance_id=command.payload.get("instance_id"),
        switch_id=command.switch_id,
        consistency=_consistency(result.get("consistency")),
        has_booted=False,
        has_failed=False,
        started_at=moment(result.get("started_at")) or command.issued_at,
        available_at=moment(result.get("available_at")) or tx.now,
        deregistered_at=None,
    )
    store_image(tx, image)
    return image


def _consistency(said: object) -> ImageConsistency:
    """Return what a daemon said of the image's files; one that says nothing, or something new, promises nothing."""
    return ImageConsistency.FROZEN if said == ImageConsistency.FROZEN else ImageConsistency.CRASH


def _note_image(tx: Transaction, switch: Switch, command: Command) -> Switch:
    image = remember_image(tx, command)
    if image is None:
        return switch
    return queries.update_switch(tx, switch, image_id=image.image_id, ami_created_at=image.available_at)


def make_replica(tx: Transaction, agent: Agent, switch: Switch) -> Switch | None:
    """Record the replica that this switch needs and ask for its launch; None when there is nothing to launch from."""
    is_rescue = switch.trigger in RESCUE_TRIGGERS
    image_id = switch.image_id
    if image_id is None:
        purpose = Purpose.EMERGENCY if is_rescue else Purpose.PLANNED
        chosen = choose_image(tx, agent, last_primary(tx, agent), purpose)
        image_id = None if chosen is None else chosen.image_id
    if image_id is None:
        return None
    # What a person asked for does not hold up a rescue.
    target = {} if is_rescue else {"mode": switch.to_mode, "instance_type": switch.to_instance_type, "az_id": switch.to_az_id}
    replica = replica_progress.create_replica(
        tx,
        agent,
        NewReplica(
            kind=ReplicaKind.EMERGENCY if is_rescue else ReplicaKind.SWITCH,
            request_id=f"switch/{switch.switch_id}",
            image_id=image_id,
            reason=f"switch {switch.trigger}",
            wish={key: value for key, value in target.items() if value is not None},
            switch_id=switch.switch_id,
            interruption_event_id=switch.interruption_event_id,
        ),
    )
    queries.update_step(tx, switch.switch_id, StepName.LAUNCH, status=StepStatus.RUNNING, intent_at=tx.now)
    emit_step(tx, switch, "step_started", StepName.LAUNCH, {})
    image = find_image(tx, agent.agent_id, image_id)
    _say_image(tx, switch, image_id, image)
    created_at = switch.ami_created_at or (None if image is None else image.available_at)
    made = queries.update_switch(tx, switch, replica_id=replica.replica_id, image_id=image_id, ami_created_at=created_at)
    return note_loss(tx, agent, made, image_id)


def _say_image(tx: Transaction, switch: Switch, image_id: str, image: AgentImage | None) -> None:
    """Say what it is launched from, and whether that ever booted: None is an image that is not of the agent's own making."""
    data = {
        "switch_id": switch.switch_id,
        "image_id": image_id,
        "has_booted": None if image is None else image.has_booted,
        "age_seconds": None if image is None else round((tx.now - image.started_at).total_seconds(), 3),
    }
    tx.emit("image_chosen", client_id=switch.client_id, agent_id=switch.agent_id, instance_id=switch.from_instance_id, data=data)


def promote_new(tx: Transaction, agent: Agent, switch: Switch) -> Switch | None:
    """Run the promotion transaction and tell the old side; None when the agent changed meanwhile."""
    assert switch.to_instance_id is not None  # noqa: S101 - BOOT recorded it, or the replica was ready from the start
    replica = None
    if switch.replica_id is not None:
        replica = replica_queries.load_replica(tx, agent.agent_id, switch.replica_id)
    epoch = promote(
        tx,
        agent=agent,
        new_instance_id=switch.to_instance_id,
        expected_epoch=agent.epoch,
        by=switch.initiated_by,
        reason=f"switch {switch.switch_id} ({switch.trigger})",
        event=RoleEvent.CALLED_BACK if switch.is_call_back else RoleEvent.PROMOTED,
    )
    if epoch is None:
        return None
    if replica is not None:
        promoted = next_replica_status(replica.status, ReplicaEvent.PROMOTED)
        replica_queries.update_replica(tx, replica, status=promoted, hold_until=None)
    queries.update_step(
        tx,
        switch.switch_id,
        StepName.PROMOTE,
        status=StepStatus.DONE,
        intent_at=tx.now,
        finished_at=tx.now,
        outcome={"epoch": epoch},
    )
    emit_step(tx, switch, "step_finished", StepName.PROMOTE, {"status": StepStatus.DONE, "seconds": 0.0, "epoch": epoch})
    _demote_old(tx, load_agent(tx, agent.agent_id), switch)
    return queries.update_switch(tx, switch, epoch_after=epoch)


def _demote_old(tx: Transaction, agent: Agent, switch: Switch) -> None:
    """Tell the old daemon at once that it is no longer primary; nothing waits for its answer."""
    ledger.issue(
        tx,
        NewCommand(
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            instance_id=switch.from_instance_id,
            request_id=f"switch/{switch.switch_id}/demote/{agent.epoch}",
            kind=CommandKind.DEMOTE,
            priority=PRIORITY_HOUSEKEEPING,
            epoch=agent.epoch,
            payload={"epoch": agent.epoch, "bound_seconds": tx.policy.quiesce_bound_seconds},
            deadline_at=tx.now + timedelta(seconds=tx.policy.terminate_bound_seconds),
        ),
    )
