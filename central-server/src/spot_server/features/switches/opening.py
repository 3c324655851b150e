"""Beginning a move: the checks, the plan, the rows. The caller holds the agent's row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused, NoImage, StateConflict, SwitchInProgress
from spot_server.features.agents.queries import Agent
from spot_server.features.images.service import withdraw_refresh
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.replicas.image_queries import find_image
from spot_server.features.replicas.image_rules import Purpose
from spot_server.features.replicas.launching import choose_image, rank_places, wish_of
from spot_server.features.replicas.placement import Ranking, Refusal
from spot_server.features.replicas.queries import Replica
from spot_server.features.spending.service import hold_back
from spot_server.features.switches import queries
from spot_server.features.switches.brought_volumes import find_brought
from spot_server.features.switches.expected_outages import ExpectedOutage, read_expected_outage
from spot_server.features.switches.losses import note_loss
from spot_server.features.switches.plans import plan_promotion, plan_rescue, plan_switch, steps_shown
from spot_server.features.switches.queries import Switch
from spot_server.features.volumes.queries import copy_seconds, primary_volumes
from spot_server.features.volumes.rules import ExpectedCopy, expect_copy
from spot_server.words import RESCUE_TRIGGERS, Carry, Mode, ReplicaStatus, StepName, SwitchStatus, SwitchTrigger


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do, shown before anything is touched."""

    steps: tuple[StepName, ...]
    ranking: Ranking
    takes_image: bool
    image_id: str | None
    handle_seconds: int
    """How long a client may still be led to the old instance after the handles moved: the longest time to live of a record."""
    copy: ExpectedCopy | None
    """How long the data volumes' copy to another AZ is expected to take; None when nothing is copied."""
    outage: ExpectedOutage | None
    """For how long the workload is expected to stand still; None when that was never measured."""
    loses_writes_since: datetime | None
    """Writes after this moment would be lost; None when none are, or when the agent is stateless."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a new switch starts from."""

    trigger: SwitchTrigger
    request_id: str
    initiated_by: str
    steps: tuple[StepName, ...]
    primary: Instance
    replica: Replica | None = None
    target: dict[str, Any] = field(default_factory=dict)
    image_id: str | None = None
    interruption_event_id: str | None = None
    deadline_at: datetime | None = None
    accepts_differences: bool = False
    """Whether who asked for it wants it although the new instance is not like the old one."""
    called_back: Instance | None = None
    """The instance to go back to; None when the new side is a replica, or is still to be made."""
    timing: dict[str, Any] = field(default_factory=dict)


def nowhere(ranking: Ranking) -> MoveRefused:
    """Return the refusal of a move for which no place fits, with every place and why."""
    reasons = {refusal.reason for refusal in ranking.refused}
    # What speaks against all of them is most likely what was asked for.
    why = f": {reasons.pop()}" if len(reasons) == 1 else ""
    return MoveRefused(f"no place fits this request{why}", refused=[refusal_members(refusal) for refusal in ranking.refused])


def refusal_members(refusal: Refusal) -> dict[str, str]:
    """Return a refused place as JSON, in a dry run's answer and in a problem alike."""
    place = refusal.place
    return {"mode": place.mode, "instance_type": place.instance_type, "az_id": place.az_id, "reason": refusal.reason}


def preview_switch(tx: Transaction, agent: Agent, target: dict[str, Any]) -> Preview:
    """Say where a move to `target` (mode, instance_type, az_id, each optional) would go and what it would take.

    Raises MoveRefused with every rejected place and why, or NoImage.
    """
    primary = movable_primary(tx, agent)
    ranking = rank_places(tx, agent, wish_of(agent, primary, is_standby=False, target=target), primary.product)
    if not ranking.suitable:
        raise nowhere(ranking)
    takes_image = agent.create_snapshot_on_switch or agent.carry is Carry.IMAGE_AFTER_QUIESCE
    # Without the primary: its own image is for emergencies, a planned move has time for a good one.
    image = choose_image(tx, agent, None, Purpose.PLANNED)
    if not takes_image and image is None:
        raise NoImage("snapshots on switch are off, and there is neither a good image nor a base image", agent_id=agent.agent_id)
    return Preview(
        steps=steps_shown(plan_switch(agent.carry, takes_image=takes_image), agent.traffic_handles),
        handle_seconds=handle_seconds(agent),
        ranking=ranking,
        takes_image=takes_image,
        image_id=None if takes_image or image is None else image.image_id,
        copy=_expected_copy(tx, agent, primary, leaves_zone=ranking.suitable[0].place.az_id != primary.az_id),
        outage=read_expected_outage(tx, agent),
        loses_writes_since=None,
    )


