"""Making replicas, moving them along, and retiring them. The caller holds the agent's row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.commands import ledger
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands.attempts import load_daemons
from spot_server.features.commands.queries import Command
from spot_server.features.instances.queries import find_instance
from spot_server.features.instances.rules import RoleEvent
from spot_server.features.instances.service import change_role
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import launching, queries
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import (
    AskAnother,
    GiveUp,
    Launch,
    LaunchAnswer,
    LaunchFacts,
    NoteInstance,
    ReplicaEvent,
    TryAgain,
    TryElsewhere,
    Wait,
    decide_launch,
    next_replica_status,
)
from spot_server.features.replicas.termination import drive_termination
from spot_server.words import Actor, CommandStatus, Mode, ReplicaKind, ReplicaStatus, Role, Severity

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
    replica = Replica(
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
        version=1,
    )
    queries.insert_replica(tx, replica)
    _emit(tx, replica, "replica_wanted", {"kind": new.kind, "reason": new.reason})
    advance_replica(tx, replica.replica_id)
    return queries.load_replica(tx, agent.agent_id, replica.replica_id)


def advance_replica(tx: Transaction, replica_id: str) -> None:
    """Take every step that can be taken now; harmless when there is none. Used after each answer and by the sweep."""
    replica = queries.find_replica(tx, replica_id)
    if replica is None:
        return
    agent = load_agent(tx, replica.agent_id)
    for _ in range(MAX_STEPS_AT_ONCE):
        if replica.status in {ReplicaStatus.TERMINATED, ReplicaStatus.FAILED}:
            _finish(tx, agent, replica)
            return
        changed = _step(tx, agent, replica)
        if changed is None:
            return
        replica = changed


def _step(tx: Transaction, agent: Agent, replica: Replica) -> Replica | None:
    """Apply one decision; None when there is nothing more to do now."""
    command = _launch_command(tx, replica)
    decision = decide_launch(_facts(tx, agent, replica, command), tx.policy)
    match decision:
        case Wait():
            return None
        case Launch():
            return _launch(tx, agent, replica)
        case NoteInstance(instance_id):
            return note_instance(tx, replica, instance_id, command)
        case TryElsewhere(reason, excludes_all_spot):
            return _exclude(tx, replica, reason, excludes_all_spot=excludes_all_spot)
        case TryAgain(reason):
            return queries.update_replica(tx, replica, launch_command_id=None, status_reason=reason)
        case AskAnother(reason):
            return None if command is None else launching.ask_another(tx, agent, replica, command, reason)
        case GiveUp(reason):
            return end_replica(tx, agent, replica, ReplicaEvent.FAILED, reason)


def _launch_command(tx: Transaction, replica: Replica) -> Command | None:
    """Return the launch command in force, or an earlier one for the same launch that was answered after it was given up."""
    if replica.launch_command_id is None:
        return None
    command = command_queries.load_command(tx, replica.launch_command_id)
    if command is None or command.result.get("instance_id") is not None or "#" not in command.request_id:
        return command
    first = command.request_id.partition("#")[0]
    number = 1
    while True:
        name = first if number == 1 else f"{first}#{number}"
        earlier = command_queries.find_by_request(tx, replica.agent_id, name)
        if earlier is None or earlier.command_id == command.command_id:
            return command
        if earlier.result.get("instance_id") is not None:
            return earlier
        number += 1


def _facts(tx: Transaction, agent: Agent, replica: Replica, command: Command | None) -> LaunchFacts:
    answer = None
    if command is not None:
        reachable = {daemon.instance_id for daemon in load_daemons(tx, agent) if daemon.is_reachable}
        answer = LaunchAnswer(
            status=command.status,
            instance_id=command.result.get("instance_id"),
            error_class=command.error_class,
            error_text=command.error_text,
            deadline_at=command.deadline_at,
            is_actor_reachable=command.actor is Actor.CONTROL_ROLE or command.instance_id in reachable,
        )
    return LaunchFacts(
        status=replica.status,
        instance_id=replica.instance_id,
        launched_at=replica.launched_at,
        mode=replica.mode,
        attempt=replica.attempt,
        launch=answer,
        now=tx.now,
    )


def _launch(tx: Transaction, agent: Agent, replica: Replica) -> Replica | None:
    launched = launching.issue_launch(tx, agent, replica)
    if launched is not None:
        data = {"place": launched.place.key, "attempt": launched.attempt, "image_id": launched.image_id}
        _emit(tx, launched, "replica_launching", data)
        # Its answer is what comes next: nothing more can be decided before it.
        return None
    if tx.now - replica.created_at > timedelta(seconds=tx.policy.boot_bound_seconds):
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, "no place, or nobody to launch it, for too long")
    if replica.rejected_places and not _has_place(tx, agent, replica):
        tried = ", ".join(replica.rejected_places)
        return end_replica(tx, agent, replica, ReplicaEvent.FAILED, f"no place is left; refused: {tried}")
    return None


def _has_place(tx: Transaction, agent: Agent, replica: Replica) -> bool:
    primary = launching.last_primary(tx, agent)
    return primary is not None and launching.best_place(tx, agent, replica, primary) is not None


def _exclude(tx: Transaction, replica: Replica, reason: str, *, excludes_all_spot: bool) -> Replica:
    wish = {**replica.wish, "mode": Mode.ON_DEMAND} if excludes_all_spot else replica.wish
    _emit(tx, replica, "replica_refused", {"place": replica.place.key, "reason": reason})
    return queries.update_replica(
        tx,
        replica,
        rejected_places=[*replica.rejected_places, replica.place.key],
        launch_command_id=None,
        status_reason=reason,
        wish=wish,
    )


def note_instance(tx: Transaction, replica: Replica, instance_id: str, command: Command | None) -> Replica:
    """Record which instance came of the launch: from the command's answer, or from the instance's own registration."""
    launched_at = None if command is None else _moment(command.result.get("launched_at"))
    changed = queries.update_replica(tx, replica, instance_id=instance_id, launched_at=launched_at or tx.now)
    _emit(tx, changed, "replica_launched", {"place": changed.place.key})
    return changed


def end_replica(tx: Transaction, agent: Agent, replica: Replica, event: ReplicaEvent, reason: str) -> Replica:
    """Give a replica up: its status, its instance's role, and the first step towards its termination."""
    status = next_replica_status(replica.status, event)
    if replica.launch_command_id is not None and replica.instance_id is None:
        _withdraw_launch(tx, replica.launch_command_id, reason)
    changed = queries.update_replica(tx, replica, status=status, status_reason=reason)
    _emit(tx, changed, f"replica_{status}", {"reason": reason})
    if replica.instance_id is not None:
        instance = find_instance(tx, agent.agent_id, replica.instance_id)
        if instance is not None and instance.role is Role.REPLICA:
            change_role(
                tx,
                agent_id=agent.agent_id,
                instance_id=instance.instance_id,
                event=RoleEvent.RETIRED,
                reason=reason,
                by="system",
            )
    if status is ReplicaStatus.FAILED:
        text = f"a replica of {agent.logical_agent_id} failed: {reason}"
        notify(
            tx,
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            severity=Severity.WARNING,
            kind="replica_failed",
            text=text,
            dedupe_key=f"replica_failed/{replica.replica_id}",
        )
    return changed


