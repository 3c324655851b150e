"""How old an instance is to risk, decisions and interruptions: by EC2's word and the server's clock, whatever its own clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from server_support.clock import START, FakeClock
from server_support.deciding import Deciding, Says
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.site import Site
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import instances, spot_interruption_events
from spot_server.decision_models import Decision
from spot_server.features.decisions.making import DEFAULT_MODEL
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import take_report
from spot_server.features.pricing.queries import ensure_pools
from spot_server.features.risk import service
from spot_server.features.risk.evidence_rules import Lifetime, PoolKey, prior_multiple, tally_pool, weigh_pools
from spot_server.features.risk.model import load_model
from spot_server.features.risk.rules import loss_chances
from spot_server.words import Action, InterruptionKind, Mode

LONG_AGO = datetime(1970, 1, 2, tzinfo=UTC)
HOST_UPTIME, MONTH = timedelta(hours=17), timedelta(days=30)
POOL = ("us-east-1", "use1-az1", "m5.large", "Linux/UNIX")


@pytest.fixture
def fleet(database: Database) -> Fleet:
    database.write(lambda tx: ensure_pools(tx, [POOL]))
    return Fleet.on(database)


def lose_after_a_minute(fleet: Fleet, clock: FakeClock, *, booted_at: datetime | None, launched_at: datetime | None = None) -> None:
    """An instance that comes from elsewhere, and is taken a minute later."""
    agent = fleet.agent(booted_at=booted_at, launched_at=launched_at)
    clock.advance(60)
    report = Report("notice-1", "i-1", InterruptionKind.TERMINATE, action_at=clock.now() + timedelta(minutes=2), detected_at=clock.now())
    fleet.database.write(lambda tx: take_report(tx, agent.agent_id, report))


def risk_of_pool(database: Database) -> tuple[float, float]:
    """The chance of a day, and the hours of instances that went into it."""
    model = load_model()

    def act(tx: Transaction) -> tuple[float, float]:
        (row,) = service.compute(tx, model, START)
        return row["chance_day"], row["inputs"]["instance_hours"]

    return database.write(act)


def chance_after_one_lost_after_a_minute() -> float:
    model, pool = load_model(), PoolKey("us-east-1", "use1-az1", "m5.large")
    tallies = {pool: tally_pool(model, [Lifetime(1 / 60, 0.0, was_lost=True)])}
    evidence = weigh_pools(model, tallies, {pool: prior_multiple(model, None)})
    return loss_chances(model, evidence[pool], 0).day.chance


@pytest.mark.parametrize("booted_at", [None, START - HOST_UPTIME, START - MONTH, LONG_AGO, START + MONTH])
def test_no_clock_lends_a_pool_hours_in_which_nothing_was_seen_of_it(
    fleet: Fleet, database: Database, clock: FakeClock, booted_at: datetime | None
) -> None:
    """All clients' chances are made of them: the host's uptime of a container would make its pool look safe to everybody."""
    lose_after_a_minute(fleet, clock, booted_at=booted_at)

    chance, hours = risk_of_pool(database)

    assert hours == pytest.approx(1 / 60)
    assert chance == pytest.approx(chance_after_one_lost_after_a_minute())


def test_what_a_daemon_says_of_its_launch_ages_it_and_lends_its_pool_no_hours(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    lose_after_a_minute(fleet, clock, booted_at=None, launched_at=START - MONTH)

    _chance, hours = risk_of_pool(database)
    ages = fleet.scalars(select(spot_interruption_events.c.instance_age_seconds))

    assert hours == pytest.approx(1 / 60)
    assert ages == [MONTH.total_seconds() + 60]


def test_what_we_launched_counts_for_its_pool_from_its_launch_on(fleet: Fleet, database: Database, clock: FakeClock) -> None:
    agent = fleet.agent(mode=Mode.ON_DEMAND)
    launched = fleet.launched_replica(agent, launched_at=START)
    clock.advance(1800)
    fleet.register(launched.nonce, logical_agent_id="web-1", instance_id="i-2", booted_at=START - HOST_UPTIME)
    clock.advance(1800)

    _chance, hours = risk_of_pool(database)

    assert hours == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("launched_at", "booted_at", "seconds"),
    [
        (None, START - HOST_UPTIME, 60),
        (None, START + MONTH, 60),
        (START - timedelta(minutes=10), START - HOST_UPTIME, 660),
        (START - timedelta(minutes=10), START - timedelta(minutes=9), 600),
        (START + MONTH, None, 60),
    ],
)
def test_an_interruption_tells_how_long_the_instance_was_there(
    fleet: Fleet, clock: FakeClock, launched_at: datetime | None, booted_at: datetime, seconds: int
) -> None:
    lose_after_a_minute(fleet, clock, booted_at=booted_at, launched_at=launched_at)

    assert fleet.scalars(select(spot_interruption_events.c.instance_age_seconds)) == [seconds]


@pytest.mark.parametrize(
    ("booted_at", "kept"),
    [
        (START - HOST_UPTIME, START - timedelta(minutes=10)),
        (LONG_AGO, START - timedelta(minutes=10)),
        (START + MONTH, None),
        (START - timedelta(minutes=9), START - timedelta(minutes=9)),
    ],
)
def test_a_boot_that_cannot_have_been_is_corrected_and_keeps_no_workload_out(
    fleet: Fleet, booted_at: datetime, kept: datetime | None
) -> None:
    agent = fleet.agent(booted_at=booted_at, launched_at=START - timedelta(minutes=10))

    seen = fleet.instance(agent, "i-1")

    assert (seen.launched_at, seen.booted_at) == (START - timedelta(minutes=10), kept)


def test_the_answer_to_our_launch_goes_before_what_the_daemon_says(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    launched = fleet.launched_replica(agent, launched_at=START)
    clock.advance(60)

    fleet.register(launched.nonce, logical_agent_id="web-1", instance_id="i-2", launched_at=START - MONTH, booted_at=START - MONTH)

    seen = fleet.instance(agent, "i-2")
    assert (seen.launched_at, seen.booted_at) == (START, START)


def test_a_newer_daemon_tells_the_launch_that_its_elder_did_not_know_of(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    fleet.register(launched_at=START - HOST_UPTIME)
    clock.advance(60)
    fleet.register(launched_at=START + MONTH)

    assert fleet.instance(agent, "i-1").launched_at == START - HOST_UPTIME


def test_the_wire_takes_the_launch_and_shows_it(database: Database, http: Http) -> None:
    site = Site(database, http)
    site.register(launched_at="2025-12-31T23:00:00Z", booted_at="2025-12-31T23:00:05Z")

    (shown,) = site.client.get(f"{site.base}/instances").json["items"]

    assert (shown["launched_at"], shown["booted_at"]) == ("2025-12-31T23:00:00Z", "2025-12-31T23:00:05Z")


def test_a_decision_is_made_for_the_age_that_ec2_knows(database: Database, clock: FakeClock) -> None:
    deciding = Deciding.on(database, clock)
    began = clock.now() - timedelta(minutes=5)
    values = {"launched_at": began, "booted_at": began - MONTH, "registered_at": clock.now() - timedelta(minutes=4)}
    deciding.story.fleet.execute(update(instances).values(values))

    model = Says(Decision(Action.STAY, 1.0, "it is well"))
    deciding.models.made[DEFAULT_MODEL.model_id] = model
    deciding.decide()

    assert model.asked[0].situation.uptime_seconds == 300
