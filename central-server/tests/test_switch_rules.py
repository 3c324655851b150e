"""Single decisions about a switch that a random walk seldom meets."""

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
    BeginUndo,
    CommandView,
    FinishUndo,
    Issue,
    PromoteNew,
    Resume,
    Settle,
    StepView,
    SwitchFacts,
    UndoIssue,
    UndoPromote,
    UndoSettle,
    Wait,
)
from spot_server.features.switches.fence_rules import decide_fence, look_pause_seconds
from spot_server.features.switches.plans import Side, plan_promotion, plan_switch
from spot_server.features.switches.rules import decide
from spot_server.policy import MovePolicy
from spot_server.words import Carry, CommandKind, CommandStatus, HandleKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
NOW = START + timedelta(minutes=10)


def command(kind: CommandKind, status: CommandStatus = CommandStatus.DELIVERED, **changes: Any) -> CommandView:
    base = CommandView(
        kind=kind,
        status=status,
        state=None,
        error_class=None,
        error_text="why",
        deadline_at=NOW + timedelta(seconds=60),
        issued_at=NOW - timedelta(seconds=60),
        finished_at=None,
    )
    return replace(base, **changes)


def facts(at: StepName, *, step: dict[str, Any] | None = None, undo: bool = False, **changes: Any) -> SwitchFacts:
    """A handover to a ready replica that has come to `at`: what is before it is done, what is after it is not begun."""
    plan = changes.pop("plan", plan_promotion(Carry.STATELESS))
    steps = []
    for name in plan:
        is_before = plan.index(name) < plan.index(at)
        base = StepView(name, StepStatus.DONE if is_before else StepStatus.PENDING, 1 if is_before else 0, None, None, 0, None)
        base = replace(base, handle=HandleKind.ELASTIC_IP) if name is StepName.TRAFFIC else base
        steps.append(replace(base, **(step or {})) if name is at else base)
    base_facts = SwitchFacts(
        status=SwitchStatus.ROLLING_BACK if undo else SwitchStatus.RUNNING,
        steps=tuple(steps),
        replica_status=ReplicaStatus.READY,
        replica_reason="lost",
        new_instance_id="i-2",
        new_role=Role.REPLICA,
        is_new_past_its_end=False,
        old_role=Role.PRIMARY,
        is_old_reachable=True,
        has_handle=True,
        has_fallback_image=True,
        action_at=None,
        may_terminate_old=True,
        now=NOW,
    )
    return replace(base_facts, **changes)


def test_a_promotion_that_never_happened_is_not_undone() -> None:
    failed = facts(StepName.PROMOTE, step={"status": StepStatus.FAILED}, undo=True)
    done = facts(StepName.PROMOTE, step={"status": StepStatus.DONE}, undo=True)

    assert decide(failed, POLICY) == UndoSettle(StepName.PROMOTE)
    assert decide(done, POLICY) == UndoPromote(StepName.PROMOTE)


def test_nothing_is_promoted_but_a_replica_that_is_ready() -> None:
    assert decide(facts(StepName.PROMOTE), POLICY) == PromoteNew()
    assert isinstance(decide(facts(StepName.PROMOTE, replica_status=ReplicaStatus.SYNCING), POLICY), Wait)
    assert decide(facts(StepName.PROMOTE, replica_status=ReplicaStatus.FAILED), POLICY) == BeginUndo(StepName.PROMOTE, "lost")


@pytest.mark.parametrize(("waited_seconds", "is_alarmed", "is_told"), [(200, False, False), (900, False, True), (900, True, False)])
def test_a_rescue_that_finds_nobody_for_its_next_attempt_tells_a_person_once(
    waited_seconds: int,
    is_alarmed: bool,
    is_told: bool,
) -> None:
    issued_at = NOW - timedelta(seconds=waited_seconds)
    unanswered = command(CommandKind.MOVE_ADDRESS, issued_at=issued_at, deadline_at=issued_at + timedelta(seconds=90))
    step = {"status": StepStatus.RUNNING, "attempt": 1, "intent_at": issued_at, "command": unanswered, "is_alarmed": is_alarmed}

    decision = decide(facts(StepName.TRAFFIC, step=step, old_role=Role.TERMINATED), POLICY)

    assert decision == Alarm(StepName.TRAFFIC, "no answer in time") if is_told else isinstance(decision, Issue)


