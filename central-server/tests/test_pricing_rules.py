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
    choose_current,
    merge_observations,
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


@given(st.lists(observations))
def test_merging_loses_no_observation_and_names_no_row_twice(seen: list[Observation]) -> None:
    merged = merge_observations(seen)

    keys = [(row.pool_id, row.bucket_at, row.source, row.usd_per_hour) for row in merged]
    assert len(keys) == len(set(keys))
    assert sum(row.observation_count for row in merged) == sum(row.observation_count for row in seen)


@given(st.lists(observations, min_size=1))
def test_the_current_price_is_one_that_was_seen_and_no_newer_change_is_passed_over(seen: list[Observation]) -> None:
    current = choose_current(seen)

    assert current in seen
    assert current.effective_at == max(row.effective_at for row in seen)
