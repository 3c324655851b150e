"""When an old instance is asked to stop before anything can take its place: in its last seconds, for a purpose, and never else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.decisions import BeginUndo, CommandView, Issue, Settle, StepView, SwitchFacts, Wait
from spot_server.features.switches.parting_rules import is_parting_due
from spot_server.features.switches.plans import Side, plan_rescue, plan_switch
from spot_server.features.switches.rules import decide
from spot_server.policy import MovePolicy
from spot_server.words import Carry, CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
NOW = START + timedelta(minutes=10)
EARLY = Issue(StepName.QUIESCE, CommandKind.QUIESCE, Side.OLD, POLICY.parting_seconds)
WAITS = Wait("the replica is syncing")


def in_seconds(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def booting(plan: tuple[StepName, ...] = plan_rescue(Carry.STATELESS), **changes: Any) -> SwitchFacts:
    """A rescue whose replica boots while the old instance goes in two seconds."""
    before = plan[: plan.index(StepName.BOOT)]
    steps = tuple(StepView(name, StepStatus.DONE if name in before else StepStatus.PENDING, 0, None, None, 0, None) for name in plan)
    facts = SwitchFacts(
        status=SwitchStatus.RUNNING,
        steps=steps,
        replica_status=ReplicaStatus.SYNCING,
        replica_reason="lost",
        new_instance_id="i-2",
        new_role=Role.REPLICA,
        is_new_past_its_end=False,
        old_role=Role.PRIMARY,
        is_old_reachable=True,
        has_handle=True,
        has_fallback_image=True,
        action_at=in_seconds(2),
        may_terminate_old=True,
        now=NOW,
        is_rescue=True,
        is_end_announced=True,
        is_old_heard=True,
        new_launched_at=in_seconds(-100),
    )
    return replace(facts, **changes)


def asked(facts: SwitchFacts, command_status: CommandStatus, step_status: StepStatus = StepStatus.RUNNING) -> SwitchFacts:
    """The same after the old side was asked to stop."""
    told = CommandView(CommandKind.QUIESCE, command_status, None, None, "why", in_seconds(30), NOW, None)
    steps = [replace(step, status=step_status, attempt=1, command=told) if step.name is StepName.QUIESCE else step for step in facts.steps]
    return replace(facts, steps=tuple(steps))


def test_an_old_instance_is_asked_to_stop_in_its_last_seconds_though_the_replica_still_boots() -> None:
    assert decide(booting(), POLICY) == EARLY


def test_its_word_is_the_fence_as_soon_as_the_replica_is_ready() -> None:
    confirmed = asked(booting(), CommandStatus.SUCCEEDED)
    done = asked(booting(replica_status=ReplicaStatus.READY, action_at=in_seconds(-3)), CommandStatus.SUCCEEDED, StepStatus.DONE)
    at_fence = replace(
        done,
        steps=tuple(
            replace(step, status=StepStatus.SKIPPED) if step.name in {StepName.BOOT, StepName.PREPARE} else step for step in done.steps
        ),
    )

    assert decide(confirmed, POLICY) == Settle(StepName.QUIESCE, StepStatus.DONE)
    assert decide(done, POLICY) == Settle(StepName.BOOT, StepStatus.DONE)
    assert decide(at_fence, POLICY) == Settle(StepName.FENCE, StepStatus.SKIPPED, "the old side confirmed that it serves no more")


@pytest.mark.parametrize("status", [CommandStatus.QUEUED, CommandStatus.DELIVERED, CommandStatus.FAILED, CommandStatus.EXPIRED])
def test_it_is_asked_once_and_an_answer_that_does_not_come_is_left_to_the_handover(status: CommandStatus) -> None:
    assert decide(asked(booting(), status), POLICY) == WAITS


NOT_DUE: dict[str, dict[str, Any]] = {
    "it has more time left than that": {"action_at": in_seconds(POLICY.parting_seconds + 1)},
    "nothing takes it": {"action_at": None},
    "it is silent, and was taken for lost": {"is_end_announced": False},
    "its daemon is not heard": {"is_old_heard": False},
    "it has ended": {"old_role": Role.TERMINATED},
    "nothing was launched yet": {"new_launched_at": None},
    "what was launched cannot be ready in time": {"new_launched_at": in_seconds(2 - POLICY.parting_launch_seconds + 1)},
    "its data volumes wait for EC2's word all the same": {"plan": plan_rescue(Carry.VOLUME)},
}


@pytest.mark.parametrize("why", NOT_DUE)
def test_an_old_instance_serves_on_while_its_replica_boots_if(why: str) -> None:
    assert decide(booting(**NOT_DUE[why]), POLICY) == WAITS


def test_a_policy_may_leave_it_out() -> None:
    assert decide(booting(), MovePolicy(parting_seconds=0)) == WAITS


def test_an_instance_that_outlives_its_notice_is_gone_back_to_while_nothing_is_ready() -> None:
    outlived = booting(action_at=None)

    for seen in (asked(outlived, CommandStatus.SUCCEEDED, StepStatus.DONE), asked(outlived, CommandStatus.DELIVERED)):
        assert isinstance(decide(seen, POLICY), BeginUndo)
        assert decide(replace(seen, is_old_reachable=False), POLICY) == WAITS
    for serves_on in (outlived, asked(outlived, CommandStatus.FAILED)):
        assert decide(serves_on, POLICY) == WAITS


def test_a_move_that_stops_the_workload_for_its_image_is_not_taken_back_for_standing_still() -> None:
    plan = plan_switch(Carry.IMAGE_AFTER_QUIESCE, takes_image=True)

    assert decide(asked(booting(plan, action_at=None), CommandStatus.SUCCEEDED, StepStatus.DONE), POLICY) == WAITS
    assert decide(asked(booting(plan), CommandStatus.SUCCEEDED, StepStatus.DONE), POLICY) == WAITS


seconds = st.floats(-300, 300)


@given(left_seconds=st.none() | seconds, launched_seconds_ago=st.none() | seconds, is_announced=st.booleans(), is_heard=st.booleans())
def test_nobody_is_asked_but_who_is_heard_and_goes_by_a_notice_within_seconds(
    left_seconds: float | None, launched_seconds_ago: float | None, is_announced: bool, is_heard: bool
) -> None:
    seen = booting(
        action_at=None if left_seconds is None else in_seconds(left_seconds),
        new_launched_at=None if launched_seconds_ago is None else in_seconds(-launched_seconds_ago),
        is_end_announced=is_announced,
        is_old_heard=is_heard,
    )

    is_due = is_parting_due(seen, POLICY)

    if is_due:
        assert is_announced
        assert is_heard
        assert left_seconds is not None
        assert left_seconds <= POLICY.parting_seconds
        assert launched_seconds_ago is not None
        assert left_seconds + launched_seconds_ago >= POLICY.parting_launch_seconds - 1e-3
    assert decide(seen, POLICY) == (EARLY if is_due else WAITS)


@given(left_seconds=seconds, later_seconds=st.floats(0, 300))
def test_once_it_is_due_it_stays_due(left_seconds: float, later_seconds: float) -> None:
    """A sweep that was away in the last seconds still asks: a daemon that is heard may confirm after its end as well."""
    seen = booting(action_at=in_seconds(left_seconds))

    assert not is_parting_due(seen, POLICY) or is_parting_due(replace(seen, now=in_seconds(later_seconds)), POLICY)