def _withdraw_launch(tx: Transaction, command_id: str, reason: str) -> None:
    command = command_queries.load_command(tx, command_id)
    if command is not None and command.status is CommandStatus.QUEUED:
        ledger.give_up(tx, command_id, status=CommandStatus.CANCELLED, reason=reason)


def _finish(tx: Transaction, agent: Agent, replica: Replica) -> None:
    """See to it that the instance of an ended replica is gone, whenever its launch is answered."""
    if replica.ended_at is not None:
        return
    if replica.instance_id is None:
        command = _launch_command(tx, replica)
        instance_id = None if command is None else command.result.get("instance_id")
        if instance_id is not None:
            replica = note_instance(tx, replica, instance_id, command)
        elif command is None or not _may_still_launch(tx, command):
            queries.update_replica(tx, replica, ended_at=tx.now)
            return
        else:
            return
    assert replica.instance_id is not None  # noqa: S101 - set just above
    gone_at = drive_termination(tx, agent, replica.instance_id)
    if gone_at is not None:
        queries.update_replica(tx, replica, ended_at=gone_at)
        _emit(tx, replica, "replica_gone", {})


def _may_still_launch(tx: Transaction, command: Command) -> bool:
    if command.status is CommandStatus.FAILED or command.first_delivered_at is None:
        return command.is_open
    # Delivered and never answered: the act may have happened. The bound covers a daemon that restarts and answers late.
    patience = timedelta(seconds=tx.policy.boot_bound_seconds)
    return command.outcome is None and tx.now - command.issued_at < patience


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _emit(tx: Transaction, replica: Replica, kind: str, data: dict[str, Any]) -> None:
    seconds = (tx.now - replica.created_at).total_seconds()
    tx.emit(
        kind,
        client_id=replica.client_id,
        agent_id=replica.agent_id,
        instance_id=replica.instance_id,
        data={"replica_id": replica.replica_id, "seconds": round(seconds, 3), **data},
    )