def handle_seconds(agent: Agent) -> int:
    """Return how long a client may still be led to the old side after the handles moved: the longest time to live of a record."""
    return max((handle.get("ttl_seconds", 0) for handle in agent.traffic_handles), default=0)


def _expected_copy(tx: Transaction, agent: Agent, primary: Instance, *, leaves_zone: bool) -> ExpectedCopy | None:
    if agent.carry is not Carry.VOLUME or not leaves_zone:
        return None
    return expect_copy(
        primary_volumes(tx, agent, primary).volumes, copy_seconds(tx, agent.agent_id), tx.policy.assumed_snapshot_mib_per_second
    )


def open_switch(tx: Transaction, agent: Agent, opening: Opening) -> Switch:
    """Store a new switch; SwitchInProgress, naming the one that runs, when the agent is already being moved."""
    require_no_move(tx, agent)
    withdraw_refresh(tx, agent, "a move begins")
    if opening.trigger in RESCUE_TRIGGERS:
        queries.forget_given_up(tx, agent.agent_id)
    switch = _new_switch(tx, agent, opening)
    queries.insert_switch(tx, switch, opening.steps)
    data = {
        "switch_id": switch.switch_id,
        "trigger": switch.trigger,
        "from": f"{switch.from_mode}/{switch.from_instance_type}/{switch.from_az_id}",
        "target": opening.target,
        "replica_id": switch.replica_id,
        "steps": list(steps_shown(opening.steps, agent.traffic_handles)),
    }
    tx.emit(
        "switch_started",
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=switch.from_instance_id,
        data=data,
    )
    return note_loss(tx, agent, switch, switch.image_id)


def require_no_move(tx: Transaction, agent: Agent, *, but: str | None = None) -> None:
    """Raise SwitchInProgress, naming the move that runs, unless it is `but`. Asked first: other refusals may come of that move."""
    running = queries.active_switch(tx, agent.agent_id)
    if running is not None and running.switch_id != but:
        raise SwitchInProgress(f"switch {running.switch_id} is {running.status}", switch_id=running.switch_id)


def require_enabled(agent: Agent) -> None:
    """Raise StateConflict for an agent that is disabled."""
    if not agent.enabled:
        raise StateConflict("the agent is disabled: it is observed, and not moved", agent_id=agent.agent_id)


def _new_switch(tx: Transaction, agent: Agent, opening: Opening) -> Switch:
    replica = opening.replica
    new = opening.called_back or replica
    wanted = _place_wanted(opening)
    is_rescue = opening.trigger in RESCUE_TRIGGERS  # what may be taken back needs the originals
    left = find_brought(tx, agent, replica.instance_id) if is_rescue and replica is not None else None
    brought = left if left is not None and left.holds_everything else None
    return Switch(
        switch_id=str(uuid.uuid4()),
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        active_key=agent.agent_id,
        request_id=opening.request_id,
        trigger=opening.trigger,
        status=SwitchStatus.RUNNING,
        initiated_by=opening.initiated_by,
        carry=agent.carry,
        traffic_handles=agent.traffic_handles,
        data_volumes=list(primary_volumes(tx, agent, opening.primary).volumes),
        from_instance_id=opening.primary.instance_id,
        from_instance_type=opening.primary.instance_type,
        from_az_id=opening.primary.az_id,
        from_mode=opening.primary.mode,
        to_instance_id=None if new is None else new.instance_id,
        to_instance_type=wanted.get("instance_type"),
        to_az_id=wanted.get("az_id"),
        to_mode=Mode(wanted["mode"]) if wanted.get("mode") else None,
        replica_id=None if replica is None else replica.replica_id,
        image_id=opening.image_id,
        interruption_event_id=opening.interruption_event_id,
        deadline_at=opening.deadline_at,
        loses_writes_since=None if brought is None else brought.switch.loses_writes_since,
        loss_window_seconds=None if brought is None else brought.switch.loss_window_seconds,
        epoch_before=agent.epoch,
        epoch_after=None,
        failed_step=None,
        failure=None,
        initiated_at=tx.now,
        ami_created_at=_image_time(tx, agent, opening.image_id),
        instance_launched_at=None if replica is None else replica.launched_at,
        instance_ready_at=None if replica is None else replica.ready_at,
        quiesced_at=None,
        serving_at=None,
        retire_at=None,
        old_terminated_at=None,
        completed_at=None,
        downtime_ms=None,
        downtime_basis=None,
        resume_at=None,
        differences=None,
        accepts_differences=opening.accepts_differences,
        timing={**opening.timing, **({} if brought is None else brought.timing)},
        version=1,
    )


