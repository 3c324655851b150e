"""Who is warned that its pool was interrupted, and how seldom."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.pool_warnings.rules import FRESH_SECONDS, MOST_AT_ONCE, QUIET_SECONDS, Neighbour, choose_warned, is_due

HOLD_SECONDS = 1800.0
ONE = Neighbour("agent-1", "i-1", "event-1", START)

moments = st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes))
neighbours = st.lists(
    st.builds(Neighbour, st.integers(1, 30).map(lambda n: f"agent-{n}"), st.just("i-1"), st.sampled_from(["event-1", "event-2"]), moments)
)


@given(neighbours)
def test_a_round_warns_each_agent_once_and_never_too_many(found: list[Neighbour]) -> None:
    warned = choose_warned(found)

    assert len({one.agent_id for one in warned}) == len(warned) <= MOST_AT_ONCE
    for one in warned:
        assert one.interrupted_at == min(other.interrupted_at for other in found if other.agent_id == one.agent_id)


@given(st.lists(st.floats(1, 20_000, allow_nan=False), max_size=60))
def test_however_often_a_pool_is_interrupted_warnings_are_a_hold_and_a_quiet_apart(pauses: list[float]) -> None:
    now, last = START, None

    for pause in pauses:
        now += timedelta(seconds=pause)
        if is_due(replace(ONE, interrupted_at=now, warned_at=last), hold_seconds=HOLD_SECONDS, now=now):
            assert last is None or (now - last).total_seconds() >= HOLD_SECONDS + QUIET_SECONDS
            last = now


@pytest.mark.parametrize(("after_seconds", "due"), [(FRESH_SECONDS, True), (FRESH_SECONDS + 1, False)])
def test_what_was_long_ago_warns_nobody(after_seconds: float, due: bool) -> None:
    assert is_due(ONE, hold_seconds=HOLD_SECONDS, now=START + timedelta(seconds=after_seconds)) is due
