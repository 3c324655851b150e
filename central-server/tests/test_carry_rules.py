"""When a step of the rsync carry is left out, and how much of a notice's time it may take."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.carry_rules import SYNC_STEPS, carry_bound_seconds, why_carry_step_is_needless, why_last_pass_cannot_be
from spot_server.features.switches.decisions import BeginUndo, Issue, Settle, StepView, SwitchFacts
from spot_server.features.switches.plans import CARRY_STEPS, STEP_SPECS, plan_handover, plan_promotion, plan_rescue, plan_switch
from spot_server.features.switches.rules import decide
from spot_server.policy import MovePolicy
from spot_server.words import Carry, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
SETTLED = st.sampled_from([StepStatus.DONE, StepStatus.SKIPPED])
LEFT = st.none() | st.integers(-200, 200)


def facts_before(name: StepName, settled: dict[StepName, StepStatus], *, left_seconds: float | None, old_role: Role) -> SwitchFacts:
    """A promotion that has come to `name`, with what the steps before came to."""
    plan = plan_promotion(Carry.RSYNC)
    steps = tuple(
        StepView(step, settled[step] if plan.index(step) < plan.index(name) else StepStatus.PENDING, 0, None, None, 0, None)
        for step in plan
    )
    margin = timedelta(seconds=POLICY.notice_margin_seconds)
    return SwitchFacts(
        status=SwitchStatus.RUNNING,
        steps=steps,
        replica_status=ReplicaStatus.READY,
        replica_reason="",
        new_instance_id="i-new",
        new_role=Role.REPLICA,
        is_new_past_its_end=False,
        old_role=old_role,
        is_old_reachable=True,
        has_handle=True,
        has_fallback_image=True,
        action_at=None if left_seconds is None else START + margin + timedelta(seconds=left_seconds),
        may_terminate_old=True,
        now=START,
    )


@given(
    st.sampled_from(sorted(SYNC_STEPS)),
    st.fixed_dictionaries(dict.fromkeys(plan_handover(Carry.RSYNC), SETTLED)),
    LEFT,
    st.sampled_from([Role.PRIMARY, Role.ZOMBIE, Role.TERMINATED]),
)
def test_what_is_decided_for_every_step_of_the_carry(
    name: StepName, settled: dict[StepName, StepStatus], left_seconds: float | None, old_role: Role
) -> None:
    facts = facts_before(name, settled, left_seconds=left_seconds, old_role=old_role)

    decision = decide(facts, POLICY)

    is_doomed = left_seconds is not None or old_role is Role.TERMINATED
    needs = {
        StepName.KEY: (),
        StepName.RECEIVER: (StepName.KEY,),
        StepName.COPY: (StepName.RECEIVER,),
        StepName.SYNC: (StepName.RECEIVER, StepName.QUIESCE),
    }[name]
    has_all = all(settled[need] is StepStatus.DONE for need in needs)
    is_too_late = left_seconds is not None and left_seconds <= 0
    if has_all and not is_too_late and old_role is not Role.TERMINATED:
        assert isinstance(decision, Issue)
        assert decision.kind is STEP_SPECS[name].kind
    elif name is StepName.SYNC and not is_doomed:
        assert isinstance(decision, BeginUndo)
    else:
        assert isinstance(decision, Settle)
        assert decision.status is StepStatus.SKIPPED
        assert decision.note


def test_a_hook_needs_neither_key_nor_receiver_and_still_a_workload_that_has_stopped() -> None:
    for plan in (plan_switch(Carry.HOOK, takes_image=True), plan_promotion(Carry.HOOK), plan_rescue(Carry.HOOK)):
        assert not {StepName.KEY, StepName.RECEIVER} & set(plan)
        assert plan.index(StepName.COPY) < plan.index(StepName.QUIESCE) < plan.index(StepName.SYNC) < plan.index(StepName.PROMOTE)
    settled = {**dict.fromkeys(plan_handover(Carry.RSYNC), StepStatus.DONE), StepName.QUIESCE: StepStatus.SKIPPED}
    seen = facts_before(StepName.SYNC, settled, left_seconds=None, old_role=Role.PRIMARY)
    without = replace(seen, steps=tuple(step for step in seen.steps if step.name not in {StepName.KEY, StepName.RECEIVER}))

    assert why_last_pass_cannot_be(without) == "the old side did not confirm that it writes no more"
    done = tuple(replace(step, status=StepStatus.DONE) if step.name is StepName.QUIESCE else step for step in without.steps)
    assert why_last_pass_cannot_be(replace(without, steps=done)) is None


@given(st.sampled_from(sorted(SYNC_STEPS)), st.floats(1, 10_000), st.floats(-100, 10_000))
def test_no_step_of_the_carry_takes_more_than_the_notice_leaves(name: StepName, bound_seconds: float, left_seconds: float) -> None:
    bound = carry_bound_seconds(name, bound_seconds, left_seconds)

    assert 1.0 <= bound <= max(1.0, min(bound_seconds, left_seconds))


@given(st.floats(1, 200))
def test_the_steps_before_the_quiesce_leave_time_for_what_comes_after(left_seconds: float) -> None:
    assume(left_seconds >= 8)
    left = left_seconds
    for name in (StepName.KEY, StepName.RECEIVER, StepName.COPY):
        left -= carry_bound_seconds(name, 10_000, left)

    assert left >= left_seconds / 4


@pytest.mark.parametrize("carry", [carry for carry in Carry if carry not in CARRY_STEPS])
def test_no_other_carry_has_steps_of_this_one(carry: Carry) -> None:
    for plan in (plan_switch(carry, takes_image=True), plan_promotion(carry), plan_rescue(carry)):
        assert not SYNC_STEPS & set(plan)


@pytest.mark.parametrize("plan", [plan_switch(Carry.RSYNC, takes_image=False), plan_promotion(Carry.RSYNC), plan_rescue(Carry.RSYNC)])
def test_every_plan_of_this_carry_copies_before_the_quiesce_and_syncs_right_after(plan: tuple[StepName, ...]) -> None:
    order = [plan.index(name) for name in (StepName.KEY, StepName.RECEIVER, StepName.COPY, StepName.QUIESCE, StepName.SYNC)]

    assert order == sorted(order)
    assert plan.index(StepName.SYNC) == plan.index(StepName.QUIESCE) + 1
    assert plan.index(StepName.SYNC) < plan.index(StepName.TRAFFIC) < plan.index(StepName.PROMOTE)
    assert len(plan) == len(set(plan))


def test_the_last_pass_needs_a_receiver_and_a_workload_that_has_stopped() -> None:
    done = dict.fromkeys(plan_handover(Carry.RSYNC), StepStatus.DONE)
    for missing in (StepName.RECEIVER, StepName.QUIESCE):
        facts = facts_before(StepName.SYNC, {**done, missing: StepStatus.SKIPPED}, left_seconds=60, old_role=Role.PRIMARY)
        step = facts.step(StepName.SYNC)

        assert why_last_pass_cannot_be(facts) is not None
        assert step is not None
        assert why_carry_step_is_needless(step, facts, 60) is not None
