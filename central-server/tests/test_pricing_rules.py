"""What holds for every set of observed prices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.pricing.rules import (
    BUCKET_SECONDS,
    Observation,
    ReportedPrice,
    choose_current,
    newest_of_each_pool,
)
from spot_server.words import PriceSource

observations = st.builds(
    Observation,
    pool_id=st.integers(1, 3),
    bucket_at=st.integers(0, 20).map(lambda number: START + timedelta(seconds=BUCKET_SECONDS * number)),
    source=st.sampled_from(PriceSource),
    usd_per_hour=st.sampled_from([Decimal("0.03"), Decimal("0.04"), Decimal("0.05")]),
    observation_count=st.integers(1, 5),
    effective_at=st.integers(0, 100).map(lambda number: START + timedelta(seconds=number)),
    last_observed_at=st.just(START),
)


rows = st.builds(
    ReportedPrice,
    region=st.just("us-east-1"),
    az_id=st.sampled_from(["use1-az1", "use1-az2"]),
    instance_type=st.just("m5.large"),
    product=st.just("Linux/UNIX"),
    usd_per_hour=st.sampled_from([Decimal("0.03"), Decimal("0.04")]),
    effective_at=st.integers(0, 3).map(lambda number: START + timedelta(seconds=number)),
)


@given(st.lists(rows))
def test_a_report_is_one_vote_in_each_pool_and_every_other_row_is_named(said: list[ReportedPrice]) -> None:
    good, refused = newest_of_each_pool(list(enumerate(said)))

    assert {price.market for price in good} == {price.market for price in said}
    assert len(good) == len({price.market for price in good})
    assert len(good) + len(refused) == len(said)
    for price in good:
        assert price.effective_at == max(one.effective_at for one in said if one.market == price.market)


def test_of_two_prices_of_a_pool_at_the_same_time_the_dearer_counts() -> None:
    said = [ReportedPrice("us-east-1", "use1-az1", "m5.large", "Linux/UNIX", Decimal(usd), START) for usd in ("0.03", "0.05", "0.04")]

    good, refused = newest_of_each_pool(list(enumerate(said)))

    assert good == [said[1]]
    assert [(row.index, row.field, row.reason) for row in refused] == [
        (index, "effective_at", "row 1 says what this pool costs now") for index in (0, 2)
    ]


@given(st.lists(observations, min_size=1))
def test_the_current_price_is_one_that_was_seen_and_no_newer_change_is_passed_over(seen: list[Observation]) -> None:
    current = choose_current(seen)

    assert current in seen
    assert current.effective_at == max(row.effective_at for row in seen)
