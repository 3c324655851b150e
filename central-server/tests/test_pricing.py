"""Price reports, the staging tier, and what clients are shown."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, func, insert, select

from server_support.builders import create_agent_token, create_client_token
from server_support.clock import START, FakeClock
from server_support.fleet import Fleet
from server_support.http import Answer, Http
from server_support.prices import Prices
from spot_server.db.runner import Database
from spot_server.db.tables import events, instance_types, on_demand_prices, spot_pools, spot_price_snapshots
from spot_server.errors import RoleZombie
from spot_server.features.agents.queries import Agent
from spot_server.features.heartbeats.service import warn_of_odd_instances
from spot_server.features.pricing.market_queries import store_instance_types, store_zone_ids
from spot_server.features.pricing.market_rules import LINUX
from spot_server.features.pricing.queries import latest_prices
from spot_server.features.pricing.rules import ReportedPrice
from spot_server.features.pricing.service import PriceReport, ReportOutcome, report_prices
from spot_server.words import OnDemandSource, PriceSource, Role


def price(usd: str = "0.0351", **changes: Any) -> ReportedPrice:
    members = {"region": "us-east-1", "az_id": "use1-az1", "instance_type": "m5.large", "product": "Linux/UNIX", "effective_at": START}
    return ReportedPrice(usd_per_hour=Decimal(usd), **{**members, **changes})


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


def report(fleet: Fleet, agent: Agent, *prices: ReportedPrice, instance_id: str = "i-1", report_id: str = "") -> ReportOutcome:
    def act(tx: Any) -> ReportOutcome:
        said = PriceReport(tx.now, list(enumerate(prices)), [], [], report_id or str(uuid4()))
        return report_prices(tx, agent.agent_id, instance_id, said)

    return fleet.database.write(act)


def snapshots(fleet: Fleet) -> list[Any]:
    return fleet.database.read(lambda tx: list(tx.execute(select(spot_price_snapshots))))


def test_the_same_price_in_the_same_five_minutes_is_one_row_with_a_count(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent()
    report(fleet, agent, price())
    clock.advance(60)

    report(fleet, agent, price())

    (row,) = snapshots(fleet)
    assert (row.observation_count, row.usd_per_hour, row.source) == (2, Decimal("0.0351"), PriceSource.PRIMARY)
    assert (row.bucket_at, row.last_observed_at) == (START, START + timedelta(seconds=60))


def test_a_price_of_another_product_is_that_of_its_instances_alone(fleet: Fleet) -> None:
    product = "Red Hat Enterprise Linux"
    agent = fleet.agent(product=product)

    outcome = report(fleet, agent, price("0.0639", product=product))

    read = [
        fleet.database.read(partial(latest_prices, region="us-east-1", wanted_types=["m5.large"], product=one)) for one in (product, LINUX)
    ]
    assert (outcome.accepted, [[row.usd_per_hour for row in rows] for rows in read]) == (1, [[Decimal("0.0639")], []])


def test_prices_that_differ_in_the_same_bucket_both_stay(fleet: Fleet) -> None:
    agent = fleet.agent()

    report(fleet, agent, price("0.03"))
    report(fleet, agent, price("0.04", effective_at=START + timedelta(seconds=1)))

    assert {row.usd_per_hour for row in snapshots(fleet)} == {Decimal("0.03"), Decimal("0.04")}


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (price("0"), "spot_usd_per_hour"),
        (price("500.01"), "spot_usd_per_hour"),
        (price(effective_at=START + timedelta(minutes=6)), "effective_at"),
        (price(effective_at=datetime(1971, 1, 1, tzinfo=UTC)), "effective_at"),
        (price(effective_at=datetime(2009, 12, 13, tzinfo=UTC)), "effective_at"),
        (price(region="eu-west-1"), "region"),
        (price("0.0000004"), "spot_usd_per_hour"),
        (price(instance_type="m5.nonsense"), "instance_type"),
        (price(az_id="us-east-1a"), "az_id"),
        (price(az_id="use2-az1"), "az_id"),
        (price(az_id="use1-az99"), "az_id"),
        (price(product="BeOS"), "product"),
    ],
    ids=[
        "zero",
        "absurd",
        "future",
        "1971",
        "before spot",
        "region",
        "less than EC2 tells",
        "type",
        "zone's name",
        "zone elsewhere",
        "zone",
        "product",
    ],
)
def test_a_bad_row_is_named_and_the_good_ones_are_kept(fleet: Fleet, bad: ReportedPrice, field: str) -> None:
    agent = fleet.agent()

    outcome = report(fleet, agent, price(), bad, price("0.05", az_id="use1-az2"))

    assert outcome.accepted == 2
    assert [(row.index, row.field) for row in outcome.refused] == [(1, field)]
    assert len(snapshots(fleet)) == 2


def test_ten_times_on_demand_is_the_most_that_a_spot_price_may_be(fleet: Fleet) -> None:
    agent = fleet.agent(settings={"carry": "stateless", "allowed_instance_types": ["c5.large"]})
    stored = {"region": "us-east-1", "instance_type": "m5.large", "product": "Linux/UNIX", "usd_per_hour": Decimal("0.096")}
    fleet.execute(insert(on_demand_prices).values(**stored, source=OnDemandSource.CATALOGUE, observed_at=START))

    outcome = report(fleet, agent, price("0.96"), price("0.960001"), price("0.960001", instance_type="c5.large"))

    assert [(row.index, row.value) for row in outcome.refused] == [(1, "0.960001")]
    assert "ten times the on-demand price of 0.096" in outcome.refused[0].reason


def test_a_type_is_known_once_the_agent_may_use_it_ec2_described_it_or_it_has_a_price(fleet: Fleet) -> None:
    agent = fleet.agent(settings={"carry": "stateless", "allowed_instance_types": ["m5a.large"]})
    described = {"instance_type": "c5.large", "vcpu": 2, "memory_mib": 4096, "architectures": ["x86_64"]}
    fleet.database.write(lambda tx: store_instance_types(tx, [described]))
    stored = {"region": "us-east-1", "instance_type": "r5.large", "product": "Linux/UNIX", "usd_per_hour": Decimal("0.126")}
    fleet.execute(insert(on_demand_prices).values(**stored, source=OnDemandSource.CATALOGUE, observed_at=START))
    types = ["m5.large", "m5a.large", "c5.large", "r5.large", "t3.large"]

    outcome = report(fleet, agent, *(price(instance_type=name) for name in types))

    assert [row.value for row in outcome.refused] == ["t3.large"]


def test_a_zone_that_ec2_did_not_name_is_refused_once_ec2_was_asked(fleet: Fleet) -> None:
    agent = fleet.agent()
    fleet.database.write(lambda tx: store_zone_ids(tx, "us-east-1", ["use1-az1", "use1-az2"]))

    outcome = report(fleet, agent, price(), price(az_id="use1-az3"))

    assert [(row.field, row.value, row.reason) for row in outcome.refused] == [("az_id", "use1-az3", "us-east-1 has use1-az1, use1-az2")]


def test_types_that_are_known_as_they_are_are_not_written_again(fleet: Fleet, engine: Engine) -> None:
    types = [{"instance_type": "m5.large", "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}]
    agent = fleet.agent()
    act = partial(report_prices, agent_id=agent.agent_id, instance_id="i-1")
    said = PriceReport(START, [(0, price())], [], types, "r-1")
    fleet.database.write(lambda tx: act(tx, report=said))
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    fleet.database.write(lambda tx: act(tx, report=said))

    assert not [text for text in statements if text.startswith("INSERT INTO instance_types")]


def test_what_a_type_is_does_not_change_by_what_another_daemon_says(fleet: Fleet) -> None:
    agent = fleet.agent()
    true = {"instance_type": "m5.large", "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}
    fleet.database.write(lambda tx: store_instance_types(tx, [true]))
    said = PriceReport(START, [(0, price())], [], [{**true, "vcpu": 4096}], "r-2")

    fleet.database.write(lambda tx: report_prices(tx, agent.agent_id, "i-1", said))
    fleet.database.write(lambda tx: store_instance_types(tx, [{**true, "vcpu": 8}]))

    assert fleet.scalars(select(instance_types.c.vcpu)) == [2]


@pytest.mark.parametrize("off", [timedelta(minutes=6), timedelta(minutes=-6)], ids=["ahead", "behind"])
def test_a_clock_that_is_off_shows_on_the_agents_page_and_as_an_event(fleet: Fleet, http: Http, off: timedelta) -> None:
    agent = fleet.agent()
    client = http.as_(create_client_token(fleet.database, fleet.client_id))
    said = PriceReport(START + off, [(0, price())], [], [], "r-1")

    fleet.database.write(lambda tx: report_prices(tx, agent.agent_id, "i-1", said))
    fleet.database.write(lambda tx: warn_of_odd_instances(tx, heard_within_seconds=120))

    (shown,) = client.get(f"/api/client/{fleet.client_id}/agents").json["items"]
    assert (shown["clock_skew_seconds"], shown["is_clock_off"]) == (off.total_seconds(), True)
    assert "clock_skewed" in fleet.scalars(select(events.c.kind))


@pytest.mark.parametrize("role", [Role.ZOMBIE, Role.TERMINATED])
def test_an_instance_that_is_no_longer_part_of_its_agent_reports_no_prices(fleet: Fleet, role: Role) -> None:
    agent = fleet.agent()
    fleet.set_role(agent, "i-1", role)

    with pytest.raises(RoleZombie):
        report(fleet, agent, price())


def test_a_report_of_a_hundred_prices_takes_a_handful_of_statements(fleet: Fleet, engine: Engine) -> None:
    types = [f"m5.{number}xlarge" for number in range(1, 12)]
    agent = fleet.agent(settings={"carry": "stateless", "allowed_instance_types": types})
    prices = [price(instance_type=name, az_id=f"use1-az{zone}") for name in types for zone in range(1, 10)]
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    report(fleet, agent, *prices)
    of_the_first = len(statements)
    report(fleet, agent, *prices)

    assert of_the_first <= 12
    assert len(statements) - of_the_first <= 9
    assert len(snapshots(fleet)) == 99


def test_many_daemons_that_report_the_same_new_pools_at_once_make_each_once(fleet: Fleet) -> None:
    agents = [fleet.agent(f"web-{number}", instance_id=f"i-{number}") for number in range(4)]
    prices = [price(az_id=f"use1-az{number}") for number in range(1, 9)]
    barrier = threading.Barrier(4)
    accepted: list[int] = []

    def arrive(number: int) -> None:
        barrier.wait()
        outcome = report(fleet, agents[number], *(prices if number % 2 else reversed(prices)), instance_id=f"i-{number}")
        accepted.append(outcome.accepted)

    threads = [threading.Thread(target=arrive, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert accepted == [8] * 4
    assert fleet.database.read(lambda tx: tx.execute(select(func.count()).select_from(spot_pools)).scalar_one()) == 8
    assert {row.observation_count for row in snapshots(fleet)} == {4}


def test_the_latest_price_of_each_pool_is_found_with_its_source_and_time(fleet: Fleet, clock: FakeClock) -> None:
    agent = fleet.agent(settings={"carry": "stateless", "allowed_instance_types": ["c5.large"]})
    report(fleet, agent, price("0.03"), price("0.06", az_id="use1-az2"), price("0.09", instance_type="c5.large"))
    clock.advance(600)
    report(fleet, agent, price("0.04", effective_at=clock.now()))

    found = fleet.database.read(lambda tx: latest_prices(tx, "us-east-1", ["m5.large"], "Linux/UNIX"))

    assert [(row.az_id, row.usd_per_hour, row.observed_at) for row in found] == [
        ("use1-az1", Decimal("0.04"), START + timedelta(seconds=600)),
        ("use1-az2", Decimal("0.06"), START),
    ]


class Site:
    """One agent with a daemon and a client, over HTTP."""

    def __init__(self, database: Database, http: Http) -> None:
        self.fleet = Fleet.on(database)
        self.agent = self.fleet.agent()
        self.daemon = http.as_(create_agent_token(database, self.fleet.client_id, self.agent.agent_id))
        self.client = http.as_(create_client_token(database, self.fleet.client_id))
        self.instance = f"/api/client/{self.fleet.client_id}/instances/i-1"

    def report(self, *rows: Any, **changes: Any) -> Answer:
        body = {"report_id": str(uuid4()), "instance_id": "i-1", "observed_at": "2026-01-01T00:00:00Z", "prices": list(rows), **changes}
        return self.daemon.post(f"/api/agents/{self.agent.agent_id}/pricing-report", body)


ROW = {
    "region": "us-east-1",
    "az_id": "use1-az1",
    "az_name": "us-east-1a",
    "instance_type": "m5.large",
    "product": "Linux/UNIX",
    "spot_usd_per_hour": "0.0351",
    "effective_at": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def site(database: Database, http: Http) -> Site:
    return Site(database, http)


def test_rows_of_the_wrong_shape_are_named_by_index_field_value_and_reason(site: Site) -> None:
    answer = site.report(ROW, {**ROW, "spot_usd_per_hour": 0.0351}, "nonsense", {**ROW, "spot_usd_per_hour": "-1"}, None)

    assert answer.status == 202, answer.text
    assert answer.json["accepted"] == 1
    refused = answer.json["refused"]
    assert [(row["index"], row["field"], row["value"]) for row in refused] == [
        (1, "spot_usd_per_hour", 0.0351),
        (2, "(row)", "nonsense"),
        (3, "spot_usd_per_hour", "-1"),
        (4, "(row)", None),
    ]
    assert all(row["reason"] for row in refused)


def test_a_repeated_report_and_instance_types_are_harmless(site: Site) -> None:
    types = [{"instance_type": "m5.large", "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}]

    answers = [site.report(ROW, instance_types=types, report_id="r-1") for _ in range(2)]

    assert [answer.json for answer in answers] == [{"accepted": 1, "refused": []}] * 2
    assert [row.observation_count for row in snapshots(site.fleet)] == [1]
    rows = site.fleet.database.read(lambda tx: list(tx.execute(select(instance_types))))
    assert [(row.instance_type, row.architectures) for row in rows] == [("m5.large", ["x86_64"])]


def test_prices_of_an_instance_carry_source_and_age(site: Site, clock: FakeClock) -> None:
    site.report(ROW, {**ROW, "az_id": "use1-az2", "spot_usd_per_hour": "0.04"})
    clock.advance(90)

    answer = site.client.get(f"{site.instance}/pricing")

    assert answer.status == 200, answer.text
    assert answer.json["current"] == {
        "pool_id": answer.json["current"]["pool_id"],
        "az_id": "use1-az1",
        "instance_type": "m5.large",
        "usd_per_hour": "0.0351",
        "observed_at": "2026-01-01T00:00:00Z",
        "age_seconds": 90.0,
        "source": "primary",
        "has_subnet": True,
    }
    assert [(pool["az_id"], pool["has_subnet"]) for pool in answer.json["pools"]] == [("use1-az1", True), ("use1-az2", False)]
    assert (answer.json["on_demand"], answer.json["on_demand_prices"]) == (None, [])


def test_what_on_demand_costs_is_told_of_every_type_that_the_agent_may_use(database: Database, http: Http, clock: FakeClock) -> None:
    fleet = Fleet.on(database)
    fleet.agent(settings={"carry": "stateless", "allowed_instance_types": ["c5.large", "r5.large"]})
    prices = Prices(database)
    prices.on_demand("0.096")
    prices.on_demand("0.085", "c5.large")
    clock.advance(60)

    answer = http.as_(create_client_token(database, fleet.client_id)).get(f"/api/client/{fleet.client_id}/instances/i-1/pricing")

    told = {"source": "catalogue", "observed_at": "2026-01-01T00:00:00Z", "age_seconds": 60.0}
    assert answer.json["on_demand"] == {"usd_per_hour": "0.096", **told}
    assert answer.json["on_demand_prices"] == [
        {"instance_type": "c5.large", "usd_per_hour": "0.085", **told},
        {"instance_type": "m5.large", "usd_per_hour": "0.096", **told},
    ]


def test_who_has_seen_the_prices_is_told_that_they_are_the_same_whatever_their_age(site: Site, clock: FakeClock) -> None:
    site.report(ROW)
    first = site.client.get(f"{site.instance}/pricing")
    clock.advance(20)

    same = site.client.send("GET", f"{site.instance}/pricing", headers={"If-None-Match": first.headers["ETag"]})
    site.report({**ROW, "spot_usd_per_hour": "0.04", "effective_at": "2026-01-01T00:00:10Z"}, observed_at="2026-01-01T00:00:20Z")
    other = site.client.send("GET", f"{site.instance}/pricing", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "private, max-age=30"
    assert (same.status, same.text) == (304, "")
    assert (other.status, other.json["current"]["usd_per_hour"]) == (200, "0.04")


def test_an_instance_without_any_prices_is_200_and_empty(site: Site) -> None:
    pricing = site.client.get(f"{site.instance}/pricing")
    history = site.client.get(f"{site.instance}/price-history")

    assert (pricing.status, pricing.json["current"], pricing.json["pools"]) == (200, None, [])
    assert (history.status, history.json["pools"]) == (200, [])
