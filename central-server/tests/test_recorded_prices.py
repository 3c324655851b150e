"""Prices as AWS told them in 2022, through the whole pipeline: what comes out is what was in force, and what was missing is marked."""

from __future__ import annotations

import csv
import gzip
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import structlog
from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.memory_market import FakeMarket, FakeMarkets
from server_support.prices import Prices
from server_support.recorded_data import recorded_data
from spot_server.db.runner import Database
from spot_server.db.tables import clients, pricing_canonical, spot_pools
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.features.consolidations.queries import list_jobs
from spot_server.features.on_demand.queries import NewPrice, store_prices
from spot_server.features.price_pulls.jobs import PricePull
from spot_server.features.pricing.on_demand import load_catalogue
from spot_server.features.pricing.rules import BUCKET, ReportedPrice
from spot_server.features.pricing.service import PriceReport, report_prices
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import OnDemandSource

pytestmark = pytest.mark.data

FOLDER, FILE = "aws_spot_az_g4ad_2022", "spot_price_events.train_dev.csv.gz"
REGION, LINUX = "eu-west-1", "Linux/UNIX"
ZONES = {"eu-west-1a": "euw1-az1", "eu-west-1b": "euw1-az2", "eu-west-1c": "euw1-az3"}
END = datetime(2022, 5, 15, tzinfo=UTC)
WEEK = timedelta(days=7)

Series = dict[tuple[str, str], list[tuple[datetime, Decimal]]]


@dataclass(frozen=True)
class RecordedPrice:
    """One record of DescribeSpotPriceHistory."""

    at: datetime
    az_name: str
    instance_type: str
    usd: str


@pytest.fixture(scope="module")
def records() -> list[RecordedPrice]:
    """The Linux records up to END, oldest first."""
    with gzip.open(recorded_data(FOLDER) / FILE, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["product"] == LINUX]
    found = [RecordedPrice(datetime.fromisoformat(row["ts_utc"]), row["az"], row["instance_type"], row["price_usd_hr"]) for row in rows]
    return sorted((row for row in found if row.at <= END), key=lambda row: row.at)


@pytest.fixture
def jobs(database: Database, clock: FakeClock) -> JobContext:
    clock.jump((END - clock.now()).total_seconds())
    return JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())


def series_of(records: list[RecordedPrice]) -> Series:
    series: Series = defaultdict(list)
    for row in records:
        series[ZONES[row.az_name], row.instance_type].append((row.at, Decimal(row.usd)))
    return series


def in_force(changes: list[tuple[datetime, Decimal]], at: datetime) -> Decimal:
    return changes[bisect_right(changes, at, key=lambda change: change[0]) - 1][1]


def canonical(prices: Prices) -> dict[tuple[str, str], list[tuple[datetime, Decimal, bool]]]:
    market, price = spot_pools, pricing_canonical
    statement = select(market.c.az_id, market.c.instance_type, price.c.bucket_at, price.c.usd_per_hour, price.c.is_interpolated)
    found = defaultdict(list)
    rows = prices.database.read(lambda tx: list(tx.execute(statement.join_from(market, price).order_by(price.c.bucket_at))))
    for az_id, instance_type, at, usd, is_interpolated in rows:
        found[az_id, instance_type].append((at, usd, is_interpolated))
    return found


def test_a_week_that_the_server_pulled_has_in_each_five_minutes_the_price_in_force(
    database: Database, jobs: JobContext, clock: FakeClock, records: list[RecordedPrice]
) -> None:
    fleet, prices, series = Fleet.on(database), Prices(database), series_of(records)
    types = sorted({row.instance_type for row in records})
    where = {"region": REGION, "az_id": "euw1-az1", "az_name": "eu-west-1a", "instance_type": types[0]}
    fleet.agent(**where, settings={"carry": "stateless", "allowed_instance_types": types})
    fleet.execute(update(clients).values(aws_role_arn="arn:aws:iam::123456789012:role/spot-optimizer"))
    market = FakeMarket(zones=ZONES, page_rows=100)
    for row in records:
        market.change(row.az_name, row.instance_type, row.at, row.usd)

    said = PricePull(FakeMarkets({REGION: market}))(jobs)
    clock.advance(3600)
    consolidate_prices(jobs)

    found = canonical(prices)
    assert said.startswith("pulled ")
    assert set(found) == set(series)
    for pool, points in found.items():
        assert len(points) == WEEK // BUCKET + 1
        assert not any(is_interpolated for _at, _usd, is_interpolated in points)
        assert all(usd == in_force(series[pool], min(END, at + BUCKET - timedelta(seconds=1))) for at, usd, _marked in points)
    (job,) = database.read(lambda tx: list_jobs(tx, after=None, most=9))
    assert (job.rows_merged, job.rows_refused) == (0, 0)


def test_what_one_daemon_saw_now_and_then_is_filled_within_a_step_of_the_truth_and_marked(
    database: Database, jobs: JobContext, clock: FakeClock, records: list[RecordedPrice]
) -> None:
    """A day in which every second report is missing: no step in these records is above 5 %, so nothing that is filled is further off."""
    fleet, prices, series = Fleet.on(database), Prices(database), series_of(records)
    types = sorted({row.instance_type for row in records})
    allowed = {"carry": "stateless", "allowed_instance_types": types}
    agent = fleet.agent(region=REGION, az_id="euw1-az1", instance_type=types[0], settings=allowed)
    dice, begin = random.Random(1), END  # noqa: S311 - the same reports are missing each time
    while clock.now() < begin + timedelta(hours=12):
        now = clock.now() - WEEK
        if dice.random() < 0.5:
            rows = [ReportedPrice(REGION, az_id, name, LINUX, in_force(changes, now), now) for (az_id, name), changes in series.items()]
            said = PriceReport(clock.now(), list(enumerate(rows)), [], [], f"at {clock.now()}")
            outcome = database.write(lambda tx, said=said: report_prices(tx, agent.agent_id, "i-1", said))  # type: ignore[misc]
            assert outcome.refused == []
        clock.advance(300)
    clock.advance(3600)

    consolidate_prices(jobs)

    marked = 0
    for pool, points in canonical(prices).items():
        assert [at for at, *_rest in points] == [points[0][0] + number * BUCKET for number in range(len(points))]
        for at, usd, is_interpolated in points:
            truth = in_force(series[pool], at - WEEK)
            assert abs(usd / truth - 1) <= Decimal("0.051")
            assert is_interpolated or usd == truth
            marked += is_interpolated
    assert marked > 100


def test_the_published_catalogues_can_be_imported(database: Database) -> None:
    files = [
        ("on_demand_us-east-1_2026-07-20.csv.gz", None, 1367),
        ("on_demand_us_regions_2021-11.csv.gz", None, 1514),
        ("us-east-1_od_spot_ri_2023-08.csv.gz", "us-east-1", 642),
    ]

    for name, region, count in files:
        catalogue = load_catalogue(str(recorded_data("catalog_aws") / name), region=region, leave_out_unpriced=True)
        new = [NewPrice(of, kind, LINUX, price.usd_per_hour) for (kind, of), price in catalogue.prices.items()]
        assert database.write(lambda tx, new=new: store_prices(tx, new, OnDemandSource.CATALOGUE)) == count  # type: ignore[misc]
