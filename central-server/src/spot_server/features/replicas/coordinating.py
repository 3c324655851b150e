"""The ReplicaCoordinator: compares the standbys of one agent with those that are wanted. Everything here may be repeated."""

from __future__ import annotations

import uuid

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.instances.queries import Instance, primary_of
from spot_server.features.notifications.service import notify
from spot_server.features.replicas import progress, queries
from spot_server.features.replicas.ending import end_replica
from spot_server.features.replicas.launching import rank_places, wish_of
from spot_server.features.replicas.placement import Place, shares_fate
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.rules import ReplicaEvent
from spot_server.features.replicas.scenes import COORDINATOR_REQUEST_PREFIX, is_asked_for
from spot_server.features.replicas.service import make_standby
from spot_server.features.replicas.standby_rules import StandbyFacts, pause_end, plan_standbys
from spot_server.features.switches import queries as switch_queries
from spot_server.words import Severity

SURPLUS = "a standby that is better, or none, is wanted"
"""Why a standby was given up that the plan does not keep."""


def coordinate(tx: Transaction, *, agent_id: str) -> str | None:
    """Compare the manual replicas of one agent with those wanted, and end what nobody needs; return what was done, or None."""
    agent = load_agent(tx, agent_id, for_update=True)
    if agent.is_deleted or not agent.enabled:
        return None
    running = switch_queries.active_switch(tx, agent_id)
    in_handover = None if running is None else running.replica_id
    replicas = queries.live_replicas(tx, agent_id)
    stood_down = _stand_down(tx, agent, replicas, in_handover)
    primary = primary_of(tx, agent_id)
    wanted_count = agent.replica_count if agent.manual_replica_enabled else 0
    plan = plan_standbys(wanted_count=wanted_count, replicas=[_facts(tx, agent, replica, primary, in_handover) for replica in replicas])
    for replica_id in plan.retire:
        _retire(tx, agent, queries.load_replica(tx, agent_id, replica_id), SURPLUS)
    made = 0
    # While a move runs, the primary is about to change: a standby placed now could land beside the next one.
    if plan.create_count and running is None and not _is_pausing(tx, agent):
        made = sum(_make_one(tx, agent) for _ in range(plan.create_count))
    if not (made or plan.retire or stood_down):
        return None
    return f"{agent.logical_agent_id}: {made} made, {len(plan.retire)} surplus, {stood_down} stood down"


def _facts(tx: Transaction, agent: Agent, replica: Replica, primary: Instance | None, in_handover: str | None) -> StandbyFacts:
    return StandbyFacts(
        replica_id=replica.replica_id,
        kind=replica.kind,
        status=replica.status,
        created_at=replica.created_at,
        is_in_handover=replica.replica_id == in_handover,
        is_misplaced=primary is not None and _is_misplaced(tx, agent, replica, primary),
        is_asked_for=is_asked_for(replica.request_id),
    )


def _is_misplaced(tx: Transaction, agent: Agent, replica: Replica, primary: Instance) -> bool:
    """Tell whether it shares the primary's stock and need not: a move may have brought the primary beside it."""
    if not shares_fate(replica.place, Place(primary.instance_type, primary.az_id, primary.mode)):
        return False
    return bool(rank_places(tx, agent, wish_of(agent, primary, is_standby=True), primary.product).suitable)


def _stand_down(tx: Transaction, agent: Agent, replicas: list[Replica], in_handover: str | None) -> int:
    due = [
        replica
        for replica in replicas
        if replica.hold_until is not None and replica.hold_until <= tx.now and replica.replica_id != in_handover
    ]
    for replica in due:
        _retire(tx, agent, replica, "nothing happened in the hold after the recommendation")
    return len(due)


def _retire(tx: Transaction, agent: Agent, replica: Replica, reason: str) -> None:
    end_replica(tx, agent, replica, ReplicaEvent.RETIRED, reason)
    progress.advance_replica(tx, replica.replica_id)


def _is_pausing(tx: Transaction, agent: Agent) -> bool:
    """Tell whether standbys failed one after the other, the last one so lately that another would fail too."""
    end = pause_end(queries.manual_outcomes(tx, [agent.agent_id]).get(agent.agent_id, []))
    return end is not None and tx.now < end


def _make_one(tx: Transaction, agent: Agent) -> bool:
    request_id = f"{COORDINATOR_REQUEST_PREFIX}{uuid.uuid4()}"
    replica = make_standby(tx, agent, request_id=request_id, reason="manual replica mode wants one")
    if replica is not None:
        return True
    notify(
        tx,
        client_id=agent.client_id,
        agent_id=agent.agent_id,
        severity=Severity.WARNING,
        kind="standby_without_image",
        text=f"no standby of {agent.logical_agent_id} can be made: there is no good image and no base image",
        dedupe_key=f"standby_without_image/{agent.agent_id}/{agent.epoch}",
    )
    return False
