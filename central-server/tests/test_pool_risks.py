"""The risk of pools: computed from what all clients' instances went through, restartable, in few statements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from sqlalchemy import Engine, delete, insert, select, update

from server_support.clock import START, FakeClock
from server_support.counting import Cost, counted
from server_support.fleet import Fleet
from spot_server.db.runner import Database
from spot_server.db.tables import instances, pool_cooldowns, pool_risk_analysis, replica_instances, spot_interruption_events
from spot_server.features.agents.queries import Agent
from spot_server.features.cooldowns.queries import PoolKey as CooledPool
from spot_server.features.cooldowns.service import note_shortage
from spot_server.features.pricing.queries import ensure_pools
from spot_server.features.risk import queries, service
from spot_server.features.risk.advisor import AdvisorBand
from spot_server.features.risk.jobs import RiskAnalysis
from spot_server.features.risk.model import load_model
from spot_server.features.risk.queries import ROWS_PER_STATEMENT, PoolRisk
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import InterruptionKind, Mode, ReplicaKind, ReplicaStatus

REGION, PRODUCT = "us-east-1", "Linux/UNIX"
HERE, BESIDE, OTHER_TYPE = ("use1-az1", "m5.large"), ("use1-az2", "m5.large"), ("use1-az1", "c5.large")


@pytest.fixture
def fleet(database: Database) -> Fleet:
    """A client, and three pools of which prices are known."""
    database.write(lambda tx: ensure_pools(tx, [(REGION, az_id, kind, PRODUCT) for az_id, kind in (HERE, BESIDE, OTHER_TYPE)]))
    return Fleet.on(database)


def context_of(database: Database, clock: FakeClock) -> JobContext:
    return JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())


def analyse(database: Database, clock: FakeClock) -> str:
    return RiskAnalysis(load_model())(context_of(database, clock))


def risks(database: Database) -> dict[tuple[str, str], PoolRisk]:
    found = database.read(lambda tx: queries.latest_risks(tx, REGION, {"m5.large", "c5.large"}))
    return {(one.az_id, one.instance_type): one for one in found}


def lose(fleet: Fleet, agent: Agent, instance_id: str, **changes: Any) -> None:
    """Record that EC2 takes the agent's instance."""
    seen = fleet.instance(agent, instance_id)
    values = {
        "event_id": str(uuid4()),
        "client_id": agent.client_id,
        "agent_id": agent.agent_id,
        "notice_id": str(uuid4()),
        "instance_id": instance_id,
        "kind": InterruptionKind.TERMINATE,
        "instance_role": "PRIMARY",
        "region": seen.region,
        "az_id": seen.az_id,
        "instance_type": seen.instance_type,
        "detected_at": START,
        "received_at": START,
        "response": "none",
    }
    fleet.execute(insert(spot_interruption_events).values({**values, **changes}))


def bands(fleet: Fleet, band: int, day: int = 28) -> int:
    row = AdvisorBand(REGION, "m5.large", band, 60, datetime(2025, 6, day, tzinfo=UTC))
    return fleet.database.write(lambda tx: service.import_bands(tx, [row]))


def test_every_pool_gets_a_row_and_none_a_second_one_in_the_same_quarter_of_an_hour(
    fleet: Fleet, database: Database, clock: FakeClock
) -> None:
    said = [analyse(database, clock), analyse(database, clock)]
    clock.advance(900)
    said.append(analyse(database, clock))

    assert said == ["computed the risk of 3 pools", "", "computed the risk of 3 pools"]
    rows = database.read(lambda tx: tx.execute(select(pool_risk_analysis.c.computed_at)).scalars().all())
    assert len(rows) == 6
    assert {(moment.minute % 15, moment.second) for moment in rows} == {(0, 0)}
    assert {one.computed_at for one in risks(database).values()} == {max(rows)}


def test_a_loss_raises_the_risk_of_its_pool_most_then_of_its_type_then_of_its_zone(
    fleet: Fleet, database: Database, clock: FakeClock
) -> None:
    agent = fleet.agent()
    analyse(database, clock)
    before = risks(database)

    lose(fleet, agent, "i-1")
    clock.advance(900)
    analyse(database, clock)

    after = risks(database)
    rise = {pool: after[pool].chance_hour / before[pool].chance_hour for pool in (HERE, BESIDE, OTHER_TYPE)}
    assert rise[HERE] > rise[BESIDE] > rise[OTHER_TYPE] > 1.0
    assert after[HERE].score > before[HERE].score
    assert after[HERE].inputs["losses"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": InterruptionKind.REBALANCE},
        {"kind": InterruptionKind.SILENCE},
        {"kind": InterruptionKind.POOL_WARNING},
        {"game_day_id": "game-1"},
        {"received_at": START - timedelta(days=29)},
    ],
)
def test_what_is_no_loss_of_late_counts_as_none(fleet: Fleet, database: Database, clock: FakeClock, changes: dict[str, Any]) -> None:
    lose(fleet, fleet.agent(), "i-1", **changes)

    analyse(database, clock)

    assert [one.inputs["losses"] for one in risks(database).values()] == [0, 0, 0]


