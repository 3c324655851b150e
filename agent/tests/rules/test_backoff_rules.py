"""How long to wait after failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.backoff import backoff_seconds, is_worth_logging


@given(st.integers(1, 10_000), st.floats(0.1, 10), st.floats(10, 600), st.floats(0, 1))
def test_a_wait_is_never_longer_than_the_cap_nor_shorter_than_half_the_base(failures: int, base: float, cap: float, jitter: float) -> None:
    assert base / 2 <= backoff_seconds(failures, base, cap, jitter) <= cap


@given(st.integers(1, 100))
def test_without_jitter_a_further_failure_never_shortens_the_wait(failures: int) -> None:
    assert backoff_seconds(failures, 1, 300, 0) <= backoff_seconds(failures + 1, 1, 300, 0)


def test_an_outage_of_a_thousand_failures_is_logged_ten_times() -> None:
    assert sum(is_worth_logging(failures) for failures in range(1, 1_001)) == 10