def test_an_image_under_way_is_not_waited_for_under_a_notice() -> None:
    step = {"status": StepStatus.RUNNING, "attempt": 1, "command": command(CommandKind.CREATE_IMAGE)}
    seen = facts(StepName.IMAGE, step=step, plan=plan_switch(Carry.STATELESS, takes_image=True), action_at=NOW + timedelta(seconds=100))

    decision = decide(seen, POLICY)

    assert isinstance(decision, Settle)
    assert decision.status is StepStatus.SKIPPED


def test_an_image_is_waited_for_under_a_notice_when_it_is_the_only_one() -> None:
    step = {"status": StepStatus.RUNNING, "attempt": 1, "command": command(CommandKind.CREATE_IMAGE)}
    plan = plan_switch(Carry.STATELESS, takes_image=True)
    seen = facts(StepName.IMAGE, step=step, plan=plan, action_at=NOW + timedelta(seconds=100), has_fallback_image=False)

    assert isinstance(decide(seen, POLICY), Wait)


def fence(action_seconds_ago: float, *, may_terminate_old: bool, **changes: Any) -> Any:
    """EC2 has just shown the old instance running, that long after it was to be gone; it did not confirm its quiesce."""
    look = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state="running", finished_at=NOW - timedelta(seconds=5))
    seen = facts(
        StepName.FENCE,
        step={"status": StepStatus.RUNNING, "attempt": 1, "command": look},
        action_at=NOW - timedelta(seconds=action_seconds_ago),
        may_terminate_old=may_terminate_old,
        **changes,
    )
    skipped = tuple(replace(s, status=StepStatus.SKIPPED) if s.name is StepName.QUIESCE else s for s in seen.steps)
    return decide(replace(seen, steps=skipped), POLICY)


def test_an_old_instance_that_outlives_its_notice_is_terminated_only_after_some_patience() -> None:
    assert fence(10, may_terminate_old=True).kind is CommandKind.DESCRIBE_INSTANCE
    assert fence(20, may_terminate_old=True).kind is CommandKind.TERMINATE_INSTANCE


def test_an_old_instance_is_never_terminated_by_the_fence_with_auto_terminate_off() -> None:
    assert fence(7200, may_terminate_old=False).kind is CommandKind.DESCRIBE_INSTANCE


def test_an_old_instance_whose_disk_should_stay_is_stopped_and_not_terminated() -> None:
    decision = fence(20, may_terminate_old=True, ends_old_by=CommandKind.STOP_INSTANCE)

    assert decision.kind is CommandKind.STOP_INSTANCE


@pytest.mark.parametrize(("may_terminate_old", "expected"), [(True, None), (False, CommandKind.DESCRIBE_INSTANCE)])
def test_a_termination_by_the_fence_is_called_back_when_auto_terminate_goes_off(
    may_terminate_old: bool, expected: CommandKind | None
) -> None:
    step = {"status": StepStatus.RUNNING, "attempt": 2, "command": command(CommandKind.TERMINATE_INSTANCE)}
    seen = facts(StepName.FENCE, step=step, action_at=NOW - timedelta(seconds=60), may_terminate_old=may_terminate_old)

    decision = decide_fence(seen.steps[2], seen, POLICY)

    assert (decision.kind if isinstance(decision, Issue) else None) is expected


def late_fence(waited_seconds: float, look: CommandView | None = None, *, is_alarmed: bool = False, **changes: Any) -> Any:
    """What is decided of a fence that began so long ago. The old daemon is silent; what EC2 said of its instance is in `look`."""
    step = {
        "status": StepStatus.RUNNING,
        "attempt": 9,
        "intent_at": NOW - timedelta(seconds=waited_seconds),
        "command": look,
        "is_alarmed": is_alarmed,
    }
    silent: dict[str, Any] = {"is_old_reachable": False, "may_terminate_old": False, "why_old_is_kept": "auto-terminate is off"}
    seen = facts(StepName.FENCE, step=step, **{**silent, **changes})
    return decide_fence(seen.steps[2], seen, POLICY)


