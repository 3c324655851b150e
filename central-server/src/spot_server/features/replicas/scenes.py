"""What the coordinator sees of every agent before it holds the row of any: one query, whatever their number."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy import Row, and_, or_, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import agents, instances, replica_instances, switches
from spot_server.features.replicas.placement import Place, shares_fate
from spot_server.features.replicas.queries import manual_outcomes
from spot_server.features.replicas.standby_rules import (
    SeenStandby,
    StandbyFacts,
    StandbyNeed,
    StandbyScene,
    pause_end,
    standby_need,
)
from spot_server.words import LIVE_REPLICA_STATUSES

COORDINATOR_REQUEST_PREFIX = "standby/"
"""Begins the request_id of every standby that the coordinator makes by itself."""


def agents_to_coordinate(tx: Transaction) -> list[str]:
    """Return the agents that the coordinator has to look at now, of those that live, are enabled, and want or have standbys.

    Those that only lack a standby are left out for as long as they pause after failures.
    """
    needs = {scene.agent_id: standby_need(scene, tx.now) for scene in read_scenes(tx)}
    lacking = [agent_id for agent_id, need in needs.items() if need is StandbyNeed.ANOTHER]
    outcomes = manual_outcomes(tx, lacking) if lacking else {}
    pauses = {agent_id: pause_end(outcome) for agent_id, outcome in outcomes.items()}
    pausing = {agent_id for agent_id, end in pauses.items() if end is not None and tx.now < end}
    return [agent_id for agent_id, need in needs.items() if need is not StandbyNeed.NOTHING and agent_id not in pausing]


_SCENES = (
    select(
        agents.c.agent_id,
        agents.c.manual_replica_enabled,
        agents.c.replica_count,
        switches.c.switch_id,
        switches.c.replica_id.label("moving_replica_id"),
        instances.c.instance_id,
        instances.c.instance_type.label("primary_type"),
        instances.c.az_id.label("primary_az_id"),
        instances.c.mode.label("primary_mode"),
        *[replica_instances.c[name] for name in ("replica_id", "kind", "status", "created_at", "request_id", "hold_until")],
        *[replica_instances.c[name] for name in ("instance_type", "az_id", "mode")],
    )
    .select_from(agents)
    .outerjoin(
        replica_instances,
        and_(replica_instances.c.agent_id == agents.c.agent_id, replica_instances.c.status.in_(LIVE_REPLICA_STATUSES)),
    )
    .outerjoin(instances, instances.c.primary_of == agents.c.agent_id)
    .outerjoin(switches, switches.c.active_key == agents.c.agent_id)
    .where(
        agents.c.deleted_at.is_(None),
        agents.c.enabled.is_(True),
        or_(agents.c.manual_replica_enabled.is_(True), replica_instances.c.replica_id.is_not(None)),
    )
    .order_by(agents.c.agent_id)
)


def read_scenes(tx: Transaction) -> list[StandbyScene]:
    """Return the standbys of every agent that lives, is enabled, and wants or has some, in the order of their ids."""
    return [_scene(list(of_agent)) for _agent_id, of_agent in groupby(tx.execute(_SCENES), key=lambda row: row.agent_id)]


def is_asked_for(request_id: str) -> bool:
    """Tell whether a person, and not the coordinator, asked for the replica with this request."""
    return not request_id.startswith(COORDINATOR_REQUEST_PREFIX)


def _scene(rows: list[Row[*tuple[Any, ...]]]) -> StandbyScene:
    first = rows[0]
    return StandbyScene(
        agent_id=first.agent_id,
        wanted_count=first.replica_count if first.manual_replica_enabled else 0,
        is_moving=first.switch_id is not None,
        standbys=tuple(_standby(row) for row in rows if row.replica_id is not None),
    )


def _standby(row: Row[*tuple[Any, ...]]) -> SeenStandby:
    primary = None if row.instance_id is None else Place(row.primary_type, row.primary_az_id, row.primary_mode)
    facts = StandbyFacts(
        replica_id=row.replica_id,
        kind=row.kind,
        status=row.status,
        created_at=row.created_at,
        is_in_handover=row.replica_id == row.moving_replica_id,
        is_asked_for=is_asked_for(row.request_id),
    )
    is_beside = primary is not None and shares_fate(Place(row.instance_type, row.az_id, row.mode), primary)
    return SeenStandby(facts, shares_fate=is_beside, hold_until=row.hold_until)
