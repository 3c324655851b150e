"""What may be done for a PRIMARY that stands still, whatever was tried before."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.recoveries.rules import (
    LONGEST_SERVE_PAUSE_SECONDS,
    LeaveAlone,
    ServeOrder,
    StandstillFacts,
    TellAPerson,
    TellToServe,
    decide_standstill,
    is_workload_held,
    serve_pause_seconds,
)
from spot_server.words import StepStatus

steps = st.sampled_from(StepStatus)
seconds = st.integers(0, 20_000)


@st.composite
def standstills(draw: st.DrawFn) -> StandstillFacts:
    now = START + timedelta(days=1)
    given_ago = sorted(draw(st.lists(seconds, max_size=6)))
    given = [
        ServeOrder(now - timedelta(seconds=ago), now - timedelta(seconds=draw(st.integers(0, ago))), has_helped=draw(st.booleans()))
        for ago in given_ago
    ]
    return StandstillFacts(
        is_quiesced=draw(st.booleans()),
        is_reachable=draw(st.booleans()),
        is_held=draw(st.booleans()),
        is_enabled=draw(st.booleans()),
        orders=given,
        now=now,
    )


@given(facts=standstills())
def test_only_a_primary_that_can_be_reached_and_that_nothing_holds_is_told(facts: StandstillFacts) -> None:
    decision = decide_standstill(facts)

    may_be_told = facts.is_quiesced and facts.is_reachable and not facts.is_held
    match decision:
        case TellToServe():
            assert may_be_told
            assert facts.is_enabled
        case TellAPerson():
            assert may_be_told
            assert not facts.is_enabled
        case LeaveAlone():
            assert not may_be_told or (facts.is_enabled and facts.orders)


@given(status=steps)
def test_a_move_holds_the_workload_from_its_quiesce_until_that_is_taken_back(status: StepStatus) -> None:
    assert is_workload_held(status) == (status not in {StepStatus.PENDING, StepStatus.UNDONE})
    assert not is_workload_held(None)


@given(number=st.integers(1, 10_000))
def test_the_pause_after_orders_in_vain_grows_and_has_a_bound(number: int) -> None:
    assert 30 <= serve_pause_seconds(number) <= serve_pause_seconds(number + 1) <= LONGEST_SERVE_PAUSE_SECONDS
