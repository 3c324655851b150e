"""Acting on a decision through the one mechanism of moves, with every guard asked again of the rows as they are now."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any

from spot_server.db.runner import Transaction
from spot_server.errors import MoveRefused, NoImage, StateConflict, SwitchInProgress
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.audit.service import record
from spot_server.features.decisions import queries
from spot_server.features.decisions.calendar_rules import is_open
from spot_server.features.decisions.fleet_queries import read_pasts
from spot_server.features.decisions.recording import Tick, ToAct
from spot_server.features.decisions.rules import ActFacts, why_held_back
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.kept.queries import is_restore_suspected
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas.answers import emit_replica
from spot_server.features.replicas.launching import choose_image
from spot_server.features.replicas.placement import Place, shares_fate
from spot_server.features.replicas.progress import NewReplica, create_replica
from spot_server.features.replicas.queries import Replica
from spot_server.features.switches.driving import drive
from spot_server.features.switches.opening import open_switch, planned_opening
from spot_server.words import Action, Mode, ReplicaKind, SwitchTrigger


class Acted(StrEnum):
    """What came of a decision that asked for something."""

    HELD_BACK = "held_back"
    BEGAN = "began"
    HELD_LONGER = "held_longer"
    """The replica that it asked for is there, and was asked to stay: nothing was launched."""


def act(tx: Transaction, todo: ToAct, tick: Tick) -> Acted:
    """Begin what the decision asks for, or store why it is held back. Once for each agent and tick."""
    agent = load_agent(tx, todo.told.agent.agent_id, for_update=True)
    primary = primary_of(tx, agent.agent_id)
    reason = why_held_back(_facts(tx, todo, tick, agent, primary))
    held = _lapsing_replica(tx, todo, tick, primary) if reason is None else None
    done: dict[str, Any] = {}
    if reason is None and held is not None:
        reason, done = _hold_longer(tx, agent, held, todo.decision_id)
    elif reason is None:
        reason, done = _begin(tx, todo, agent, f"decision/{tick.at:%Y-%m-%dT%H:%M:%SZ}")
    queries.note_outcome(tx, todo.decision_id, held_back_because=reason, acted_at=tx.now if done else None, **done)
    if reason is not None:
        return Acted.HELD_BACK
    return Acted.BEGAN if held is None else Acted.HELD_LONGER


def _facts(tx: Transaction, todo: ToAct, tick: Tick, agent: Agent, primary: Instance | None) -> ActFacts:
    past = read_pasts(tx, [agent.agent_id], lasting_until=tick.after_next)[agent.agent_id]
    return ActFacts(
        action=todo.told.asked.decision.action,
        answer=todo.told.asked.kind,
        is_deleted=agent.is_deleted,
        enabled=agent.enabled,
        auto_switch_enabled=agent.auto_switch_enabled,
        manual_replica_enabled=agent.manual_replica_enabled,
        early_replica_on_warning=agent.early_replica_on_warning,
        is_same_primary=primary is not None and primary.instance_id == todo.told.primary.instance_id,
        mode=Mode.UNKNOWN if primary is None else primary.mode,
        is_moving=past.is_moving,
        lasting_replicas=past.lasting_replicas,
        moves_in_day=past.moves_in_day,
        moves_per_day=agent.moves_per_day,
        may_move_now=is_open(agent.maintenance_window, tx.now),
        is_restore_suspected=is_restore_suspected(tx, agent.client_id),
    )


def _begin(tx: Transaction, todo: ToAct, agent: Agent, request_id: str) -> tuple[str | None, dict[str, Any]]:
    """Return why it cannot be begun, or what was begun."""
    decision, by = todo.told.asked.decision, f"model {todo.told.model.name}"
    mode, instance_type, az_id = (decision.target or "//").split("/")
    target = {"mode": mode, "instance_type": instance_type, "az_id": az_id}
    if decision.action is Action.CREATE_REPLICA:
        return _begin_replica(tx, agent, target, request_id)
    try:
        planned = planned_opening(tx, agent, target=target, request_id=request_id, initiated_by=by, trigger=SwitchTrigger.AUTOMATIC)
        switch = open_switch(tx, agent, planned)
    except (MoveRefused, NoImage, StateConflict, SwitchInProgress) as refusal:
        return refusal.detail, {}
    record(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        instance_id=switch.from_instance_id,
        user_id=by,
        action="switch.decided",
        reason=decision.reasoning,
        pre_state={"epoch": agent.epoch},
        post_state={"switch_id": switch.switch_id, "target": target, "decision_id": todo.decision_id, "confidence": decision.confidence},
        request_id=request_id,
    )
    drive(tx, agent, switch)
    return None, {"switch_id": switch.switch_id}


def _lapsing_replica(tx: Transaction, todo: ToAct, tick: Tick, primary: Instance | None) -> Replica | None:
    """Return the replica that is what the decision asks for, but for its hold, which ends before the tick after next; None: there is none.

    Paid for as the decision wants it (or not launched yet), and not beside the PRIMARY, where the same shortage would take both.
    """
    decision = todo.told.asked.decision
    if decision.action is not Action.CREATE_REPLICA or decision.target is None or primary is None:
        return None
    mode, beside = decision.target.split("/")[0], Place(primary.instance_type, primary.az_id, primary.mode)
    for replica in replica_queries.nearest_live_replicas(tx, primary.agent_id):
        is_lapsing = replica.hold_until is not None and replica.hold_until < tick.after_next
        if is_lapsing and replica.mode in {mode, Mode.UNKNOWN} and not shares_fate(replica.place, beside):
            return replica
    return None


def _hold_longer(tx: Transaction, agent: Agent, replica: Replica, decision_id: str) -> tuple[str | None, dict[str, Any]]:
    """Hold the replica for as long as if it were made now, whoever asked for it: never for less than it is held already."""
    hold_until = tx.now + timedelta(seconds=agent.rebalance_hold_seconds)
    if replica.hold_until is None or hold_until <= replica.hold_until:
        return "its replica is held for longer already than rebalance_hold_seconds from now", {}
    held = replica_queries.update_replica(tx, replica, hold_until=hold_until)
    told = {"decision_id": decision_id, "hold_until": hold_until.isoformat(), "held_until_before": replica.hold_until.isoformat()}
    emit_replica(tx, held, "replica_held_longer", told)
    return None, {"replica_id": held.replica_id}


def _begin_replica(tx: Transaction, agent: Agent, target: dict[str, str], request_id: str) -> tuple[str | None, dict[str, Any]]:
    """Have a replica ready in the target for as long as a recommendation's is held."""
    image = choose_image(tx, agent, primary_of(tx, agent.agent_id))
    if image is None:
        return "there is no image to launch a replica from", {}
    new = NewReplica(
        kind=ReplicaKind.EMERGENCY,
        request_id=request_id,
        image_id=image.image_id,
        reason="a decision: a loss is likely",
        wish=target,
        hold_until=tx.now + timedelta(seconds=agent.rebalance_hold_seconds),
    )
    return None, {"replica_id": create_replica(tx, agent, new).replica_id}
