"""The text of a chart: what its schemas would have said, written by hand because they take longer than all the rest."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.instances.queries import Instance
from spot_server.features.pricing.answers import HistoryAnswer
from spot_server.features.pricing.chart_rules import Slot, Window
from spot_server.features.pricing.chart_text import EPOCH, write_history
from spot_server.features.pricing.history import InstanceHistory, PoolHistory
from spot_server.features.pricing.on_demand import OnDemandPrice
from spot_server.features.pricing.queries import Pool
from spot_server.words import PriceSource

MOST_MICROS = 2**31 - 1

slots = st.builds(
    lambda bucket, least, more, count, rank, is_interpolated, distinct: Slot(
        bucket * 300, least * count + more, count, least, least + more, rank, is_interpolated, distinct
    ),
    st.integers(4_000_000, 14_000_000),
    st.integers(1, MOST_MICROS // 2),
    st.integers(0, MOST_MICROS // 2),
    st.integers(1, 9000),
    st.integers(1, len(PriceSource)),
    st.booleans(),
    st.integers(0, 127),
)
charts = st.lists(st.lists(slots, max_size=6), max_size=3)


def as_the_schema_takes_it(slot: Slot) -> dict[str, object]:
    return {
        "at": EPOCH + timedelta(seconds=slot.at_seconds),
        "usd_per_hour": Decimal(slot.mean_micros) / 10**6,
        "lowest_usd_per_hour": Decimal(slot.least_micros) / 10**6,
        "highest_usd_per_hour": Decimal(slot.most_micros) / 10**6,
        "source": list(PriceSource)[slot.rank - 1],
        "is_interpolated": slot.is_interpolated,
        "distinct_price_count": slot.distinct_price_count,
    }


@given(charts)
def test_a_chart_by_hand_says_what_its_schema_says(pools: list[list[Slot]]) -> None:
    # The zone's name would end the list of points early if it were looked for in texts, too.
    named = [Pool(number, "us-east-1", 'use1","points":[]', "c5.large", "Linux/UNIX") for number in range(len(pools))]
    price = OnDemandPrice(Decimal("0.085"), "catalogue", START)
    window = Window(START - timedelta(days=7), START, 300)
    histories = [PoolHistory(pool, points) for pool, points in zip(named, pools, strict=True)]
    instance = cast("Instance", SimpleNamespace(instance_id="i-1"))
    history = InstanceHistory(instance, window, histories, {"c5.large": price}, is_truncated=False)

    laid_out = {
        "instance_id": "i-1",
        "since": window.since,
        "until": window.until,
        "bucket_seconds": 300,
        "pools": [
            {
                "pool_id": one.pool_id,
                "az_id": one.az_id,
                "instance_type": "c5.large",
                "points": [as_the_schema_takes_it(slot) for slot in points],
            }
            for one, points in zip(named, pools, strict=True)
        ],
        "on_demand_prices": [
            {"instance_type": "c5.large", "usd_per_hour": price.usd_per_hour, "observed_at": START, "source": "catalogue"}
        ],
        "is_truncated": False,
    }
    assert write_history(history) == json.dumps(HistoryAnswer().dump(laid_out), separators=(",", ":"))
