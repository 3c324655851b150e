"""The chart of an instance's markets over HTTP: both tiers, marked gaps, the on-demand line, and how much of it there may be."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import structlog
from sqlalchemy import Engine, event, insert

from server_support.builders import create_client, create_client_token
from server_support.clock import START, FakeClock
from server_support.fleet import Fleet
from server_support.http import Answer, Http
from server_support.prices import Prices, bucket
from spot_server.db.runner import Database
from spot_server.db.tables import pricing_canonical
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import PriceSource


class Site:
    """An agent that may use two types, its client, and prices."""

    def __init__(self, database: Database, http: Http, clock: FakeClock) -> None:
        self.fleet, self.prices, self.clock = Fleet.on(database), Prices(database), clock
        self.fleet.agent(settings={"carry": "stateless", "allowed_instance_types": ["c5.large"]})
        self.client = http.as_(create_client_token(database, self.fleet.client_id))
        self.path = f"/api/client/{self.fleet.client_id}/instances/i-1/price-history"
        self.jobs = JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())

    def chart(self, **query: Any) -> Answer:
        answer = self.client.get(self.path, **query)
        assert answer.status == 200, answer.text
        return answer

    def points(self, **query: Any) -> list[tuple[str, str, bool]]:
        (pool,) = self.chart(**query).json["pools"]
        return [(point["at"][11:16], point["usd_per_hour"], point["is_interpolated"]) for point in pool["points"]]


@pytest.fixture
def site(database: Database, http: Http, clock: FakeClock) -> Site:
    return Site(database, http, clock)


CHART = [("00:00", "0.03", False), ("00:05", "0.04", True), ("00:10", "0.05", False), ("00:15", "0.06", True), ("00:20", "0.07", False)]


@pytest.mark.parametrize("consolidated_after_seconds", [None, 1320, 1800, 3600], ids=["nothing is", "half of it is", "most is", "all is"])
def test_a_chart_is_the_same_before_and_after_it_is_consolidated(site: Site, consolidated_after_seconds: float | None) -> None:
    pool_id = site.prices.pool()
    for number, usd in ((0, "0.03"), (2, "0.05"), (4, "0.07")):
        site.prices.see(pool_id, number, usd)
    site.prices.see(pool_id, 4, "0.09", source=PriceSource.SERVER)
    if consolidated_after_seconds is not None:
        site.clock.advance(consolidated_after_seconds)
        consolidate_prices(site.jobs)
    site.clock.advance(3600 - (consolidated_after_seconds or 0))

    assert site.points(since="2025-12-31T12:00:00Z", bucket_seconds=300) == CHART


def test_a_price_that_came_late_is_in_the_chart_at_once_and_nothing_twice(site: Site) -> None:
    pool_id = site.prices.pool()
    for number, usd in ((0, "0.03"), (4, "0.07")):
        site.prices.see(pool_id, number, usd)
    site.clock.advance(3600)
    consolidate_prices(site.jobs)

    site.prices.see(pool_id, 2, "0.05")

    assert site.points(since="2025-12-31T12:00:00Z", bucket_seconds=300) == CHART


@pytest.mark.parametrize("bucket_seconds", [300, 3600])
def test_what_the_table_can_hold_is_shown_as_it_is(site: Site, bucket_seconds: int) -> None:
    pool_id = site.prices.pool()
    row = {"pool_id": pool_id, "usd_per_hour": Decimal("499.999999"), "source": PriceSource.SERVER, "distinct_price_count": 127}
    site.fleet.execute(insert(pricing_canonical).values(**row, bucket_at=START, is_interpolated=True))
    site.prices.note_consolidated(pool_id, bucket(1))
    site.clock.advance(3600)

    (pool,) = site.chart(since="2025-12-31T12:00:00Z", bucket_seconds=bucket_seconds).json["pools"]

    price = {"usd_per_hour": "499.999999", "lowest_usd_per_hour": "499.999999", "highest_usd_per_hour": "499.999999"}
    told = {"at": "2026-01-01T00:00:00Z", "source": "server", "is_interpolated": True, "distinct_price_count": 127}
    assert pool["points"] == [{**price, **told}]


def test_wide_buckets_tell_mean_least_and_most(site: Site) -> None:
    pool_id = site.prices.pool()
    for number, usd in ((0, "0.03"), (1, "0.04"), (2, "0.08"), (12, "0.01")):
        site.prices.see(pool_id, number, usd)
    site.clock.advance(1500)
    consolidate_prices(site.jobs)
    site.clock.advance(7200)

    (pool,) = site.chart(since="2025-12-31T12:00:00Z", bucket_seconds=3600).json["pools"]

    first, second = pool["points"]
    assert (first["lowest_usd_per_hour"], first["highest_usd_per_hour"], first["is_interpolated"]) == ("0.017", "0.08", False)
    assert (second["at"], second["usd_per_hour"], second["source"]) == ("2026-01-01T01:00:00Z", "0.01", "primary")


@pytest.mark.parametrize("bucket_seconds", [300, 301, 777, 3600, 2_678_400])
def test_any_width_of_buckets_will_do(site: Site, bucket_seconds: int) -> None:
    pool_id = site.prices.pool()
    for number in range(5):
        site.prices.see(pool_id, number, "0.03")
    site.clock.advance(1320)
    consolidate_prices(site.jobs)
    site.clock.advance(3600)

    (pool,) = site.chart(since="2025-12-31T12:00:00Z", bucket_seconds=bucket_seconds).json["pools"]

    starts = [int(START.timestamp()) + 300 * number for number in range(5)]
    assert len(pool["points"]) == len({start // bucket_seconds for start in starts})
    assert {point["usd_per_hour"] for point in pool["points"]} == {"0.03"}


def test_the_window_begins_with_its_first_moment_and_ends_before_its_last(site: Site) -> None:
    pool_id = site.prices.pool()
    for number in range(5):
        site.prices.see(pool_id, number, "0.03")
    site.clock.advance(3600)

    points = site.points(since="2026-01-01T00:05:00Z", until="2026-01-01T00:15:00Z")

    assert [at for at, *_rest in points] == ["00:05", "00:10"]


def test_one_pool_can_be_asked_for(site: Site) -> None:
    for kind in ("m5.large", "c5.large"):
        for zone in ("use1-az1", "use1-az2"):
            site.prices.see(site.prices.pool(zone, kind), 0, "0.03")
    site.prices.see(site.prices.pool("use1-az1", "r5.large"), 0, "0.03")
    site.clock.advance(600)

    everything, one = site.chart().json["pools"], site.chart(instance_type="c5.large", az_id="use1-az2").json["pools"]

    assert [(pool["instance_type"], pool["az_id"]) for pool in one] == [("c5.large", "use1-az2")]
    assert len(everything) == 4


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"instance_type": "zz9.large"}, "expected one of c5.large, m5.large"),
        ({"az_id": "nope"}, "expected one of use1-az1, use1-az2"),
        ({"instance_type": "r5.large", "az_id": "use1-az2"}, "expected one of c5.large, m5.large"),
    ],
)
def test_a_pool_that_cannot_be_in_the_chart_is_refused_with_those_that_can(site: Site, wish: dict[str, str], reason: str) -> None:
    """The agent may not use r5.large."""
    for zone in ("use1-az1", "use1-az2"):
        site.prices.see(site.prices.pool(zone, "m5.large"), 0, "0.03")
    site.prices.see(site.prices.pool("use1-az3", "r5.large"), 0, "0.03")

    answer = site.client.get(site.path, **wish)

    assert answer.status == 422
    assert [(error["field"], error["reason"]) for error in answer.json["errors"]] == [(next(iter(wish)), reason)]


def test_a_pool_that_nobody_saw_yet_is_no_mistake(site: Site) -> None:
    site.prices.see(site.prices.pool("use1-az2", "m5.large"), 0, "0.03")

    answers = [site.chart(instance_type="c5.large"), site.chart(instance_type="c5.large", az_id="use1-az2"), site.chart(az_id="use1-az1")]

    assert [answer.json["pools"] for answer in answers] == [[], [], []]


def test_on_demand_stands_beside_the_spot_prices(site: Site) -> None:
    site.prices.on_demand("0.096")

    line = site.chart().json["on_demand_prices"]

    expected = {"instance_type": "m5.large", "usd_per_hour": "0.096", "observed_at": "2026-01-01T00:00:00Z", "source": "catalogue"}
    assert line == [expected]


def test_too_many_points_are_refused_with_a_width_that_will_do(site: Site) -> None:
    for zone in range(1, 7):
        site.prices.see(site.prices.pool(f"use1-az{zone}"), 0, "0.03")
    site.clock.advance(600)
    year = {"since": "2025-06-01T00:00:00Z"}

    refused = site.client.get(site.path, **year, bucket_seconds=300)
    (said,) = refused.json["errors"]
    named = int(said["reason"].partition("at least ")[2].split()[0])

    assert refused.status == 422
    assert (said["field"], said["value"]) == ("bucket_seconds", 300)
    assert site.chart(**year, bucket_seconds=named).json["bucket_seconds"] == named


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-01-02T00:00:00Z"},
        {"since": "yesterday"},
        {"bucket_seconds": 7},
        {"bucket_seconds": 3_000_000},
        {"until": "0001-01-01T00:00:00Z"},
        {"since": "2024-01-01T00:00:00Z"},
        {"pool": 1},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(site: Site, query: dict[str, Any]) -> None:
    assert site.client.get(site.path, **query).status == 422


def test_who_has_the_chart_is_told_that_it_is_the_same_until_another_price_is_seen(site: Site) -> None:
    pool_id = site.prices.pool()
    site.prices.see(pool_id, 0, "0.03")
    site.clock.advance(60)
    first = site.chart()
    site.clock.advance(60)

    same = site.client.send("GET", site.path, headers={"If-None-Match": first.headers["ETag"]})
    site.prices.see(pool_id, 0, "0.05", count=3)
    other = site.client.send("GET", site.path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "private, max-age=60"
    assert (same.status, same.text) == (304, "")
    assert other.status == 200


def test_what_was_never_consolidated_is_shown_for_two_weeks_and_said_to_be_cut(site: Site) -> None:
    pool_id = site.prices.pool()
    site.prices.see(pool_id, 0, "0.03")
    site.prices.see(pool_id, 12 * 24 * 10, "0.04")
    site.clock.advance(timedelta(days=15).total_seconds())

    cut, whole = site.chart(since="2025-12-31T00:00:00Z").json, site.chart().json

    assert [len(pool["points"]) for pool in cut["pools"]] == [1]
    assert (cut["is_truncated"], whole["is_truncated"]) == (True, False)


def test_an_instance_of_another_client_is_not_found(site: Site, database: Database, http: Http) -> None:
    stranger = create_client(database)
    client = http.as_(create_client_token(database, stranger))

    answers = [client.get(f"/api/client/{stranger}/instances/{name}/price-history").status for name in ("i-1", "i-9")]

    assert answers == [404, 404]


def test_a_chart_of_many_pools_takes_as_many_statements_as_of_one(site: Site, engine: Engine) -> None:
    for zone in range(1, 7):
        site.prices.see(site.prices.pool(f"use1-az{zone}"), 0, "0.03")
    site.clock.advance(3600)
    consolidate_prices(site.jobs)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    site.chart(az_id="use1-az1")
    of_one = len(statements)
    site.chart()

    assert len(statements) - of_one <= of_one <= 14
