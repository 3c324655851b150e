"""What becomes of a move that is taken back when nobody is left who can take it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.decisions import (
    Abandon,
    Alarm,
    FinishUndo,
    LeaveUndone,
    NoteAttendance,
    StepView,
    SwitchFacts,
    UndoIssue,
)
from spot_server.features.switches.plans import plan_switch
from spot_server.features.switches.undo_rules import UNATTENDED_SECONDS, decide_undo
from spot_server.policy import MovePolicy
from spot_server.words import Carry, CommandKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
NOW = START + timedelta(hours=1)
PLAN = plan_switch(Carry.STATELESS, takes_image=True)
LONG_AGO = NOW - timedelta(seconds=UNATTENDED_SECONDS)


def facts(up_to: StepName, *, others: StepStatus = StepStatus.UNDONE, **changes: Any) -> SwitchFacts:
    """A move whose undo has come down to `up_to`; what the plan has after it is `others`."""
    last = PLAN.index(up_to)
    steps = tuple(
        StepView(name, StepStatus.UNDOING if index == last else StepStatus.DONE if index < last else others, 1, None, None, 0, None)
        for index, name in enumerate(PLAN)
    )
    base = SwitchFacts(
        status=SwitchStatus.ROLLING_BACK,
        steps=steps,
        replica_status=ReplicaStatus.READY,
        replica_reason="",
        new_instance_id="i-2",
        new_role=Role.REPLICA,
        is_new_past_its_end=False,
        old_role=Role.PRIMARY,
        is_old_reachable=False,
        has_handle=True,
        has_fallback_image=True,
        action_at=None,
        may_terminate_old=True,
        now=NOW,
        is_attended=False,
        unattended_since=LONG_AGO,
    )
    return replace(base, **changes)


def test_that_nobody_is_there_and_that_somebody_is_there_again_is_noted_once() -> None:
    gone = facts(StepName.QUIESCE, unattended_since=None)
    back = facts(StepName.QUIESCE, is_attended=True)

    assert decide_undo(gone, POLICY) == NoteAttendance(NOW)
    assert decide_undo(back, POLICY) == NoteAttendance(None)
    assert isinstance(decide_undo(replace(back, unattended_since=None), POLICY), UndoIssue)


def test_somebody_is_waited_for_first() -> None:
    soon = facts(StepName.QUIESCE, unattended_since=LONG_AGO + timedelta(seconds=1))

    decision = decide_undo(soon, POLICY)

    assert isinstance(decision, UndoIssue)
    assert decision.kind is CommandKind.DESCRIBE_INSTANCE


@pytest.mark.parametrize("up_to", [StepName.QUIESCE, StepName.BOOT, StepName.LAUNCH, StepName.IMAGE])
def test_a_move_of_which_sweeps_look_after_all_that_is_left_ends(up_to: StepName) -> None:
    decision = decide_undo(facts(up_to), POLICY)

    assert isinstance(decision, LeaveUndone)
    assert decision.step is up_to
    assert "no daemon of the agent is heard" in decision.reason


@pytest.mark.parametrize("up_to", [StepName.TRAFFIC, StepName.PROMOTE, StepName.START])
def test_one_that_only_its_undo_brings_back_waits_and_a_person_is_told_once(up_to: StepName) -> None:
    seen = facts(up_to)
    told = replace(seen, steps=tuple(replace(step, is_alarmed=step.name is up_to) for step in seen.steps))

    assert isinstance(decide_undo(seen, POLICY), Alarm)
    assert not isinstance(decide_undo(told, POLICY), Alarm | LeaveUndone)


def test_nobody_is_needed_where_nothing_is_left_or_the_old_instance_is_known_to_be_gone() -> None:
    nothing_left = facts(StepName.QUIESCE)
    nothing_left = replace(nothing_left, steps=tuple(replace(step, status=StepStatus.UNDONE) for step in nothing_left.steps))

    assert decide_undo(nothing_left, POLICY) == FinishUndo()
    assert isinstance(decide_undo(facts(StepName.QUIESCE, old_role=Role.TERMINATED), POLICY), Abandon)


@given(st.sampled_from(PLAN), st.sampled_from(sorted(StepStatus)), st.booleans(), st.integers(0, 3000))
def test_no_handle_and_no_promotion_is_ever_left_behind(up_to: StepName, others: StepStatus, is_attended: bool, seconds: int) -> None:
    seen = facts(up_to, others=others, is_attended=is_attended, unattended_since=NOW - timedelta(seconds=seconds))

    decision = decide_undo(seen, POLICY)

    if isinstance(decision, LeaveUndone):
        left = {step.name for step in seen.steps if step.status not in {StepStatus.PENDING, StepStatus.UNDONE, StepStatus.SKIPPED}}
        assert left.isdisjoint({StepName.TRAFFIC, StepName.PROMOTE, StepName.START})
        assert not is_attended
        assert seconds >= UNATTENDED_SECONDS
