"""What the server relies on in AWS's markets, held against the fake and against the real adapters in front of the simulated region."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from server_support.aws_worlds import REGION, ROLE, region_for_the_server
from server_support.memory_market import FakeMarket
from spot_server.aws.errors import AwsFailed
from spot_server.aws.market_ports import MarketPort, SpotPriceFacts
from spot_server.aws.sessions import AssumedRoles
from spot_server.clock import SystemClock

LINUX = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"]
NOW = SystemClock().now()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MarketPort]:
    with region_for_the_server(tmp_path_factory.mktemp("region") / "state"):
        yield AssumedRoles(SystemClock()).market(ROLE, REGION)


def in_memory() -> FakeMarket:
    market = FakeMarket(on_demand={"m5.large": "0.096", "c5.large": "0.085"})
    for az_name in market.zones:
        for instance_type in ("m5.large", "c5.large"):
            for hours in range(24 * 10, 0, -6):
                market.change(az_name, instance_type, NOW - timedelta(hours=hours), f"0.0{30 + hours % 7}")
    return market


@pytest.fixture(params=["memory", pytest.param("region", marks=pytest.mark.server)])
def market(request: pytest.FixtureRequest) -> MarketPort:
    if request.param == "memory":
        return in_memory()
    lent: MarketPort = request.getfixturevalue("simulated")
    return lent


def rows(market: MarketPort, *types: str, days: float) -> list[SpotPriceFacts]:
    return [row for page in market.spot_prices(types, LINUX, NOW - timedelta(days=days), NOW) for row in page]


def test_of_each_pool_there_are_the_changes_of_the_window_and_the_price_in_force_at_its_beginning(market: MarketPort) -> None:
    found = rows(market, "m5.large", days=7)

    zones = market.zone_ids()
    assert {row.az_name for row in found} == set(zones)
    for az_name in zones:
        moments = sorted(row.effective_at for row in found if row.az_name == az_name)
        assert moments[0] < NOW - timedelta(days=7) <= moments[1] <= moments[-1] <= NOW
        assert len(set(moments)) == len(moments)
    assert all(row.instance_type == "m5.large" and row.product in LINUX and 0 < row.usd_per_hour < 1 for row in found)


def test_asked_from_now_on_each_pool_has_the_one_price_in_force(market: MarketPort) -> None:
    found = rows(market, "m5.large", "c5.large", days=0)

    assert sorted((row.instance_type, row.az_name) for row in found) == sorted(
        (name, az_name) for name in ("m5.large", "c5.large") for az_name in market.zone_ids()
    )


def test_one_unknown_type_spoils_the_question(market: MarketPort) -> None:
    with pytest.raises(AwsFailed) as refused:
        rows(market, "m5.large", "m5.nonsense", days=1)

    assert refused.value.code == "InvalidParameterValue"


def test_zones_have_the_ids_of_their_region(market: MarketPort) -> None:
    zones = market.zone_ids()

    assert all(name.startswith("us-east-1") and az_id.startswith("use1-az") for name, az_id in zones.items())
    assert len(set(zones.values())) == len(zones) > 1


def test_on_demand_prices_are_told_of_linux(market: MarketPort) -> None:
    prices = {price.instance_type: price for page in market.on_demand_prices("Linux/UNIX") for price in page}

    assert prices["m5.large"].usd_per_hour == Decimal("0.096")
    assert prices["m5.large"].effective_at is not None
    assert [price for page in market.on_demand_prices("Windows") for price in page] == []
