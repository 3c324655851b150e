"""Acting on an interruption event: adopt or open a move, hold, replace. The caller holds the agent's row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.interruptions.queries import InterruptionEvent
from spot_server.features.interruptions.rules import FORCING_KINDS, Response, is_salvage_needed
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import progress as replica_progress
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas import rescuing
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.ending import end_replica
from spot_server.features.replicas.launching import choose_image, last_primary
from spot_server.features.replicas.progress import NewReplica
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent
from spot_server.features.switches import ending, opening
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches.brought_volumes import end_stale
from spot_server.features.switches.driving import drive
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.salvage import salvage
from spot_server.words import (
    InterruptionKind,
    ReplicaKind,
    ReplicaStatus,
    Role,
    Severity,
    StepName,
    SwitchStatus,
    SwitchTrigger,
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is there when an event comes in. `live`: the replicas that no running move uses, the nearest to serving first."""

    agent: Agent
    instance: Instance
    event: InterruptionEvent
    live: tuple[Replica, ...]
    running: Switch | None


def respond(tx: Transaction, scene: Scene) -> tuple[str | None, str | None]:
    """Act on the event and return the switch and the replica that it concerns."""
    match Response(scene.event.response):
        case Response.HANDOVER | Response.LAUNCH_REPLICA:
            switch = _rescue(tx, scene)
            return switch.switch_id, switch.replica_id
        case Response.HOLD:
            return None, _hold(tx, scene)
        case Response.REPLACE_STANDBY:
            return None, _replace_standby(tx, scene)
        case Response.OBSERVE_ONLY:
            return None, None


def _rescue(tx: Transaction, scene: Scene) -> Switch:
    running = scene.running
    is_forced = scene.event.kind in FORCING_KINDS
    if is_forced and is_salvage_needed(scene.agent.carry, has_ready_side=_has_ready_side(tx, scene)):
        salvage(tx, scene.agent, scene.event, is_beside_handover=scene.event.response != Response.LAUNCH_REPLICA)
    if running is None:
        return _open_rescue(tx, scene)
    if running.from_instance_id == scene.instance.instance_id:
        return _adopt(tx, scene, running)
    if running.deadline_at is None and load_instance(tx, scene.agent.agent_id, running.from_instance_id).role is not Role.TERMINATED:
        return _turn_back(tx, scene.agent, running)
    # Both sides of the move are being taken away: end it, and move from the one that is PRIMARY to what there is.
    ending.supersede(tx, running, StepName.START, "a notice took the new instance too")
    return _open_rescue(tx, scene)


def _has_ready_side(tx: Transaction, scene: Scene) -> bool:
    """Tell whether what the rescue goes to is there and fit. A new side that is given up goes back with nothing of what it took in."""
    running = scene.running
    if running is None:
        return any(replica.status is ReplicaStatus.READY for replica in scene.live)
    if running.from_instance_id != scene.instance.instance_id:
        return False
    if running.replica_id is None:
        return running.is_call_back
    status = replica_queries.load_replica(tx, running.agent_id, running.replica_id).status
    return status in {ReplicaStatus.READY, ReplicaStatus.PROMOTED}


def _open_rescue(tx: Transaction, scene: Scene) -> Switch:
    image = choose_image(tx, scene.agent, last_primary(tx, scene.agent))
    prepared = opening.rescue_opening(
        scene.agent,
        scene.instance,
        rescuing.choose_replica(tx, scene.agent, end_stale(tx, scene.agent, scene.live, is_replaceable=image is not None)),
        opening.Cause(_trigger(scene), f"{_trigger(scene)}/{scene.event.event_id}", scene.event.event_id, _deadline_at(tx, scene)),
        image_id=None if image is None else image.image_id,
    )
    return drive(tx, scene.agent, opening.open_switch(tx, scene.agent, prepared))


def _trigger(scene: Scene) -> SwitchTrigger:
    return SwitchTrigger.NOTICE if scene.event.kind in FORCING_KINDS else SwitchTrigger.FAILOVER


