"""Making replicas, moving them along, and retiring them. The caller holds the agent's row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands.attempts import load_daemons
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import find_instance
from spot_server.features.replicas import gone_images, launching, queries
from spot_server.features.replicas.answers import ask_number, emit_replica, launch_command, note_instance
from spot_server.features.replicas.ending import end_replica, finish_replica
from spot_server.features.replicas.image_queries import find_image, mark_image_failed
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.refusal_rules import EVERYWHERE_REFUSALS, is_ec2s_word
from spot_server.features.replicas.refused_places import leave_out
from spot_server.features.replicas.rules import (
    IMAGE_REFUSALS,
    AskAnother,
    GiveUp,
    Launch,
    LaunchAnswer,
    LaunchDecision,
    LaunchFacts,
    NoteInstance,
    ReplicaEvent,
    TryAgain,
    TryElsewhere,
    TryOtherImage,
    Wait,
    decide_launch,
)
from spot_server.features.spending.service import hold_back
from spot_server.words import Actor, Carry, Mode, ReplicaKind, ReplicaStatus, Role

MAX_STEPS_AT_ONCE = 40
"""A bound on the loop below: a replica can refuse every place of a region within one call, and no more."""


@dataclass(frozen=True, slots=True)
class NewReplica:
    """What is wanted. `wish` may hold mode, instance_type, az_id as a person asked for them."""

    kind: ReplicaKind
    request_id: str
    image_id: str
    reason: str
    wish: dict[str, Any] = field(default_factory=dict)
    switch_id: str | None = None
    interruption_event_id: str | None = None
    hold_until: datetime | None = None


def create_replica(tx: Transaction, agent: Agent, new: NewReplica) -> Replica:
    """Record that a replica is wanted and ask for its launch; the same request again returns the first one."""
    earlier = queries.find_by_request(tx, agent.agent_id, new.request_id)
    if earlier is not None:
        return earlier
    replica = new_replica(tx, agent, new)
    queries.insert_replica(tx, replica)
    emit_replica(tx, replica, "replica_wanted", {"kind": new.kind, "reason": new.reason})
    advance_replica(tx, replica.replica_id)
    return queries.load_replica(tx, agent.agent_id, replica.replica_id)


def new_replica(tx: Transaction, agent: Agent, new: NewReplica) -> Replica:
    """Return a replica that nothing was asked for yet."""
    return Replica(
        replica_id=str(uuid.uuid4()),
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        request_id=new.request_id,
        kind=new.kind,
        status=ReplicaStatus.LAUNCHING,
        status_reason=new.reason,
        switch_id=new.switch_id,
        interruption_event_id=new.interruption_event_id,
        hold_until=new.hold_until,
        instance_id=None,
        instance_type="",
        az_id="",
        mode=Mode.UNKNOWN,
        image_id=new.image_id,
        wish=new.wish,
        attempt=0,
        rejected_places=[],
        launch_command_id=None,
        client_token=None,
        nonce_sha256=None,
        nonce_used_at=None,
        created_at=tx.now,
        launched_at=None,
        registered_at=None,
        sync_started_at=None,
        sync_completed_at=None,
        ready_at=None,
        ended_at=None,
        differences=None,
        version=1,
    )


def advance_replica(tx: Transaction, replica_id: str) -> None:
    """Take every step that can be taken now; harmless when there is none. Used after each answer and by the sweep."""
    replica = queries.find_replica(tx, replica_id)
    if replica is not None:
        advance_known_replica(tx, load_agent(tx, replica.agent_id), replica)


def advance_known_replica(tx: Transaction, agent: Agent, replica: Replica) -> Replica:
    """Do the same for a replica that was read, as `agent` was, while the agent's row was held; return it as it is then."""
    for _ in range(MAX_STEPS_AT_ONCE):
        if replica.status in {ReplicaStatus.TERMINATED, ReplicaStatus.FAILED}:
            finish_replica(tx, agent, replica)
            return queries.load_replica(tx, agent.agent_id, replica.replica_id)
        command = launch_command(tx, replica)
        decision = decide_launch(_facts(tx, agent, replica, command), tx.policy)
        if isinstance(decision, Wait):
            return replica
        changed = _apply(tx, agent, replica, command, decision)
        if changed is None:
            return queries.load_replica(tx, agent.agent_id, replica.replica_id)
        replica = changed
    return replica


