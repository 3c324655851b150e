"""What becomes of a move that is taken back while its old side says nothing, decided from values alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.decisions import (
    Alarm,
    CommandView,
    LeaveUndone,
    Resume,
    StepView,
    SwitchFacts,
    TurnForward,
    UndoIssue,
    UndoPromote,
)
from spot_server.features.switches.plans import plan_promotion
from spot_server.features.switches.stall_rules import LOOKS_BEFORE_TURN, MOST_TURNS, MOST_UNANSWERED_STARTS, SILENT_SECONDS, TELL_SECONDS
from spot_server.features.switches.undo_rules import decide_undo
from spot_server.policy import MovePolicy
from spot_server.words import Carry, CommandKind, CommandStatus, HandleKind, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
NOW = START + timedelta(hours=1)
CARRIES = [Carry.STATELESS, Carry.RSYNC, Carry.HOOK, Carry.VOLUME]


def answered(kind: CommandKind, status: CommandStatus = CommandStatus.SUCCEEDED, *, state: str | None = None) -> CommandView:
    a_minute_ago = NOW - timedelta(seconds=60)
    return CommandView(kind, status, state, None, "", a_minute_ago, a_minute_ago, a_minute_ago)


RUNS = answered(CommandKind.DESCRIBE_INSTANCE, state="running")


def facts(
    carry: Carry = Carry.STATELESS, up_to: StepName = StepName.QUIESCE, *, stuck: dict[str, Any] | None = None, **changes: Any
) -> SwitchFacts:
    """A move whose undo has come down to `up_to`, and whose old side, which confirmed its QUIESCE, has been silent for long."""
    plan = plan_promotion(carry)
    last = plan.index(up_to)
    steps = []
    for index, name in enumerate(plan):
        status = StepStatus.UNDOING if index == last else StepStatus.DONE if index < last else StepStatus.UNDONE
        command = answered(CommandKind.QUIESCE) if name is StepName.QUIESCE else None
        step = StepView(name, status, 1, None, command, 0, None, handle=HandleKind.ELASTIC_IP if name is StepName.TRAFFIC else None)
        waiting: dict[str, Any] = {"is_alarmed": True, "undo_attempt": LOOKS_BEFORE_TURN, "undo_command": RUNS, **(stuck or {})}
        steps.append(replace(step, **waiting) if index == last else step)
    base = SwitchFacts(
        status=SwitchStatus.ROLLING_BACK,
        steps=tuple(steps),
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
        old_silent_seconds=SILENT_SECONDS,
        is_new_heard=True,
    )
    return replace(base, **changes)


def test_a_person_is_told_first_and_not_for_a_restart() -> None:
    untold = facts(stuck={"is_alarmed": False})

    assert isinstance(decide_undo(replace(untold, old_silent_seconds=TELL_SECONDS), POLICY), Alarm)
    assert isinstance(decide_undo(replace(untold, old_silent_seconds=TELL_SECONDS - 1), POLICY), UndoIssue)


def test_what_loses_nothing_goes_forward() -> None:
    assert isinstance(decide_undo(facts(), POLICY), TurnForward)
    assert isinstance(decide_undo(facts(up_to=StepName.TRAFFIC), POLICY), TurnForward)


@pytest.mark.parametrize("carry", [Carry.RSYNC, Carry.HOOK])
def test_without_a_last_pass_it_goes_forward_only_where_silent_primaries_are_to_be_moved(carry: Carry) -> None:
    without = facts(carry)
    synced = tuple(
        replace(step, command=answered(CommandKind.SEND_STATE)) if step.name is StepName.SYNC else step for step in without.steps
    )

    assert isinstance(decide_undo(without, POLICY), LeaveUndone)
    decision = decide_undo(replace(without, may_move_silent=True), POLICY)
    assert isinstance(decision, TurnForward)
    assert decision.loses
    decision = decide_undo(replace(without, steps=synced), POLICY)
    assert isinstance(decision, TurnForward)
    assert not decision.loses


@pytest.mark.parametrize(
    "changes",
    [
        {"is_old_told_to_serve": True},
        {"is_new_heard": False},
        {"is_new_going": True},
        {"is_new_past_its_end": True},
        {"new_role": Role.TERMINATED},
        {"replica_status": ReplicaStatus.SYNCING},
        {"turns": MOST_TURNS},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_else_it_ends_and_the_handle_goes_back_before(changes: dict[str, Any]) -> None:
    at_traffic = decide_undo(facts(up_to=StepName.TRAFFIC, **changes), POLICY)

    assert isinstance(decide_undo(facts(**changes), POLICY), LeaveUndone)
    assert isinstance(at_traffic, UndoIssue)
    assert at_traffic.kind is CommandKind.MOVE_ADDRESS


def test_a_new_side_that_lacks_what_the_old_one_wrote_takes_over_only_with_leave() -> None:
    """As a standby with image_after_quiesce: its plan has no last pass, and its state is its image's."""
    lacks = facts(leaves_old_writes=True)

    assert isinstance(decide_undo(lacks, POLICY), LeaveUndone)
    decision = decide_undo(replace(lacks, may_move_silent=True), POLICY)
    assert isinstance(decision, TurnForward)
    assert decision.loses


