"""Prices on their way from EC2 to the server."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_fakes.virtual import START
from spot_agent.ec2_facts import SpotPrice, TypeFacts
from spot_agent.rules.prices import (
    LINUX,
    newest_prices,
    price_rows,
    product_of,
    products_asked,
    report_id_of,
    type_rows,
    watched_types,
)

ROWS = st.lists(
    st.builds(
        SpotPrice,
        az_name=st.sampled_from(["us-east-1a", "us-east-1b", "us-east-1z"]),
        instance_type=st.sampled_from(["m5.large", "c5.large"]),
        product=st.sampled_from(products_asked(LINUX)),
        spot_usd_per_hour=st.decimals("0.000001", 50, places=6),
        effective_at=st.integers(0, 10_000).map(lambda minutes: START - timedelta(minutes=minutes)),
    )
)
ZONES = {"us-east-1a": "use1-az1", "us-east-1b": "use1-az2"}


@given(ROWS)
def test_the_newest_row_of_each_pool_is_kept_and_only_that(rows: list[SpotPrice]) -> None:
    newest = newest_prices(rows)

    pools = [(row.instance_type, row.az_name) for row in newest]
    assert len(pools) == len(set(pools))
    assert set(pools) == {(row.instance_type, row.az_name) for row in rows}
    for kept in newest:
        others = [row for row in rows if (row.instance_type, row.az_name) == (kept.instance_type, kept.az_name)]
        assert kept.effective_at == max(row.effective_at for row in others)


@given(ROWS)
def test_a_price_arrives_as_the_decimal_that_it_was(rows: list[SpotPrice]) -> None:
    newest = [row for row in newest_prices(rows) if row.az_name in ZONES]

    wired = price_rows(newest, LINUX, "us-east-1", ZONES)

    assert [Decimal(row["spot_usd_per_hour"]) for row in wired] == [row.spot_usd_per_hour for row in newest]
    assert not [row for row in wired if "E" in row["spot_usd_per_hour"]]


def test_a_price_in_a_zone_without_a_known_id_is_left_out() -> None:
    row = SpotPrice("us-east-1z", "m5.large", "Linux/UNIX", Decimal("0.03"), START)

    assert price_rows([row], LINUX, "us-east-1", ZONES) == []


def test_its_own_type_is_always_watched() -> None:
    assert watched_types("m5.large", ["c5.large", "m5.large", ""]) == ("c5.large", "m5.large")


def test_a_report_keeps_its_id_and_another_moment_makes_another() -> None:
    assert report_id_of("i-1", START) == report_id_of("i-1", START)
    assert report_id_of("i-1", START) != report_id_of("i-1", START + timedelta(seconds=1))


def test_types_are_listed_with_what_they_offer() -> None:
    assert type_rows([TypeFacts("m5.large", 2, 8192, ("x86_64",))]) == [
        {"instance_type": "m5.large", "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}
    ]


@pytest.mark.parametrize(
    ("platform_details", "product"),
    [
        ("Red Hat Enterprise Linux", "Red Hat Enterprise Linux"),
        ("SUSE Linux", "SUSE Linux"),
        ("Linux/UNIX", "Linux/UNIX"),
        ("Windows with SQL Server Standard", "Linux/UNIX"),
        (None, "Linux/UNIX"),
    ],
)
def test_an_instance_pays_the_prices_of_its_own_product_where_ec2_tells_them(platform_details: str | None, product: str) -> None:
    assert product_of(platform_details) == product
