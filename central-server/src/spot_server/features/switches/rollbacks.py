"""Going back on a completed move: to the instance that it left, or to the newest image made before it. The caller holds the agent's row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused, NoImage, RequestIdReused
from spot_server.features.agents.queries import Agent, find_agent_of_client
from spot_server.features.audit.service import record
from spot_server.features.commands.attempts import is_going, load_daemons, notice_ends
from spot_server.features.instances.queries import Instance, load_instance, primary_of
from spot_server.features.replicas.image_queries import last_good_image
from spot_server.features.replicas.launching import bound_by, rank_places, wish_of
from spot_server.features.replicas.placement import Offer
from spot_server.features.replicas.termination import last_termination
from spot_server.features.switches import opening, queries
from spot_server.features.switches.driving import drive
from spot_server.features.switches.issuing import load_step
from spot_server.features.switches.losses import writes_lost_since
from spot_server.features.switches.opening import Opening
from spot_server.features.switches.plans import CARRY_STEPS, plan_promotion, plan_return_to_image, steps_shown
from spot_server.features.switches.promotions import Accepted, known_differences, require_likeness
from spot_server.features.switches.queries import CALLS_BACK, Switch
from spot_server.features.switches.rollback_rules import MoveToUndo, OldSide, why_not_undone, why_old_side_cannot_serve
from spot_server.features.switches.service import find_switch_of_agent
from spot_server.features.switches.silent_primaries import require_heard
from spot_server.features.volumes.queries import primary_volumes
from spot_server.features.volumes.rules import devices_of
from spot_server.words import Carry, StepName, StepStatus, SwitchTrigger, WayBack


@dataclass(frozen=True, slots=True)
class RollbackRequest:
    """What a person asked for."""

    request_id: str
    to: WayBack
    accepts: Accepted
    user_id: str


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """What going back would do, and what it would lose, shown before anything is touched."""

    switch_id: str
    to: WayBack
    steps: tuple[StepName, ...]
    primary: Instance
    called_back: Instance | None
    """The instance to go back to; None when a new one is launched."""
    image_id: str | None
    suitable: tuple[Offer, ...]
    """Where a new instance would be launched, the best place first; empty for the old instance."""
    loses_writes_since: datetime | None
    """What was written after this moment would be lost; None when nothing is, or when the agent is stateless."""
    loss_window_seconds: int | None
    handle_seconds: int
    timing: dict[str, Any] = field(default_factory=dict)
    """What the move keeps of it."""

    @property
    def to_instance_id(self) -> str | None:
        """The id of the instance to go back to."""
        return None if self.called_back is None else self.called_back.instance_id


def preview_rollback(tx: Transaction, client_id: str, agent_id: str, switch_id: str, to: WayBack) -> RollbackPlan:
    """Say what going back on a completed move would do, and touch nothing. Raises as `request_rollback` does, but for the loss."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    return _plan_rollback(tx, agent, find_switch_of_agent(tx, agent, switch_id), to)


