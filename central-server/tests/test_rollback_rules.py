"""Properties of going back: one way or a reason, never both, and never onto an instance of which anything is doubtful."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.switches.rollback_rules import MoveToUndo, OldSide, why_not_undone, why_old_side_cannot_serve
from spot_server.words import Mode, Role, SwitchStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIT = OldSide("i-1", Role.ZOMBIE, Mode.SPOT, is_heard=True, last_heard_at=NOW, ends_at=None, is_retirement_begun=False, bound_by=None)
DONE = MoveToUndo(SwitchStatus.COMPLETED, "i-2", "switch-1", "switch-1", "i-2")

old_sides = st.builds(
    OldSide,
    instance_id=st.just("i-1"),
    role=st.sampled_from(Role),
    mode=st.sampled_from(Mode),
    is_heard=st.booleans(),
    last_heard_at=st.just(NOW),
    ends_at=st.sampled_from([None, NOW]),
    is_retirement_begun=st.booleans(),
    bound_by=st.sampled_from([None, "the secondary private IP 10.0.0.9"]),
)


@given(old_sides)
def test_only_a_zombie_of_which_nothing_is_doubtful_can_serve_again(old: OldSide) -> None:
    assert (why_old_side_cannot_serve(old) is None) == (old == replace(FIT, mode=old.mode) and old.mode is not Mode.UNKNOWN)


@given(
    st.builds(
        MoveToUndo,
        status=st.sampled_from(SwitchStatus),
        promoted_id=st.sampled_from(["i-2", None]),
        newest_completed_id=st.sampled_from(["switch-1", "switch-2", None]),
        switch_id=st.just("switch-1"),
        primary_id=st.sampled_from(["i-2", "i-3", None]),
    )
)
def test_only_the_last_completed_move_whose_new_side_is_still_the_primary_can_be_undone(move: MoveToUndo) -> None:
    is_last = move.status is SwitchStatus.COMPLETED and move.newest_completed_id == "switch-1"
    assert (why_not_undone(move) is None) == (is_last and move.primary_id == move.promoted_id)


def test_what_stands_in_the_way_is_named() -> None:
    assert why_not_undone(replace(DONE, newest_completed_id="switch-2")) == (
        "switch switch-2 came after it: only the last move can be rolled back"
    )
    assert why_not_undone(replace(DONE, primary_id=None)) == "the primary is gone, and not i-2 any more, which this move promoted"
    assert why_old_side_cannot_serve(replace(FIT, bound_by="the secondary private IP 10.0.0.9")) == (
        "the secondary private IP 10.0.0.9 cannot come along to i-1"
    )
