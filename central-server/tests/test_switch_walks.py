"""Any walk of a switch through failures, losses and notices keeps what must hold, and ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server_support.switch_likeness import Likeness
from server_support.switch_model import SwitchModel
from server_support.switch_returns import Returns
from spot_server.features.switches.decisions import Wait
from spot_server.features.switches.plans import plan_promotion, plan_rescue, plan_switch
from spot_server.features.switches.undo_rules import MOST_STARTS_IN_UNDO
from spot_server.words import Carry, ReplicaStatus, StepName, StepStatus, SwitchStatus

pytestmark = pytest.mark.long

PLANS = (
    plan_switch(Carry.STATELESS, takes_image=True),
    plan_switch(Carry.STATELESS, takes_image=False),
    plan_switch(Carry.IMAGE_AFTER_QUIESCE, takes_image=True),
    plan_switch(Carry.RSYNC, takes_image=True),
    plan_switch(Carry.HOOK, takes_image=True),
    plan_rescue(Carry.HOOK),
    plan_promotion(Carry.STATELESS),
    plan_promotion(Carry.RSYNC),
    plan_rescue(Carry.STATELESS),
    plan_rescue(Carry.RSYNC),
)


def _hear(model: SwitchModel, *, is_heard: bool) -> None:
    model.old.is_heard = is_heard and model.old.can_act


def pass_to_the_end(model: SwitchModel, *, but_seconds: float) -> None:
    """Let time pass until shortly before the end that a notice named, if that lies ahead."""
    left_seconds = 0.0 if model.action_at is None else (model.action_at - model.now).total_seconds() - but_seconds
    if left_seconds > 0:
        model.pass_time(left_seconds)


MOVES: dict[str, Callable[[SwitchModel], None]] = {
    "old answers": lambda model: model.execute(model.old),
    "old fails for the moment": lambda model: model.execute(model.old, error_class="throttled"),
    "old fails": lambda model: model.execute(model.old, error_class="hook_failed"),
    "old's answer is lost": lambda model: model.execute(model.old, loses_answer=True),
    "old polls": lambda model: model.old.poll(),
    "old falls silent": lambda model: _hear(model, is_heard=False),
    "old is heard": lambda model: _hear(model, is_heard=True),
    "old is lost": lambda model: model.old.end("terminated"),
    "old is stopped": lambda model: model.old.end("stopped"),
    "new answers": lambda model: model.execute(model.new),
    "new fails for the moment": lambda model: model.execute(model.new, error_class="unreachable"),
    "new fails": lambda model: model.execute(model.new, error_class="check_failed"),
    "new's answer is lost": lambda model: model.execute(model.new, loses_answer=True),
    "new polls": lambda model: model.new.poll(),
    "new is lost": lambda model: model.new.end("terminated"),
    "old loses its journal": lambda model: setattr(model.old, "is_serving", False),
    "the sweep tells the primary to serve": lambda model: model.tell_primary_to_serve(),
    "another answers": lambda model: model.execute(model.table),
    "another fails": lambda model: model.execute(model.table, error_class="not_authorized"),
    "another's answer is lost": lambda model: model.execute(model.table, loses_answer=True),
    "the replica moves on": lambda model: model.move_replica(),
    "the replica fails": lambda model: model.move_replica(fails=True),
    "a second": lambda model: model.pass_time(1),
    "ten seconds": lambda model: model.pass_time(10),
    "two minutes": lambda model: model.pass_time(120),
    "the last seconds before the end": lambda model: pass_to_the_end(model, but_seconds=2),
    "half an hour": lambda model: model.pass_time(1800),
    "a notice": lambda model: model.notice(120),
    "a notice without lead": lambda model: model.notice(0),
    "EC2 breaks its word": lambda model: setattr(model, "keeps_its_word", False),
}

models = st.builds(
    SwitchModel,
    st.sampled_from(PLANS),
    handle_count=st.integers(0, 3),
    has_image=st.booleans(),
    may_terminate_old=st.booleans(),
    likeness=st.builds(Likeness, is_unlike=st.booleans()),
    returns=st.builds(Returns, says_served=st.booleans()),
)
GOING_WELL = [name for name in sorted(MOVES) if name.endswith((" answers", " moves on"))]
# Most of what happens goes well, or no walk would ever come as far as the handover.
walks = st.lists(st.sampled_from([*GOING_WELL * 6, *sorted(MOVES)]), max_size=60)


def walk(model: SwitchModel, names: list[str]) -> None:
    model.run()
    for name in names:
        MOVES[name](model)
        model.run()


def let_all_answer(model: SwitchModel) -> None:
    """From now on every daemon that exists does what it is told, and EC2 keeps its word."""
    model.keeps_its_word = True
    for _ in range(400):
        if not model.is_active:
            return
        model.pass_time(20)
        _hear(model, is_heard=True)
        for side in (model.old, model.new, model.table):
            model.execute(side)
        if model.new.ec2 == "terminated" and model.replica in {ReplicaStatus.LAUNCHING, ReplicaStatus.SYNCING, ReplicaStatus.READY}:
            model.move_replica(fails=True)
        model.move_replica()
        model.run()


@settings(max_examples=500)
@given(model=models, names=walks)
def test_no_walk_lets_two_sides_serve_or_starts_one_before_the_other_is_known_to_have_stopped(model: SwitchModel, names: list[str]) -> None:
    walk(model, names)

    assert model.broken == []


PARTING = ["another answers", "the replica moves on", "a notice", "the last seconds before the end", "old answers"]


@settings(max_examples=500)
@given(
    model=st.builds(
        SwitchModel,
        st.sampled_from([plan_rescue(carry) for carry in (Carry.STATELESS, Carry.RSYNC, Carry.HOOK)]),
        handle_count=st.integers(0, 3),
        has_image=st.just(value=True),
        may_terminate_old=st.booleans(),
    ),
    names=walks,
)
def test_no_walk_from_an_old_side_that_parted_early_breaks_anything_or_leaves_nobody_serving(model: SwitchModel, names: list[str]) -> None:
    walk(model, PARTING)
    assert model.step(StepName.QUIESCE).status is StepStatus.DONE
    assert model.replica is ReplicaStatus.LAUNCHING

    walk(model, names)
    let_all_answer(model)

    assert model.broken == []
    assert not model.is_active, model.last
    if model.status is SwitchStatus.ROLLED_BACK and "old loses its journal" not in names:  # which the sweep mends, and no move
        assert model.old.is_serving or not model.old.can_act or is_given_up(model)
    if model.status is SwitchStatus.COMPLETED:
        assert model.new.is_serving or not model.new.can_act


def start_without_an_answer(model: SwitchModel) -> None:
    """Let all go well up to START, whose answer does not come in time: the move is taken back, and the new side served."""
    model.run()
    for _ in range(40):
        if model.step(StepName.START).order is not None:
            break
        model.pass_time(5)
        for side in (model.old, model.new, model.table):
            model.execute(side)
        model.move_replica()
        model.run()
    model.execute(model.new, loses_answer=True)
    model.pass_time(200)
    model.run()


COPYING = [
    plan_switch(Carry.IMAGE_AFTER_QUIESCE, takes_image=True),
    *(plan(carry) for plan in (plan_promotion, plan_rescue) for carry in (Carry.RSYNC, Carry.HOOK)),
]


@settings(max_examples=500)
@given(
    model=st.builds(
        SwitchModel,
        st.sampled_from(COPYING),
        handle_count=st.integers(0, 3),
        has_image=st.just(value=True),
        may_terminate_old=st.booleans(),
        returns=st.builds(Returns, says_served=st.booleans()),
    ),
    names=walks,
)
def test_no_walk_from_a_start_that_was_not_answered_loses_what_was_acknowledged_without_a_word(
    model: SwitchModel, names: list[str]
) -> None:
    start_without_an_answer(model)
    assert (model.status, model.returns.has_served) == (SwitchStatus.ROLLING_BACK, True)

    walk(model, names)
    let_all_answer(model)

    assert model.broken == []
    assert not model.is_active, model.last
    if model.status is SwitchStatus.COMPLETED:
        assert model.new.is_serving or not model.new.can_act


@pytest.mark.parametrize("plan", COPYING, ids=lambda plan: plan[0])
def test_a_new_side_that_served_is_told_to_start_again(plan: tuple[StepName, ...]) -> None:
    model = SwitchModel(plan, handle_count=1, has_image=True, may_terminate_old=True)
    start_without_an_answer(model)

    let_all_answer(model)

    assert (model.status, model.returns.count) == (SwitchStatus.COMPLETED, 1)
    assert model.new.is_serving
    assert model.broken == []


@settings(max_examples=500)
@given(model=models, names=walks)
def test_every_walk_ends_once_the_world_answers_again(model: SwitchModel, names: list[str]) -> None:
    walk(model, names)

    let_all_answer(model)

    assert not model.is_active, model.last
    assert model.broken == []


@settings(max_examples=500)
@given(model=models, names=walks)
def test_a_switch_that_was_taken_back_left_its_old_side_serving_and_one_that_completed_its_new_side(
    model: SwitchModel, names: list[str]
) -> None:
    walk(model, names)

    told = {step.name: step.status for step in model.steps}
    moved = {step.status for step in model.steps if step.name is StepName.TRAFFIC}
    if model.status is SwitchStatus.COMPLETED:
        assert told[StepName.START] is StepStatus.DONE
        assert moved <= {StepStatus.DONE, StepStatus.SKIPPED}
    if model.status is SwitchStatus.ROLLED_BACK and "old loses its journal" not in names:
        assert model.old.is_serving or not model.old.can_act or is_given_up(model)
    if model.status is SwitchStatus.ROLLED_BACK:
        assert not model.new.is_serving
        assert moved <= {StepStatus.UNDONE, StepStatus.SKIPPED, StepStatus.PENDING}


def is_given_up(model: SwitchModel) -> bool:
    """Whether the old side was told to serve again often enough, and answered every time that it could not."""
    quiesce = model.step(StepName.QUIESCE)
    return quiesce.undo_attempt >= MOST_STARTS_IN_UNDO and quiesce.undo_order is not None and quiesce.undo_order.error_class is not None


@settings(max_examples=500)
@given(model=models, names=walks)
def test_whoever_is_primary_serves_once_the_world_answers_again_and_the_sweep_has_run(model: SwitchModel, names: list[str]) -> None:
    walk(model, names)
    let_all_answer(model)

    for _ in range(20):
        model.pass_time(30)
        for side in (model.old, model.new):
            side.is_heard = side.can_act
            model.tell_primary_to_serve()
            model.execute(side)

    primary = None if model.primary_side is None else model.side(model.primary_side)
    assert primary is None or primary.is_serving or not primary.can_act
    assert model.broken == []


@settings(max_examples=500)
@given(model=models, names=walks)
def test_nothing_of_a_switch_that_is_over_can_still_make_a_second_side_serve(model: SwitchModel, names: list[str]) -> None:
    walk(model, names)
    let_all_answer(model)

    for _ in range(10):
        for side in (model.old, model.new, model.table):
            model.execute(side)

    assert model.broken == []
    assert not (model.old.is_serving and model.new.is_serving)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan[0])
def test_without_a_failure_every_plan_completes(plan: tuple[StepName, ...]) -> None:
    model = SwitchModel(plan, handle_count=2, has_image=True, may_terminate_old=True)
    model.run()

    let_all_answer(model)

    assert model.status is SwitchStatus.COMPLETED
    assert model.new.is_serving
    assert not isinstance(model.last, Wait)


def stop_and_fall_silent(model: SwitchModel) -> None:
    """Let all go well until the old side has confirmed that it serves no more; then nobody hears it, and the next step fails."""
    model.run()
    for _ in range(40):
        if model.is_done(StepName.QUIESCE):
            break
        model.pass_time(5)
        for side in (model.old, model.new, model.table):
            model.execute(side)
        model.move_replica()
        model.run()
    _hear(model, is_heard=False)
    for _ in range(40):
        if model.status is not SwitchStatus.RUNNING:
            break
        model.execute(model.table, error_class="refused")
        model.execute(model.new, error_class="refused")
        model.pass_time(20)
        model.run()


@settings(max_examples=500)
@given(
    model=st.builds(
        SwitchModel,
        st.sampled_from([plan(carry) for plan in (plan_promotion, plan_rescue) for carry in (Carry.STATELESS, Carry.RSYNC, Carry.HOOK)]),
        handle_count=st.integers(1, 3),
        has_image=st.just(value=True),
        may_terminate_old=st.booleans(),
    ),
    names=walks,
    minutes=st.integers(0, 20),
)
def test_no_walk_from_an_old_side_that_is_silent_lets_two_serve_or_goes_on_for_ever(
    model: SwitchModel, names: list[str], minutes: int
) -> None:
    stop_and_fall_silent(model)
    assert (model.status, model.is_done(StepName.PROMOTE)) == (SwitchStatus.ROLLING_BACK, False)
    for _ in range(3 * minutes):
        model.pass_time(20)
        model.execute(model.table)
        model.run()

    walk(model, names)
    let_all_answer(model)

    assert model.broken == []
    assert not model.is_active, model.last


@pytest.mark.parametrize("carry", [Carry.STATELESS, Carry.RSYNC])
def test_an_old_side_that_stays_silent_keeps_no_move_for_ever(carry: Carry) -> None:
    model = SwitchModel(plan_promotion(carry), handle_count=1, has_image=True, may_terminate_old=False)
    stop_and_fall_silent(model)

    for _ in range(60):
        model.pass_time(20)
        model.execute(model.table)
        model.execute(model.new)
        model.run()

    assert model.broken == []
    assert model.status is (SwitchStatus.COMPLETED if carry is Carry.STATELESS else SwitchStatus.FAILED)