SEEN_RUNNING = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state="running", finished_at=NOW - timedelta(seconds=5))


@given(waited_seconds=st.floats(0, 7200), action_seconds_ago=st.one_of(st.none(), st.floats(-600, 7200)), is_alarmed=st.booleans())
def test_a_person_is_told_once_and_only_when_ec2_has_had_its_time(
    waited_seconds: float, action_seconds_ago: float | None, is_alarmed: bool
) -> None:
    late_seconds = waited_seconds if action_seconds_ago is None else min(waited_seconds, action_seconds_ago)
    action_at = None if action_seconds_ago is None else NOW - timedelta(seconds=action_seconds_ago)

    decision = late_fence(waited_seconds, SEEN_RUNNING, is_alarmed=is_alarmed, action_at=action_at)

    # EC2 counts in seconds; a millisecond on the edge is not what this is about.
    if abs(late_seconds - POLICY.fence_alarm_seconds) > 0.001:
        assert isinstance(decision, Alarm) == (not is_alarmed and late_seconds > POLICY.fence_alarm_seconds)


def test_the_alarm_says_what_ec2_says_and_why_we_leave_the_instance_alone() -> None:
    alarm = late_fence(200, SEEN_RUNNING)

    assert alarm.reason == "EC2 says that the old instance is running; it is not ended by us: auto-terminate is off"


def test_the_alarm_says_why_the_instance_could_not_be_ended() -> None:
    refused = replace(SEEN_RUNNING, kind=CommandKind.TERMINATE_INSTANCE, status=CommandStatus.FAILED, state=None, error_text="no right")

    alarm = late_fence(200, refused, why_old_is_kept="")

    assert alarm.reason == "the old instance could not be ended: no right"


def test_the_alarm_does_not_come_between_a_question_and_its_answer_but_does_when_nobody_can_be_asked() -> None:
    asked = command(CommandKind.DESCRIBE_INSTANCE)
    forsaken = replace(asked, is_actor_reachable=False)

    decisions = [late_fence(200, look) for look in (asked, forsaken, None)]

    assert [isinstance(decision, Alarm) for decision in decisions] == [False, True, True]


def test_an_old_instance_that_is_heard_and_doomed_no_more_is_gone_back_to() -> None:
    back = late_fence(5, SEEN_RUNNING, is_old_reachable=True, action_at=None)
    doomed = late_fence(5, SEEN_RUNNING, is_old_reachable=True, action_at=NOW - timedelta(seconds=60))
    silent = late_fence(5, SEEN_RUNNING, action_at=None)

    assert isinstance(back, BeginUndo)
    assert not isinstance(doomed, BeginUndo)
    assert not isinstance(silent, BeginUndo)


@pytest.mark.parametrize("state", ["terminated", "stopped", "gone"])
def test_a_fence_that_has_come_at_last_raises_no_alarm(state: str) -> None:
    assert late_fence(7200, replace(SEEN_RUNNING, state=state)).status is StepStatus.DONE


def test_looks_at_ec2_become_rarer_but_never_rarer_than_once_a_minute() -> None:
    pauses = [look_pause_seconds(attempt, POLICY) for attempt in (0, 9, 10, 100, 10_000)]

    assert pauses == [2.0, 2.0, 4.0, 22.0, 60.0]


@pytest.mark.parametrize(("left_seconds", "bound_seconds"), [(1000.0, 60.0), (110.0, 25.0), (12.0, 1.0)])
def test_the_check_before_a_handover_takes_at_most_a_quarter_of_what_a_notice_leaves(left_seconds: float, bound_seconds: float) -> None:
    decision = decide(facts(StepName.PREPARE, action_at=NOW + timedelta(seconds=left_seconds)), POLICY)

    assert decision == Issue(StepName.PREPARE, CommandKind.STANDBY_CHECK, Side.NEW, bound_seconds)


