"""Which markets a report may name, and what a price there may be, whatever is said."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.pricing.market_rules import (
    FUTURE_TOLERANCE,
    LINUX,
    USD_PER_HOUR_MAX,
    KnownMarkets,
    check_price,
    is_known_zone,
    zone_prefix,
)
from spot_server.features.pricing.rules import ReportedPrice, bucket_from, bucket_of, whole_micros

ON_DEMAND = Decimal("0.096")
KNOWN = KnownMarkets("us-east-1", frozenset({"m5.large"}), frozenset(), {("m5.large", LINUX): ON_DEMAND})
prices = st.builds(
    ReportedPrice,
    region=st.sampled_from(["us-east-1", "us-east-2", ""]),
    az_id=st.sampled_from(["use1-az1", "use1-az6", "use2-az1", "us-east-1a", ""]),
    instance_type=st.sampled_from(["m5.large", "m5.nonsense"]),
    product=st.sampled_from([LINUX, "Windows", "BeOS"]),
    usd_per_hour=st.decimals(-1, 1000, places=8),
    effective_at=st.integers(-1000, 1000).map(lambda seconds: START + timedelta(seconds=seconds)),
)


@given(prices)
def test_what_is_taken_can_be_stored_and_is_no_mistake(price: ReportedPrice) -> None:
    refused = check_price(0, price, KNOWN, now=START)

    if refused is None:
        assert (price.region, price.instance_type, price.az_id[:5]) == ("us-east-1", "m5.large", "use1-")
        assert whole_micros(price.usd_per_hour) > 0
        assert price.usd_per_hour <= (10 * ON_DEMAND if price.product == LINUX else USD_PER_HOUR_MAX)
        assert price.effective_at <= START + FUTURE_TOLERANCE
    else:
        said = {**{name: getattr(price, name) for name in price.__dataclass_fields__}, "spot_usd_per_hour": str(price.usd_per_hour)}
        assert refused.field in said
        assert refused.reason


@pytest.mark.parametrize(
    ("region", "prefix"),
    [
        ("us-east-1", "use1"),
        ("us-gov-west-1", "usgw1"),
        ("ap-northeast-3", "apne3"),
        ("ap-southeast-2", "apse2"),
        ("eu-central-1", "euc1"),
        ("me-south-1", "mes1"),
        ("use1", None),
        ("", None),
        ("us-east-1'; DROP TABLE", None),
    ],
)
def test_zone_ids_begin_with_the_regions_short_name(region: str, prefix: str | None) -> None:
    assert zone_prefix(region) == prefix


@pytest.mark.parametrize(
    ("az_id", "is_known"),
    [
        ("usw2-az1", True),
        ("usw2-lax1-az1", True),
        ("usw2-wl1-las-wlz1", True),
        ("usw2-az0", False),
        ("usw2-az10", False),
        ("usw2-az1 ", False),
        ("usw2az1", False),
        ("us-west-2a", False),
        ("use1-az1", False),
    ],
)
def test_without_ec2s_list_the_shape_of_an_id_decides(az_id: str, is_known: bool) -> None:
    assert is_known_zone(az_id, "us-west-2", frozenset()) is is_known


def test_ec2s_list_is_the_last_word_but_for_local_zones() -> None:
    zones = frozenset({"use1-az1", "use1-odd"})

    assert is_known_zone("use1-odd", "us-east-1", zones)
    assert not is_known_zone("use1-az2", "us-east-1", zones)
    assert is_known_zone("use1-bos1-az1", "us-east-1", zones)


@given(st.datetimes(min_value=START.replace(tzinfo=None)).map(lambda naive: naive.replace(tzinfo=START.tzinfo)))
def test_the_buckets_before_a_moment_are_those_that_begin_before_it(moment: object) -> None:
    assert bucket_of(moment) <= moment <= bucket_from(moment)  # type: ignore[arg-type, operator]
    assert bucket_from(moment) - bucket_of(moment) in (timedelta(0), timedelta(minutes=5))  # type: ignore[arg-type]
