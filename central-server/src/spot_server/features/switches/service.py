"""The use cases of switches. Each takes the agent's row first and may be repeated."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused, NotFound, RequestIdReused, StateConflict
from spot_server.features.agents.queries import Agent, find_agent_of_client, load_agent
from spot_server.features.audit.service import record
from spot_server.features.instances.queries import load_instance
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.switches import opening, queries
from spot_server.features.switches.carry_payloads import note_progress
from spot_server.features.switches.driving import drive
from spot_server.features.switches.opening import Preview
from spot_server.features.switches.promotions import NOTHING_ACCEPTED, Accepted, PromotionPlan, preview_promotion, promotion_opening
from spot_server.features.switches.queries import Switch
from spot_server.features.switches.retirement import advance_retirement
from spot_server.features.switches.silent_primaries import require_heard
from spot_server.features.switches.status_rules import SwitchEvent, next_switch_status
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import Role, StepName, StepStatus, SwitchStatus, SwitchTrigger


@dataclass(frozen=True, slots=True)
class SwitchRequest:
    """What a person asked for. `target` holds mode, instance_type, az_id, each only if it was said."""

    request_id: str
    target: dict[str, Any]
    user_id: str
    accepts_differences: bool = False


def request_switch(tx: Transaction, client_id: str, agent_id: str, request: SwitchRequest) -> Switch:
    """Begin a planned move; the same request again returns the same switch.

    Raises SwitchInProgress, MoveRefused, NoImage, StateConflict, or RequestIdReused for another target under the same request_id.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    earlier = queries.find_by_request(tx, agent_id, request.request_id)
    if earlier is not None:
        asked = (earlier.timing.get("requested_target"), earlier.accepts_differences)
        if asked != (request.target, request.accepts_differences):
            raise RequestIdReused(f"request_id {request.request_id!r} began switch {earlier.switch_id}")
        return earlier
    opening.require_no_move(tx, agent)
    require_heard(tx, opening.movable_primary(tx, agent))
    planned = opening.planned_opening(
        tx,
        agent,
        target=request.target,
        request_id=request.request_id,
        initiated_by=request.user_id,
        trigger=SwitchTrigger.MANUAL,
    )
    switch = opening.open_switch(tx, agent, replace(planned, accepts_differences=request.accepts_differences))
    switch = queries.update_switch(tx, switch, timing={"requested_target": request.target})
    _audit(tx, agent, switch, request.user_id, "switch.requested", request.request_id)
    return drive(tx, agent, switch)


def preview(tx: Transaction, client_id: str, agent_id: str, target: dict[str, Any]) -> Preview:
    """Say what a switch would do, and touch nothing."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    require_heard(tx, opening.movable_primary(tx, agent))
    return opening.preview_switch(tx, agent, target)


def preview_promotion_to(tx: Transaction, client_id: str, agent_id: str, replica_id: str) -> PromotionPlan:
    """Say what a handover to a replica would do, need and lose, and touch nothing."""
    agent = find_agent_of_client(tx, client_id, agent_id)
    return preview_promotion(tx, agent, replica_queries.load_replica(tx, agent_id, replica_id))


def request_promotion(
    tx: Transaction,
    client_id: str,
    agent_id: str,
    replica_id: str,
    *,
    request_id: str,
    user_id: str,
    accepts: Accepted = NOTHING_ACCEPTED,
) -> Switch:
    """Begin a handover to a replica; the same request again returns the same switch.

    Raises SwitchInProgress, StateConflict for an agent that is disabled, MoveRefused with what would be lost, or RequestIdReused for
    another replica, or another acceptance, under the same request_id.
    """
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    earlier = queries.find_by_request(tx, agent_id, request_id)
    if earlier is not None:
        if (earlier.replica_id, earlier.timing.get(queries.ACCEPTED)) != (replica_id, asdict(accepts)):
            raise RequestIdReused(f"request_id {request_id!r} began switch {earlier.switch_id}")
        return earlier
    opening.require_no_move(tx, agent)
    opening.require_enabled(agent)
    replica = replica_queries.load_replica(tx, agent_id, replica_id)
    planned = promotion_opening(tx, agent, replica, request_id=request_id, initiated_by=user_id, accepts=accepts)
    switch = opening.open_switch(tx, agent, planned)
    _audit(tx, agent, switch, user_id, "replica.promotion_requested", request_id)
    return drive(tx, agent, switch)


def cancel(tx: Transaction, client_id: str, agent_id: str, switch_id: str, *, user_id: str) -> Switch:
    """Take a move back while the new instance is not yet PRIMARY; MoveRefused after that, or under a notice."""
    agent = find_agent_of_client(tx, client_id, agent_id, for_update=True)
    switch = find_switch_of_agent(tx, agent, switch_id)
    if switch.status is SwitchStatus.ROLLING_BACK:
        return switch
    if switch.status is not SwitchStatus.RUNNING:
        raise StateConflict(f"switch {switch_id} is {switch.status}", switch_status=switch.status)
    promoted = any(step.name is StepName.PROMOTE and step.status is StepStatus.DONE for step in queries.list_steps(tx, switch_id))
    is_old_gone = load_instance(tx, agent_id, switch.from_instance_id).role is Role.TERMINATED
    if promoted or is_old_gone or switch.deadline_at is not None:
        reason = "the new instance is the primary already" if promoted else "the old instance is being taken away, or gone"
        raise MoveRefused(reason, switch_id=switch_id)
    status = next_switch_status(switch.status, SwitchEvent.CANCEL_ASKED)
    cancelled = queries.update_switch(tx, switch, status=status, failure=f"cancelled by {user_id}", failed_step=None)
    _audit(tx, agent, cancelled, user_id, "switch.cancelled", None)
    return drive(tx, agent, cancelled)


def advance_switch(tx: Transaction, agent_id: str, switch_id: str) -> None:
    """Take every step that can be taken now; harmless when there is none. Used after each answer and by the sweep."""
    agent = load_agent(tx, agent_id, for_update=True)
    switch = queries.find_switch(tx, switch_id)
    if switch is not None:
        _advance(tx, agent, switch)


def _advance(tx: Transaction, agent: Agent, seen: Switch) -> None:
    """Take every step of a switch of this agent; both were read under the agent's lock."""
    switch = seen
    if switch.is_active:
        switch = drive(tx, agent, switch)
    if switch is not seen:
        agent = load_agent(tx, agent.agent_id)
    if switch.status is SwitchStatus.COMPLETED:
        advance_retirement(tx, agent, switch)


