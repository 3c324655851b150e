"""When an absence counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.suspension import LEAST_ABSENCE_SECONDS, was_away

SECONDS = st.floats(min_value=0, max_value=1e8)


@given(known_seconds=SECONDS, lag_seconds=SECONDS)
def test_a_reading_that_is_too_low_is_never_an_absence(known_seconds: float, lag_seconds: float) -> None:
    assert not was_away(known_seconds, known_seconds - lag_seconds)


@given(known_seconds=SECONDS, away_seconds=st.floats(min_value=2 * LEAST_ABSENCE_SECONDS, max_value=1e8))
def test_an_absence_that_ec2_could_have_called_a_stop_always_counts(known_seconds: float, away_seconds: float) -> None:
    assert was_away(known_seconds, known_seconds + away_seconds)
