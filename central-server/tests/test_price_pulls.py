"""Reading spot prices from EC2 for a whole region: a week of what is new, then what changed, each price once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, select, update

from server_support.clock import START, FakeClock
from server_support.dying_database import DyingDatabase
from server_support.fleet import Fleet
from server_support.memory_market import FakeMarket, FakeMarkets
from server_support.prices import Prices, bucket
from server_support.story import PowerCut
from spot_server.db.runner import Database
from spot_server.db.tables import clients, notifications, spot_pools
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.features.price_pulls.jobs import PricePull
from spot_server.features.pricing.market_queries import list_zone_ids
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import PriceSource, Role

WEEK = timedelta(days=7)
WEEK_BUCKETS = 7 * 288
ROLE = "arn:aws:iam::123456789012:role/spot-optimizer"


class Site:
    """A client with a control role and one agent; the market of its region; the job."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.fleet, self.prices, self.clock = Fleet.on(database), Prices(database), clock
        self.agent = self.fleet.agent()
        self.give_role(self.fleet, ROLE)
        self.market = FakeMarket()
        self.gateway = FakeMarkets({"us-east-1": self.market})
        self.jobs = JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())
        self.pull = PricePull(self.gateway, draw=lambda: 1.0)
        for az_name, usd in (("us-east-1a", "0.03"), ("us-east-1b", "0.04")):
            self.market.change(az_name, "m5.large", START - timedelta(days=30), usd)

    def give_role(self, fleet: Fleet, role_arn: str) -> None:
        self.fleet.execute(update(clients).where(clients.c.client_id == fleet.client_id).values(aws_role_arn=role_arn))

    def round(self) -> str:
        return self.pull(self.jobs)

    def pool_ids(self) -> list[int]:
        return self.fleet.scalars(select(spot_pools.c.pool_id).order_by(spot_pools.c.instance_type, spot_pools.c.az_id))

    def seen(self, pool_id: int) -> list[tuple[Any, str, int]]:
        return [(row.bucket_at, f"{row.usd_per_hour:f}", row.observation_count) for row in self.prices.snapshots(pool_id)]


@pytest.fixture
def site(database: Database, clock: FakeClock) -> Site:
    return Site(database, clock)


def test_a_pool_that_is_new_is_filled_for_a_week_and_the_zones_are_learned(site: Site) -> None:
    said = site.round()

    first, second = site.pool_ids()
    assert said == f"pulled {2 * (WEEK_BUCKETS + 1)} prices in 1 regions"
    seen = site.seen(first)
    assert (seen[0], seen[-1], len(seen)) == ((START - WEEK, "0.03", 1), (START, "0.03", 1), WEEK_BUCKETS + 1)
    assert {usd for _at, usd, _count in site.seen(second)} == {"0.04"}
    assert {row.source for row in site.prices.snapshots(first)} == {PriceSource.SERVER}
    zones = site.fleet.database.read(lambda tx: list_zone_ids(tx, "us-east-1"))
    assert zones == {"use1-az1", "use1-az2"}


def test_later_rounds_ask_for_what_is_missing_and_store_it_once(site: Site) -> None:
    site.round()
    (first, _second) = site.pool_ids()
    site.clock.advance(100)

    again = site.round()
    site.market.change("us-east-1a", "m5.large", START + timedelta(minutes=11), "0.05")
    site.clock.advance(1000)
    site.round()

    assert again == ""
    assert site.seen(first)[-4:] == [(bucket(0), "0.03", 1), (bucket(1), "0.03", 1), (bucket(2), "0.05", 1), (bucket(3), "0.05", 1)]
    assert site.market.asked[1:] == [(("m5.large",), bucket(1))]


def test_a_type_that_an_agent_may_use_now_is_filled_while_the_others_go_on(site: Site) -> None:
    site.round()
    site.fleet.agent("web-2", instance_id="i-2", settings={"carry": "stateless", "allowed_instance_types": ["c5.large"]})
    site.market.change("us-east-1b", "c5.large", START - timedelta(days=2), "0.02")
    site.clock.advance(300)

    site.round()

    pools = site.pool_ids()
    assert [len(site.seen(pool_id)) for pool_id in pools] == [2 * 288 + 2, WEEK_BUCKETS + 2, WEEK_BUCKETS + 2]
    assert [types for types, _since in site.market.asked[1:]] == [("m5.large",), ("c5.large",)]


