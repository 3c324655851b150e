"""Drawn delays."""

from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.model.delays import RANGES_SECONDS, Delay, Delays, unit_draw


@given(st.integers(), st.sampled_from(Delay), st.integers(0, 1000), st.floats(0.001, 10))
def test_a_delay_lies_in_its_scaled_range(seed: int, delay: Delay, ordinal: int, time_scale: float) -> None:
    low, high = RANGES_SECONDS[delay]

    seconds = Delays(seed, time_scale).seconds(delay, ordinal)

    assert low * time_scale <= seconds <= high * time_scale * 1.000001


@given(st.integers(), st.sampled_from(Delay), st.integers(0, 1000))
def test_a_delay_depends_on_its_resource_alone(seed: int, delay: Delay, ordinal: int) -> None:
    first, second = Delays(seed, 1.0), Delays(seed, 1.0)
    second.seconds(Delay.BOOT, ordinal + 1)

    assert first.seconds(delay, ordinal) == second.seconds(delay, ordinal)


def test_draws_are_spread_over_their_range() -> None:
    draws = [unit_draw(1, "run", ordinal) for ordinal in range(1000)]

    assert 0.45 < sum(draws) / len(draws) < 0.55
    assert min(draws) < 0.01
    assert max(draws) > 0.99