def _place_wanted(opening: Opening) -> dict[str, Any]:
    if opening.called_back is not None:
        return _place_of(opening.called_back)
    is_placed = opening.replica is not None and opening.replica.attempt > 0
    return _place_of(opening.replica) if opening.replica is not None and is_placed else opening.target


def _place_of(side: Replica | Instance) -> dict[str, Any]:
    return {"mode": side.mode, "instance_type": side.instance_type, "az_id": side.az_id}


def _image_time(tx: Transaction, agent: Agent, image_id: str | None) -> datetime | None:
    image = None if image_id is None else find_image(tx, agent.agent_id, image_id)
    return None if image is None else image.available_at


def planned_opening(
    tx: Transaction, agent: Agent, *, target: dict[str, Any], request_id: str, initiated_by: str, trigger: SwitchTrigger
) -> Opening:
    """Prepare a planned move to a new instance.

    Raises as `preview_switch` does, StateConflict for an agent that is disabled, and MoveRefused where a spending guard would hold its
    launch back: a workload that is stopped before its image is made must not find that out afterwards.
    """
    require_enabled(agent)
    preview = preview_switch(tx, agent, target)
    held_back = hold_back(tx, agent)
    if held_back is not None:
        raise MoveRefused(held_back)
    return Opening(
        trigger=trigger,
        request_id=request_id,
        initiated_by=initiated_by,
        steps=preview.steps,
        primary=movable_primary(tx, agent),
        target=target,
        image_id=preview.image_id,
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """What forces a move, and until when the old instance is there."""

    trigger: SwitchTrigger
    request_id: str
    event_id: str | None
    action_at: datetime | None


def rescue_opening(agent: Agent, primary: Instance, replica: Replica | None, cause: Cause, *, image_id: str | None) -> Opening:
    """Prepare the move that a notice or a loss forces: to the replica that is there, or to one that is still to be launched."""
    is_ready = replica is not None and replica.status is ReplicaStatus.READY
    return Opening(
        trigger=cause.trigger,
        request_id=cause.request_id,
        initiated_by=cause.trigger,
        steps=plan_promotion(agent.carry) if is_ready else plan_rescue(agent.carry),
        primary=primary,
        replica=replica,
        image_id=image_id if replica is None else replica.image_id,
        interruption_event_id=cause.event_id,
        deadline_at=cause.action_at,
    )


def movable_primary(tx: Transaction, agent: Agent) -> Instance:
    """Return the PRIMARY to move from; StateConflict for a deleted agent, MoveRefused where there is none, or its mode is not known.

    MoveRefused, too, where the data volumes of the carry `volume` cannot come along.
    """
    if agent.is_deleted:
        raise StateConflict("the agent is deleted", agent_id=agent.agent_id)
    primary = primary_of(tx, agent.agent_id)
    if primary is None:
        raise MoveRefused("the agent has no primary instance now")
    if primary.mode is Mode.UNKNOWN:
        raise MoveRefused(
            "metadata and the EC2 API disagree about the primary's mode; no move is made before that is cleared",
            mode_evidence=primary.mode_evidence,
        )
    problem = primary_volumes(tx, agent, primary).problem
    if problem:
        raise MoveRefused(f"the data volumes cannot move: {problem}")
    return primary