def test_the_check_before_a_handover_is_left_out_when_a_notice_leaves_no_time() -> None:
    decision = decide(facts(StepName.PREPARE, action_at=NOW + timedelta(seconds=5)), POLICY)

    assert isinstance(decision, Settle)
    assert decision.status is StepStatus.SKIPPED


def test_a_failure_that_may_pass_is_tried_again_after_a_short_pause() -> None:
    def failed(seconds_ago: float) -> Any:
        finished_at = NOW - timedelta(seconds=seconds_ago)
        told = command(CommandKind.QUIESCE, CommandStatus.FAILED, error_class="throttled", finished_at=finished_at)
        return decide(facts(StepName.QUIESCE, step={"status": StepStatus.RUNNING, "attempt": 1, "command": told}), POLICY)

    assert isinstance(failed(1), Wait)
    assert isinstance(failed(3), Issue)


def undoing(**changes: Any) -> SwitchFacts:
    """The old side was told to serve again, a minute ago."""
    step = {"status": StepStatus.UNDOING, "attempt": 1, "undo_attempt": 1, **changes.pop("step", {})}
    return facts(StepName.QUIESCE, step=step, undo=True, **changes)


def test_a_silent_old_side_is_looked_for_at_ec2_and_asked_again_once_it_speaks() -> None:
    expired = command(CommandKind.START_SERVING, CommandStatus.EXPIRED, finished_at=NOW - timedelta(seconds=30))
    seen = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state="running", finished_at=NOW - timedelta(seconds=30))

    silent = decide(undoing(step={"undo_command": expired}, is_old_reachable=False), POLICY)
    heard = decide(undoing(step={"undo_command": seen}, is_old_reachable=True), POLICY)

    assert silent == UndoIssue(StepName.QUIESCE, CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, POLICY.check_bound_seconds)
    assert isinstance(heard, UndoIssue)
    assert heard.kind is CommandKind.START_SERVING


@pytest.mark.parametrize("state", ["terminated", "stopped", "gone"])
def test_an_undo_whose_old_instance_turns_out_to_be_lost_is_abandoned(state: str) -> None:
    seen = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state=state, finished_at=NOW)

    decision = decide(undoing(step={"undo_command": seen}, is_old_reachable=False), POLICY)

    assert isinstance(decision, Abandon)


def test_an_undo_under_a_notice_goes_forward_while_the_promotion_stands_and_ends_when_it_does_not() -> None:
    promoted = facts(StepName.START, step={"status": StepStatus.UNDOING}, undo=True, action_at=NOW + timedelta(seconds=60))
    taken_back = undoing(action_at=NOW + timedelta(seconds=60))

    assert decide(promoted, POLICY) == Resume()
    assert isinstance(decide(taken_back, POLICY), Abandon)


def test_a_termination_of_the_new_side_that_was_refused_is_asked_for_again() -> None:
    def after(told: CommandView) -> Any:
        step = {"status": StepStatus.UNDOING, "attempt": 1, "undo_attempt": 3, "undo_command": told}
        return decide(facts(StepName.START, step=step, undo=True), POLICY)

    past = NOW - timedelta(seconds=30)
    refused = command(CommandKind.TERMINATE_INSTANCE, CommandStatus.FAILED, error_class="throttled", finished_at=past)
    running = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state="running", finished_at=past)
    gone = command(CommandKind.DESCRIBE_INSTANCE, CommandStatus.SUCCEEDED, state="terminated", finished_at=past)

    assert after(refused).kind is CommandKind.DESCRIBE_INSTANCE
    assert after(running).kind is CommandKind.TERMINATE_INSTANCE
    assert after(gone) == UndoSettle(StepName.START)


def test_a_new_side_that_ec2_took_needs_no_word_of_its_own() -> None:
    seen = facts(StepName.START, step={"status": StepStatus.FAILED}, undo=True, new_role=Role.TERMINATED)

    assert decide(seen, POLICY) == UndoSettle(StepName.START)