def request_rollback(tx: Transaction, client_id: str, agent_id: str, switch_id: str, request: RollbackRequest) -> Switch:
    """Begin the move that goes back on a completed one; the same request again returns the same move.

    Raises SwitchInProgress, MoveRefused with why it cannot be or what would be lost, NoImage, StateConflict for an agent that is disabled,
    or RequestIdReused for another wish under the same request_id.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    move = find_switch_of_agent(tx, agent, switch_id)
    wanted = {"switch_id": switch_id, "to": request.to, "loss": request.accepts.loss, "differences": request.accepts.differences}
    earlier = queries.find_by_request(tx, agent_id, request.request_id)
    if earlier is not None:
        if earlier.timing.get("requested_rollback") != wanted:
            raise RequestIdReused(f"request_id {request.request_id!r} began switch {earlier.switch_id}")
        return earlier
    plan = _plan_rollback(tx, agent, move, request.to)
    _require_acceptance(tx, agent, plan, request.accepts)
    prepared = Opening(
        trigger=SwitchTrigger.ROLLBACK,
        request_id=request.request_id,
        initiated_by=request.user_id,
        steps=plan.steps,
        primary=plan.primary,
        image_id=plan.image_id,
        called_back=plan.called_back,
        accepts_differences=request.accepts.differences,
        timing={**plan.timing, "requested_rollback": wanted},
    )
    switch = opening.open_switch(tx, agent, prepared)
    record(
        tx,
        client_id=client_id,
        agent_id=agent_id,
        instance_id=switch.from_instance_id,
        user_id=request.user_id,
        action="switch.rollback_requested",
        reason=f"goes back on switch {switch_id}",
        pre_state={"epoch": agent.epoch},
        post_state={**wanted, "switch_id": switch.switch_id, "rolls_back": switch_id, "status": switch.status},
        request_id=request.request_id,
    )
    return drive(tx, agent, switch)


def _require_acceptance(tx: Transaction, agent: Agent, plan: RollbackPlan, accepts: Accepted) -> None:
    if plan.called_back is not None and not accepts.differences:
        require_likeness(
            plan.to_instance_id, known_differences(plan.primary, plan.called_back, devices_of(primary_volumes(tx, agent, plan.primary)))
        )
    if plan.loses_writes_since is None or accepts.loss:
        return
    since = plan.loses_writes_since.isoformat()
    raise MoveRefused(
        f"everything written since {since} ({plan.loss_window_seconds} s) would be lost; say accept_data_loss to go on",
        loses_writes_since=since,
        loss_window_seconds=plan.loss_window_seconds,
    )


def _plan_rollback(tx: Transaction, agent: Agent, move: Switch, to: WayBack) -> RollbackPlan:
    opening.require_no_move(tx, agent, but=move.switch_id)
    primary = primary_of(tx, agent.agent_id)
    newest = queries.newest_completed(tx, agent.agent_id)
    standing = MoveToUndo(
        switch_id=move.switch_id,
        status=move.status,
        promoted_id=move.to_instance_id,
        newest_completed_id=None if newest is None else newest.switch_id,
        primary_id=None if primary is None else primary.instance_id,
    )
    refusal = why_not_undone(standing)
    if refusal is not None:
        raise MoveRefused(refusal, switch_id=standing.newest_completed_id or move.switch_id, switch_status=move.status)
    opening.require_enabled(agent)
    primary = opening.movable_primary(tx, agent)
    require_heard(tx, primary)
    return _plan_to_image(tx, agent, move, primary) if to is WayBack.LAST_GOOD_IMAGE else _plan_to_old(tx, agent, move, primary)


def _plan_to_old(tx: Transaction, agent: Agent, move: Switch, primary: Instance) -> RollbackPlan:
    old = load_instance(tx, agent.agent_id, move.from_instance_id)
    refusal = why_old_side_cannot_serve(_old_side(tx, agent, move, old, primary))
    if refusal is not None:
        raise MoveRefused(
            f"{refusal}; to {WayBack.LAST_GOOD_IMAGE} is another way back, and says what it loses", instance_id=old.instance_id
        )
    state_of = _left_at(move)
    # With the carries that copy, the last pass brings what the old instance lacks; should it fail, the move is taken back.
    is_kept = agent.carry in {Carry.STATELESS, Carry.VOLUME} or agent.carry in CARRY_STEPS
    lost_since = None if is_kept else state_of
    return RollbackPlan(
        switch_id=move.switch_id,
        to=WayBack.OLD_INSTANCE,
        steps=steps_shown(plan_promotion(agent.carry), agent.traffic_handles),
        primary=primary,
        called_back=old,
        image_id=None,
        suitable=(),
        loses_writes_since=lost_since,
        loss_window_seconds=_seconds_since(tx, lost_since),
        handle_seconds=opening.handle_seconds(agent),
        timing={"rolls_back": move.switch_id, CALLS_BACK: state_of.isoformat()},
    )


def _plan_to_image(tx: Transaction, agent: Agent, move: Switch, primary: Instance) -> RollbackPlan:
    image = last_good_image(tx, agent.agent_id, until=_left_at(move))
    image_id = agent.base_image_id if image is None else image.image_id
    if image_id is None:
        raise NoImage("there is no good image from before this move, and no base image", agent_id=agent.agent_id)
    ranking = rank_places(tx, agent, wish_of(agent, primary, is_standby=False), primary.product)
    if not ranking.suitable:
        raise opening.nowhere(ranking)
    lost_since = None if agent.carry in CARRY_STEPS else writes_lost_since(tx, agent, image_id)
    return RollbackPlan(
        switch_id=move.switch_id,
        to=WayBack.LAST_GOOD_IMAGE,
        steps=steps_shown(plan_return_to_image(agent.carry), agent.traffic_handles),
        primary=primary,
        called_back=None,
        image_id=image_id,
        suitable=ranking.suitable,
        loses_writes_since=lost_since,
        loss_window_seconds=_seconds_since(tx, lost_since),
        handle_seconds=opening.handle_seconds(agent),
        timing={"rolls_back": move.switch_id},
    )


def _old_side(tx: Transaction, agent: Agent, move: Switch, old: Instance, primary: Instance) -> OldSide:
    ends_at = notice_ends(tx, agent.agent_id).get(old.instance_id)
    reachable = {daemon.instance_id for daemon in load_daemons(tx, agent) if daemon.is_reachable}
    ending = last_termination(tx, agent, old.instance_id)
    is_retiring = load_step(tx, move, StepName.RETIRE).status is StepStatus.RUNNING
    return OldSide(
        instance_id=old.instance_id,
        role=old.role,
        mode=old.mode,
        is_heard=old.instance_id in reachable,
        last_heard_at=old.last_heartbeat_at,
        ends_at=ends_at if is_going(tx, old, ends_at) else None,
        is_retirement_begun=is_retiring or old.end_asked_at is not None or (ending is not None and ending.is_open),
        bound_by=None if old.az_id == primary.az_id else bound_by(agent),
    )


def _left_at(move: Switch) -> datetime:
    """Return the moment from which on the old instance, and every image from before, may lack what was written."""
    return move.serving_at or move.completed_at or move.initiated_at


def _seconds_since(tx: Transaction, since: datetime | None) -> int | None:
    return None if since is None else max(0, round((tx.now - since).total_seconds()))
