"""The cache of on-demand prices: read once a day from the price list, for each region that can be read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import structlog
from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.memory_market import FakeMarket, FakeMarkets
from spot_server.db.runner import Database
from spot_server.db.tables import clients, notifications, on_demand_prices
from spot_server.features.on_demand.jobs import PriceListReader
from spot_server.features.on_demand.queries import NewPrice, store_prices
from spot_server.features.pricing.market_queries import on_demand_usd_per_hour
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import OnDemandSource

DAY_SECONDS = 86_400


class Site:
    """A client with a control role and one agent in a region whose price list has two types."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.fleet = Fleet.on(database)
        self.fleet.agent()
        role = {"aws_role_arn": "arn:aws:iam::123456789012:role/spot-optimizer"}
        self.fleet.execute(update(clients).where(clients.c.client_id == self.fleet.client_id).values(**role))
        self.market = FakeMarket(on_demand={"m5.large": "0.096", "c5.large": "0.085"})
        self.jobs = JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())
        self.reader = PriceListReader(FakeMarkets({"us-east-1": self.market}))

    def rows(self) -> list[tuple[str, Any, Any]]:
        table = on_demand_prices
        rows = self.fleet.database.read(lambda tx: list(tx.execute(select(table).order_by(table.c.instance_type))))
        return [(row.instance_type, row.usd_per_hour, row.source) for row in rows]


@pytest.fixture
def site(database: Database, clock: FakeClock) -> Site:
    return Site(database, clock)


def test_the_list_is_read_once_and_again_after_a_day(site: Site, clock: FakeClock) -> None:
    first = site.reader(site.jobs)
    clock.advance(DAY_SECONDS - 1)
    site.market.on_demand["m5.large"] = "0.090"
    early = site.reader(site.jobs)
    clock.advance(1)
    due = site.reader(site.jobs)

    assert (first, early, due) == ("read 2 on-demand prices", "", "read 2 on-demand prices")
    source = OnDemandSource.PRICE_LIST
    assert site.rows() == [("c5.large", Decimal("0.085"), source), ("m5.large", Decimal("0.09"), source)]


def test_what_the_list_tells_takes_the_place_of_what_a_file_told(site: Site) -> None:
    prices = [NewPrice("us-east-1", name, "Linux/UNIX", Decimal(1)) for name in ("m5.large", "r5.large")]
    site.fleet.database.write(lambda tx: store_prices(tx, prices, OnDemandSource.CATALOGUE))

    site.reader(site.jobs)

    assert [(name, str(source)) for name, _usd, source in site.rows()] == [
        ("c5.large", "price_list"),
        ("m5.large", "price_list"),
        ("r5.large", "catalogue"),
    ]


def test_a_role_that_may_not_read_the_list_is_told_of_once_a_day_and_what_is_known_stays(site: Site, clock: FakeClock) -> None:
    site.reader(site.jobs)
    clock.advance(DAY_SECONDS)
    for _ in range(2):
        site.market.refuse("AccessDeniedException")

    said = [site.reader(site.jobs) for _ in range(2)]

    assert said == ["", ""]
    assert len(site.rows()) == 2
    assert site.fleet.scalars(select(notifications.c.kind)).count("control_role_refused") == 1


def test_a_stored_price_comes_before_the_catalogue_that_the_server_was_started_with(site: Site, database: Database) -> None:
    site.reader(site.jobs)
    database.policy = type(database.policy)(
        on_demand_usd_per_hour={("m5.large", "us-east-1"): Decimal(7), ("r5.large", "us-east-1"): Decimal("0.126")}
    )

    types = ["c5.large", "m5.large", "r5.large", "t3.large"]
    found = database.read(lambda tx: on_demand_usd_per_hour(tx, "us-east-1", types, "Linux/UNIX (Amazon VPC)"))

    of_windows = database.read(lambda tx: on_demand_usd_per_hour(tx, "us-east-1", types, "Windows"))
    assert found == {"c5.large": Decimal("0.085"), "m5.large": Decimal("0.096"), "r5.large": Decimal("0.126")}
    assert of_windows == {}