def test_an_undo_without_anything_begun_is_over_at_once() -> None:
    assert decide(facts(StepName.PREPARE, undo=True), POLICY) == FinishUndo()


def test_an_address_that_a_daemon_may_not_move_is_asked_for_again_only_if_the_control_role_is_there() -> None:
    refused = command(CommandKind.MOVE_ADDRESS, CommandStatus.FAILED, error_class="not_authorized")
    step = {"status": StepStatus.RUNNING, "attempt": 1}

    with_role = decide(facts(StepName.TRAFFIC, step={**step, "command": replace(refused, falls_to_control_role=True)}), POLICY)
    without = decide(facts(StepName.TRAFFIC, step={**step, "command": refused}), POLICY)

    assert isinstance(with_role, Issue)
    assert with_role.kind is CommandKind.MOVE_ADDRESS
    assert without == BeginUndo(StepName.TRAFFIC, "why")


def moving_two(second: dict[str, Any], **changes: Any) -> SwitchFacts:
    """A handover whose first handle is moved, and that has come to the second."""
    seen = facts(StepName.TRAFFIC, **changes)
    at = next(index for index, step in enumerate(seen.steps) if step.name is StepName.TRAFFIC)
    first = replace(seen.steps[at], status=StepStatus.DONE, attempt=1)
    return replace(seen, steps=(*seen.steps[:at], first, replace(first, part=1, **{"attempt": 0, **second}), *seen.steps[at + 1 :]))


def test_a_handle_that_is_moved_is_not_moved_again_while_the_next_one_is() -> None:
    decision = decide(moving_two({"status": StepStatus.PENDING}), POLICY)

    assert decision == Issue(StepName.TRAFFIC, CommandKind.MOVE_ADDRESS, Side.BY_TABLE, POLICY.traffic_bound_seconds, part=1)


def test_a_handle_that_cannot_be_moved_has_the_move_taken_back_from_there() -> None:
    refused = command(CommandKind.MOVE_ADDRESS, CommandStatus.FAILED, error_class="refused")

    decision = decide(moving_two({"status": StepStatus.RUNNING, "attempt": 1, "command": refused}), POLICY)

    assert decision == BeginUndo(StepName.TRAFFIC, "why", part=1)


def test_a_rescue_goes_on_without_a_handle_that_cannot_be_moved_as_long_as_another_was() -> None:
    refused = command(CommandKind.MOVE_ADDRESS, CommandStatus.FAILED, error_class="refused", finished_at=NOW - timedelta(seconds=60))
    exhausted = {"status": StepStatus.RUNNING, "attempt": 3 * POLICY.max_attempts, "command": refused}
    doomed: dict[str, Any] = {"action_at": NOW + timedelta(seconds=60)}

    with_another = decide(moving_two(exhausted, **doomed), POLICY)
    alone = decide(facts(StepName.TRAFFIC, step=exhausted, **doomed), POLICY)

    assert with_another == Settle(StepName.TRAFFIC, StepStatus.SKIPPED, "left behind: why", part=1)
    assert isinstance(alone, Abandon)


def test_handles_are_taken_back_the_last_one_first_and_one_that_is_stuck_holds_up_no_other() -> None:
    failed = command(CommandKind.MOVE_ADDRESS, CommandStatus.FAILED, error_class="throttled", finished_at=NOW)
    stuck = {"status": StepStatus.UNDOING, "attempt": 1, "undo_attempt": 2, "undo_command": failed}

    first_try = decide(moving_two({"status": StepStatus.FAILED, "attempt": 1}, undo=True), POLICY)
    beside_it = decide(moving_two(stuck, undo=True), POLICY)

    back = UndoIssue(StepName.TRAFFIC, CommandKind.MOVE_ADDRESS, Side.BY_TABLE, POLICY.traffic_bound_seconds, part=1)
    assert first_try == back
    assert beside_it == replace(back, part=0)