def test_an_old_side_that_never_confirmed_is_not_left_behind() -> None:
    unsure = facts()
    steps = tuple(replace(step, command=None) if step.name is StepName.QUIESCE else step for step in unsure.steps)

    assert isinstance(decide_undo(replace(unsure, steps=steps), POLICY), LeaveUndone)


@pytest.mark.parametrize(
    "stuck",
    [{"undo_command": None, "undo_attempt": 0}, {"undo_attempt": LOOKS_BEFORE_TURN - 1}, {"undo_command": replace(RUNS, state="stopping")}],
    ids=["not-asked", "asked-once", "it-is-going"],
)
def test_ec2_is_asked_before(stuck: dict[str, Any]) -> None:
    assert not isinstance(decide_undo(facts(stuck=stuck), POLICY), TurnForward | LeaveUndone)


def test_volumes_are_left_to_the_daemon_that_knows_what_is_mounted() -> None:
    decision = decide_undo(facts(Carry.VOLUME, StepName.UNMOUNT), POLICY)

    assert isinstance(decision, UndoIssue)


def test_a_daemon_that_is_heard_has_two_orders_to_answer() -> None:
    order = answered(CommandKind.START_SERVING, CommandStatus.EXPIRED)
    hung = facts(is_old_reachable=True, is_old_told_to_serve=True, stuck={"undo_command": order, "undo_attempt": MOST_UNANSWERED_STARTS})
    once = facts(is_old_reachable=True, is_old_told_to_serve=True, stuck={"undo_command": order, "undo_attempt": 1})

    assert isinstance(decide_undo(hung, POLICY), LeaveUndone)
    assert isinstance(decide_undo(once, POLICY), UndoIssue)


def test_a_promoted_side_tries_again_before_the_promotion_goes_to_a_silent_one() -> None:
    promoted = facts(up_to=StepName.PROMOTE, stuck={"status": StepStatus.DONE}, new_role=Role.PRIMARY)

    assert isinstance(decide_undo(promoted, POLICY), Resume)
    assert isinstance(decide_undo(replace(promoted, turns=MOST_TURNS), POLICY), UndoPromote)
    assert isinstance(decide_undo(replace(promoted, old_silent_seconds=SILENT_SECONDS - 1), POLICY), UndoPromote)


@given(
    st.sampled_from(CARRIES),
    st.fixed_dictionaries(
        {
            "is_old_told_to_serve": st.booleans(),
            "may_move_silent": st.booleans(),
            "is_new_heard": st.booleans(),
            "old_silent_seconds": st.integers(0, 3000),
            "new_role": st.sampled_from(sorted(Role)),
            "replica_status": st.sampled_from(sorted(ReplicaStatus)),
            "turns": st.integers(0, 5),
        }
    ),
)
def test_nothing_goes_forward_beside_a_side_that_may_serve_or_without_leave_to_lose(carry: Carry, changes: dict[str, Any]) -> None:
    seen = facts(carry, **changes)

    decision = decide_undo(seen, POLICY)

    if isinstance(decision, TurnForward):
        assert (seen.is_old_told_to_serve, seen.is_new_heard, seen.replica_status) == (False, True, ReplicaStatus.READY)
        assert seen.old_silent_seconds >= SILENT_SECONDS
        assert seen.turns < MOST_TURNS
        assert not decision.loses or seen.may_move_silent
        assert carry is not Carry.VOLUME