def test_a_pool_that_daemons_reported_before_is_filled_and_what_is_consolidated_is_so_again(site: Site) -> None:
    pool_id = site.prices.pool()
    site.prices.see(pool_id, -12, "0.09")
    site.clock.advance(600)
    consolidate_prices(site.jobs)
    before = site.prices.canonical(pool_id)

    site.round()
    site.clock.advance(timedelta(hours=12).total_seconds())
    consolidate_prices(site.jobs)

    assert [number for number, *_rest in before] == [-12]
    points = site.prices.canonical(pool_id)
    assert [number for number, *_rest in points] == list(range(-WEEK_BUCKETS + 2, 3))
    assert points[0] == (-WEEK_BUCKETS + 2, "0.03", "server", False)
    assert next(usd for number, usd, *_rest in points if number == -12) == "0.09"


@pytest.mark.parametrize("dies_in", [2, 5, 10])
@pytest.mark.parametrize("dies_after_commit", [False, True], ids=["before the commit", "after it"])
def test_a_round_that_is_cut_off_is_gone_on_with(engine: Engine, clock: FakeClock, dies_in: int, dies_after_commit: bool) -> None:
    database = DyingDatabase(engine, clock=clock, sleeper=clock)
    site = Site(database, clock)
    database.count, database.dies_in, database.dies_after_commit = 0, dies_in, dies_after_commit

    with pytest.raises(PowerCut):
        site.round()
    database.dies_in = 0
    PricePull(site.gateway)(site.jobs)

    for pool_id in site.pool_ids():
        seen = site.seen(pool_id)
        assert len(seen) == WEEK_BUCKETS + 1
        assert {count for _at, _usd, count in seen} == {1}


def test_two_rounds_at_once_count_each_price_once(site: Site) -> None:
    other = PricePull(site.gateway)
    site.market.meanwhile.append(lambda: other(site.jobs))

    site.round()

    assert {count for pool_id in site.pool_ids() for _at, _usd, count in site.seen(pool_id)} == {1}


def test_a_type_that_ec2_does_not_know_keeps_no_other_from_being_read(site: Site) -> None:
    types = ["c5.large", "m5.nonsense", "r5.large"]
    for name in ("c5.large", "r5.large"):
        site.market.change("us-east-1a", name, START - timedelta(days=30), "0.02")
    site.fleet.agent("web-2", instance_id="i-2", settings={"carry": "stateless", "allowed_instance_types": types})

    site.round()
    asked = len(site.market.asked)
    site.clock.advance(300)
    site.round()

    assert len(site.pool_ids()) == 4
    assert [types for types, _since in site.market.asked[asked:]] == [("c5.large", "m5.large", "r5.large")]


def test_where_the_first_role_may_not_read_the_next_one_does_and_the_client_is_told_once(site: Site) -> None:
    other = Fleet.on(site.fleet.database)
    other.agent("theirs", instance_id="i-9")
    site.give_role(other, "arn:aws:iam::222222222222:role/refused")
    site.give_role(site.fleet, "arn:aws:iam::111111111111:role/refused")
    site.gateway.refused = {"arn:aws:iam::111111111111:role/refused": "UnauthorizedOperation"}

    site.round()
    site.clock.advance(300)
    site.round()

    assert len(site.pool_ids()) == 2
    told = site.fleet.scalars(select(notifications.c.client_id).where(notifications.c.kind == "control_role_refused"))
    assert set(told) <= {site.fleet.client_id}
    assert len(told) <= 1


def test_a_region_that_cannot_be_read_is_left_alone_for_a_while_and_then_read(site: Site) -> None:
    site.market.refuse("RequestLimitExceeded")

    first = site.round()
    at_once = site.round()
    site.clock.advance(16)
    later = site.round()

    assert (first, at_once) == ("", "")
    assert later.startswith("pulled")
    assert "control_role_refused" not in site.fleet.scalars(select(notifications.c.kind))


def test_without_a_role_nothing_is_asked(site: Site) -> None:
    site.give_role(site.fleet, None)  # type: ignore[arg-type]

    assert site.round() == ""
    assert site.market.asked == []


def test_what_nobody_uses_any_more_is_not_read(site: Site) -> None:
    site.fleet.set_role(site.agent, "i-1", Role.TERMINATED)

    assert site.round() == ""


def test_prices_that_are_nothing_and_zones_of_no_name_are_left_out(site: Site) -> None:
    site.market.change("us-east-1a", "m5.large", START - timedelta(minutes=10), "0")
    site.market.change("us-east-1z", "m5.large", START - timedelta(days=30), "0.01")

    site.round()

    assert len(site.pool_ids()) == 2
    assert site.seen(site.pool_ids()[0])[-1][1] == "0.03"