def _apply(tx: Transaction, agent: Agent, replica: Replica, command: Command | None, decision: LaunchDecision) -> Replica | None:
    """Apply one decision; None when there is nothing more to do now."""
    match decision:
        case Wait():
            return None
        case Launch():
            return _launch(tx, agent, replica)
        case NoteInstance(instance_id):
            return note_instance(tx, replica, instance_id, command)
        case TryElsewhere():
            return leave_out(tx, agent, replica, command, decision)
        case TryAgain(reason):
            return queries.update_replica(tx, replica, launch_command_id=None, status_reason=reason)
        case AskAnother(reason):
            return None if command is None else launching.ask_another(tx, agent, replica, command, reason)
        case TryOtherImage(reason):
            return _change_image(tx, agent, replica, command, reason)
        case GiveUp():
            return _give_up(tx, agent, replica, decision)


def _facts(tx: Transaction, agent: Agent, replica: Replica, command: Command | None) -> LaunchFacts:
    answer = None
    if command is not None:
        answer = LaunchAnswer(
            status=command.status,
            instance_id=command.result.get("instance_id"),
            error_class=command.error_class,
            error_text=command.error_text,
            deadline_at=command.deadline_at,
            finished_at=command.finished_at,
            is_actor_reachable=command.actor is Actor.CONTROL_ROLE or _is_reachable(tx, agent, command.instance_id),
            is_by_control_role=command.actor is Actor.CONTROL_ROLE,
            is_image_refused=command.error_code in IMAGE_REFUSALS,
            is_refused_everywhere=command.error_code in EVERYWHERE_REFUSALS,
            is_ec2s_word=is_ec2s_word(command.error_code),
            ask_number=ask_number(command.request_id),
        )
    is_image_asked = answer is not None and answer.is_image_refused and replica.image_id is not None
    image = find_image(tx, agent.agent_id, str(replica.image_id)) if is_image_asked else None
    instance = None if replica.instance_id is None else find_instance(tx, agent.agent_id, replica.instance_id)
    return LaunchFacts(
        status=replica.status,
        instance_id=replica.instance_id,
        is_gone=instance is not None and instance.role is Role.TERMINATED,
        created_at=replica.created_at,
        launched_at=replica.launched_at,
        mode=replica.mode,
        attempt=replica.attempt,
        launch=answer,
        now=tx.now,
        image_available_at=None if image is None or image.deregistered_at is not None else image.available_at,
    )


def _is_reachable(tx: Transaction, agent: Agent, instance_id: str) -> bool:
    return any(daemon.is_reachable and daemon.instance_id == instance_id for daemon in load_daemons(tx, agent))


def _launch(tx: Transaction, agent: Agent, replica: Replica) -> Replica | None:
    held_back = None if launching.is_rescue(replica) else hold_back(tx, agent, replica.replica_id)
    launched = launching.issue_launch(tx, agent, replica) if held_back is None else None
    if launched is not None:
        data = {"place": launched.place.key, "attempt": launched.attempt, "image_id": launched.image_id}
        emit_replica(tx, launched, "replica_launching", data)
        # Its answer is what comes next: nothing more can be decided before it.
        return None
    if tx.now - replica.created_at > timedelta(seconds=tx.policy.boot_bound_seconds):
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, held_back or "no place, or nobody to launch it, for too long")
    is_waited_for = _is_waited_for(agent, replica)
    if held_back is not None:
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, held_back) if is_waited_for else None
    if (replica.rejected_places or launching.is_rescue(replica) or is_waited_for) and not _has_place(tx, agent, replica):
        tried = ", ".join(replica.rejected_places)
        why = f"; the last because of: {replica.status_reason}" if tried else ""
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, f"no place is left; refused: {tried or 'all'}{why}")
    return None


def _is_waited_for(agent: Agent, replica: Replica) -> bool:
    """Tell whether the workload stands still until this replica serves: then a launch that cannot be ends the move at once."""
    return replica.kind is ReplicaKind.SWITCH and agent.carry is Carry.IMAGE_AFTER_QUIESCE


def _has_place(tx: Transaction, agent: Agent, replica: Replica) -> bool:
    primary = launching.last_primary(tx, agent)
    return primary is not None and launching.best_place(tx, agent, replica, primary) is not None


def _give_up(tx: Transaction, agent: Agent, replica: Replica, decision: GiveUp) -> Replica:
    if decision.blames_image and replica.image_id is not None:
        mark_image_failed(tx, replica.agent_id, replica.image_id)
    return end_replica(tx, agent, replica, ReplicaEvent.FAILED, decision.reason)


def _change_image(tx: Transaction, agent: Agent, replica: Replica, command: Command | None, reason: str) -> Replica:
    other = gone_images.choose_other(tx, agent, replica, reason)
    if other is None:
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, reason)
    if command is not None:
        ledger.forget_secrets(tx, command)
    data = {"from_image_id": replica.image_id, "image_id": other, "reason": reason}
    emit_replica(tx, replica, "replica_image_changed", data)
    return queries.update_replica(tx, replica, image_id=other, launch_command_id=None, status_reason=reason)