def advance_switch_of_agent(tx: Transaction, agent_id: str) -> None:
    """Advance the agent's active move, if there is one."""
    agent = load_agent(tx, agent_id, for_update=True)
    switch = queries.active_switch(tx, agent_id)
    if switch is not None:
        _advance(tx, agent, switch)


def find_switch_of_agent(tx: Transaction, agent: Agent, switch_id: str) -> Switch:
    """Return the agent's switch; the same NotFound for another agent's as for an unknown one."""
    switch = queries.find_switch(tx, switch_id)
    if switch is None or switch.agent_id != agent.agent_id:
        raise NotFound(f"there is no switch {switch_id}")
    return switch


def read_switch(tx: Transaction, client_id: str, agent_id: str, switch_id: str) -> Switch:
    """Return one switch of the client's agent."""
    return find_switch_of_agent(tx, find_agent_of_client(tx, client_id, agent_id), switch_id)


def list_history(tx: Transaction, client_id: str, *, agent_id: str | None, limit: int, cursor: str | None) -> Page[Switch]:
    """Return the client's switches, newest first, of one agent or of all."""
    rows = queries.list_switches(tx, client_id, agent_id=agent_id, before=read_moment_cursor(cursor), limit=limit + 1)
    return page_of(rows, limit=limit, position=lambda row: moment_position(row.initiated_at, row.switch_id))


def merge_report(tx: Transaction, agent_id: str, switch_id: str, timing: dict[str, Any], detail: dict[str, Any]) -> Switch:
    """Take a daemon's times of a switch: the server fills in only what it does not know yet, and keeps the document."""
    agent = load_agent(tx, agent_id, for_update=True)
    switch = find_switch_of_agent(tx, agent, switch_id)
    progress = detail.get("step_progress")
    if isinstance(progress, dict):
        note_progress(tx, switch, progress)
        return switch
    times = ("ami_created_at", "instance_launched_at", "instance_ready_at", "old_terminated_at")
    missing = {name: timing[name] for name in times if timing.get(name) is not None and getattr(switch, name) is None}
    kept = {name: value.isoformat() for name, value in timing.items() if value is not None}
    document = {**switch.timing, "daemon_report": {"timing": kept, "detail": detail}}
    return queries.update_switch(tx, switch, timing=document, **missing)


def _audit(tx: Transaction, agent: Agent, switch: Switch, user_id: str, action: str, request_id: str | None) -> None:
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=switch.from_instance_id,
        user_id=user_id,
        action=action,
        reason=switch.failure or "",
        pre_state={"epoch": agent.epoch},
        post_state={"switch_id": switch.switch_id, "status": switch.status, "target": switch.timing.get("requested_target")},
        request_id=request_id,
    )