def test_a_loss_that_is_told_twice_is_one(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    agent = fleet.agent()
    lose(fleet, agent, "i-1")
    lose(fleet, agent, "i-1", kind=InterruptionKind.LOSS)

    analyse(database, clock)

    assert risks(database)[HERE].inputs["losses"] == 1


def test_instances_on_demand_say_nothing_of_a_pool(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    agent = fleet.agent()
    fleet.execute(update(instances).values(mode=Mode.ON_DEMAND))
    lose(fleet, agent, "i-1")

    analyse(database, clock)

    assert (risks(database)[HERE].inputs["losses"], risks(database)[HERE].inputs["instance_hours"]) == (0, 0.0)


def test_instances_that_live_on_lower_the_risk_of_their_pool_and_our_own_ends_are_no_losses(
    fleet: Fleet, database: Database, clock: FakeClock
) -> None:
    bands(fleet, 4)
    agent = fleet.agent()
    analyse(database, clock)
    before = risks(database)[HERE].chance_day
    for _ in range(20):
        clock.advance(24 * 3600)
        fleet.note_heartbeats(clock.now())
    fleet.execute(update(instances).where(instances.c.agent_id == agent.agent_id).values(terminated_at=clock.now()))

    clock.advance(900)
    analyse(database, clock)

    found = risks(database)[HERE]
    assert found.chance_day < before
    assert found.inputs["instance_hours"] == pytest.approx(480)
    assert found.inputs["losses"] == 0


def test_the_band_is_where_a_pool_begins(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    bands(fleet, 4)

    analyse(database, clock)

    found = risks(database)
    assert found[HERE].chance_day > found[OTHER_TYPE].chance_day
    assert (found[HERE].advisor_band, found[OTHER_TYPE].advisor_band) == (4, None)


def test_an_older_snapshot_does_not_take_the_place_of_a_newer_one(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    counts = [bands(fleet, 4, day=28), bands(fleet, 0, day=27), bands(fleet, 3, day=28)]

    analyse(database, clock)

    assert counts == [1, 0, 1]
    assert risks(database)[HERE].advisor_band == 3


def test_a_stored_snapshot_of_a_day_to_come_gives_way(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    """Files were once taken without a look at their days."""
    to_come = AdvisorBand(REGION, "m5.large", 4, 60, datetime(2099, 1, 1, tzinfo=UTC))
    database.write(lambda tx: service.import_bands(tx, [to_come]))

    count = bands(fleet, 2)

    analyse(database, clock)
    assert (count, risks(database)[HERE].advisor_band) == (1, 2)


def test_a_row_shows_the_pools_cool_down_and_how_long_instances_took_to_boot(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    pool = CooledPool(REGION, HERE[0], HERE[1])
    database.write(lambda tx: note_shortage(tx, pool, code="InsufficientInstanceCapacity"))
    boots(fleet, fleet.agent(), 40.0, count=3)
    boots(fleet, fleet.agent("web-2", instance_id="i-2"), 4.0, count=9, registered_after_seconds=0.0)

    analyse(database, clock)

    found = risks(database)[HERE]
    until = database.read(lambda tx: tx.execute(select(pool_cooldowns.c.until_at)).scalar_one())
    assert (found.cooldown_until, found.shortage_count) == (until, 1)
    assert (found.boot_seconds, found.boot_count) == (40.0, 3)


def boots(fleet: Fleet, agent: Agent, seconds: float, *, count: int, registered_after_seconds: float = 1.0) -> None:
    """Replicas of the agent that got ready in its pool. Of those that registered at once it is not known when they were launched."""
    launched_at = START - timedelta(seconds=seconds)
    for _ in range(count):
        values = {
            "replica_id": (name := str(uuid4())),
            "client_id": agent.client_id,
            "agent_id": agent.agent_id,
            "request_id": name,
            "kind": ReplicaKind.SWITCH,
            "status": ReplicaStatus.TERMINATED,
            "instance_type": HERE[1],
            "az_id": HERE[0],
            "mode": Mode.SPOT,
            "wish": {},
            "rejected_places": [],
            "created_at": launched_at,
            "launched_at": launched_at,
            "registered_at": launched_at + timedelta(seconds=registered_after_seconds),
            "ready_at": START,
            "ended_at": START,
        }
        fleet.execute(insert(replica_instances).values(values))


def test_a_run_that_was_cut_short_is_followed_by_one_that_stores_what_is_missing(
    fleet: Fleet, database: Database, clock: FakeClock
) -> None:
    analyse(database, clock)
    kept = risks(database)[HERE]
    others = pool_risk_analysis.c.pool_id != kept.pool_id
    fleet.execute(delete(pool_risk_analysis).where(others))
    clock.advance(30)

    said = analyse(database, clock)

    assert said == "computed the risk of 2 pools"
    assert len({one.computed_at for one in risks(database).values()}) == 1


def test_many_pools_are_computed_in_as_many_statements_as_few_and_stored_batch_by_batch(
    fleet: Fleet, database: Database, clock: FakeClock, engine: Engine
) -> None:
    few = cost_of(database, clock, engine)
    many = [(REGION, f"use1-az{zone}", f"m5.{size}", PRODUCT) for zone in range(3, 9) for size in range(20)]
    database.write(lambda tx: ensure_pools(tx, many))
    for number in range(30):
        fleet.agent(f"web-{number}", instance_id=f"i-{number}")
    clock.advance(900)

    cost = cost_of(database, clock, engine)

    assert (few.reads, few.writes) == (1, 1)
    assert (cost.reads, cost.writes) == (1, -(-(len(many) + 3) // ROWS_PER_STATEMENT))
    assert cost.statements - few.statements == cost.writes - few.writes


def cost_of(database: Database, clock: FakeClock, engine: Engine) -> Cost:
    with counted(engine) as cost:
        analyse(database, clock)
    return cost
