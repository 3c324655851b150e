"""For how long a pool without capacity is left alone: growing, bounded, and not longer because many ask at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.cooldowns.rules import (
    FIRST_COOLDOWN_SECONDS,
    LONGEST_COOLDOWN_SECONDS,
    MEMORY_SECONDS,
    Cooldown,
    cooldown_seconds,
    is_answered_by,
    next_cooldown,
)

refusals = st.lists(st.floats(0, 8000, allow_nan=False), min_size=1, max_size=30)


@given(refusals)
def test_a_cool_down_is_never_longer_than_its_bound_and_never_shorter_than_the_first(pauses: list[float]) -> None:
    now, cooldown = START, None

    for pause in pauses:
        now += timedelta(seconds=pause)
        cooldown = next_cooldown(cooldown, now)

        assert FIRST_COOLDOWN_SECONDS <= (cooldown.until_at - now).total_seconds() <= LONGEST_COOLDOWN_SECONDS
        assert cooldown.refused_at == now


@given(st.lists(st.floats(0, FIRST_COOLDOWN_SECONDS - 1, allow_nan=False), max_size=30))
def test_however_many_ask_during_a_shortage_it_counts_once(pauses: list[float]) -> None:
    cooldown = next_cooldown(None, START)

    for pause in pauses:
        cooldown = next_cooldown(cooldown, cooldown.refused_at + timedelta(seconds=pause))

    assert cooldown.shortage_count == 1


def test_a_pool_that_is_short_again_after_its_cool_down_is_left_alone_for_twice_as_long() -> None:
    lengths = []
    cooldown = next_cooldown(None, START)

    for _ in range(7):
        lengths.append((cooldown.until_at - cooldown.refused_at).total_seconds())
        cooldown = next_cooldown(cooldown, cooldown.until_at)

    assert lengths == [180, 360, 720, 1440, 2880, 3600, 3600]


@pytest.mark.parametrize(("after_seconds", "count"), [(MEMORY_SECONDS - 1, 2), (MEMORY_SECONDS, 1)])
def test_a_shortage_is_remembered_for_a_while_after_its_cool_down(after_seconds: float, count: int) -> None:
    earlier = next_cooldown(None, START)

    again = next_cooldown(earlier, earlier.until_at + timedelta(seconds=after_seconds))

    assert again.shortage_count == count


def test_a_server_whose_clock_is_behind_shortens_nothing() -> None:
    earlier = Cooldown(5, START, START + timedelta(seconds=cooldown_seconds(5)))

    behind = next_cooldown(earlier, START - timedelta(seconds=300))

    assert behind.until_at == earlier.until_at


@pytest.mark.parametrize(("seconds", "is_over"), [(-1, False), (0, False), (1, True)])
def test_only_a_launch_after_the_refusal_shows_that_there_is_capacity(seconds: float, is_over: bool) -> None:
    assert is_answered_by(next_cooldown(None, START), START + timedelta(seconds=seconds)) is is_over