def _deadline_at(tx: Transaction, scene: Scene) -> datetime | None:
    """Return when the instance goes. One that was lost without notice is past its end: nothing is taken back to it; None: it has ended."""
    if scene.event.kind in FORCING_KINDS:
        return scene.event.action_at or tx.now
    instance = load_instance(tx, scene.agent.agent_id, scene.instance.instance_id)
    return None if instance.role is Role.TERMINATED else tx.now


def _adopt(tx: Transaction, scene: Scene, running: Switch) -> Switch:
    """Let the move that runs be the rescue: its replica counts, its deadline is the notice's. One that is taken back turns round."""
    adopted = switch_queries.update_switch(
        tx,
        running,
        trigger=_trigger(scene),
        deadline_at=_deadline_at(tx, scene),
        interruption_event_id=scene.event.event_id,
    )
    switch_queries.forget_given_up(tx, adopted.agent_id)
    if adopted.replica_id is not None:
        rescuing.widen(tx, scene.agent, replica_queries.load_replica(tx, scene.agent.agent_id, adopted.replica_id))
    data = {"switch_id": adopted.switch_id, "trigger": adopted.trigger}
    tx.emit("switch_adopted", client_id=scene.agent.client_id, agent_id=scene.agent.agent_id, data=data)
    return drive(tx, scene.agent, adopted)


def _turn_back(tx: Transaction, agent: Agent, running: Switch) -> Switch:
    """The instance that is being taken away is the new side of a move that has just promoted it: go back to the old side."""
    if running.status is SwitchStatus.RUNNING:
        running = ending.begin_undo(tx, agent, running, StepName.START, "a notice took the new instance before it served")
    return drive(tx, agent, running)


def _hold(tx: Transaction, scene: Scene) -> str | None:
    """Have one replica ready for as long as the hold lasts; one that is there already will do.

    While a move runs nothing is made: it may take the workload elsewhere. Should it leave it here, the recommendation is judged again.
    """
    if scene.running is not None:
        return None
    agent, event = scene.agent, scene.event
    # From when it came, not from when somebody turned the agent on and it was judged.
    hold_until = event.received_at + timedelta(seconds=agent.rebalance_hold_seconds)
    if scene.live:
        return _lengthen_hold(tx, scene.live[0], hold_until, _reason(event))
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id))
    if image is None:
        notify(
            tx,
            client_id=agent.client_id,
            agent_id=agent.agent_id,
            severity=Severity.CRITICAL,
            kind="no_image",
            text=f"{agent.logical_agent_id} has {_reason(event)} and no image to launch a replica from",
            dedupe_key=f"no_image/{event.event_id}",
        )
        return None
    new = NewReplica(
        kind=ReplicaKind.EMERGENCY,
        # Made anew when the one before was lost with a move.
        request_id=f"interruption/{event.event_id}" + ("" if event.replica_id is None else f"/{event.replica_id}"),
        image_id=image.image_id,
        reason=_reason(event),
        interruption_event_id=event.event_id,
        hold_until=hold_until,
    )
    return replica_progress.create_replica(tx, agent, new).replica_id


def _lengthen_hold(tx: Transaction, replica: Replica, hold_until: datetime, reason: str) -> str:
    """Hold a replica that was made to be held for as long as the newest reason asks; any other stays as it is."""
    if replica.hold_until is not None and replica.hold_until < hold_until:
        held = replica_queries.update_replica(tx, replica, hold_until=hold_until)
        emit_replica(tx, held, "replica_held_longer", {"hold_until": hold_until.isoformat(), "reason": reason})
    return replica.replica_id


def _reason(event: InterruptionEvent) -> str:
    return "a rebalance recommendation" if event.kind is InterruptionKind.REBALANCE else "a warning about its pool"


def _replace_standby(tx: Transaction, scene: Scene) -> str | None:
    """Give up the standby that is being taken away."""
    if scene.instance.replica_id is None:
        return None
    replica = replica_queries.load_replica(tx, scene.agent.agent_id, scene.instance.replica_id)
    if replica.is_live:
        end_replica(tx, scene.agent, replica, ReplicaEvent.FAILED, "EC2 is taking it away")
        replica_progress.advance_replica(tx, replica.replica_id)
        if scene.running is not None:
            drive(tx, scene.agent, scene.running)
    return replica.replica_id
