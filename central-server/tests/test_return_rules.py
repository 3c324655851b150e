"""What is done about a new side that served before its move was taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.switches.carry_rules import leaves_new_writes
from spot_server.features.switches.decisions import CommandView, Loss, Resume, StepView, SwitchFacts, UndoSettle
from spot_server.features.switches.return_rules import MOST_RETURNS, settle_new_side
from spot_server.words import Carry, CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus


def command(kind: CommandKind, *, status: CommandStatus = CommandStatus.SUCCEEDED, **changes: Any) -> CommandView:
    base = CommandView(
        kind=kind,
        status=status,
        state=None,
        error_class=None,
        error_text="",
        deadline_at=None,
        issued_at=START,
        finished_at=None,
    )
    return replace(base, **changes)


TOLD = command(CommandKind.START_SERVING, status=CommandStatus.CANCELLED)
NEVER_TOLD = replace(TOLD, was_delivered=False)


def start(told: CommandView | None = TOLD, demoted: CommandView | None = None, *, attempt: int = 1) -> StepView:
    return StepView(StepName.START, StepStatus.UNDOING, attempt, START, told, 1, demoted)


def answer(*, served: bool | None) -> CommandView:
    return command(CommandKind.DEMOTE, served=served)


def facts(**changes: Any) -> SwitchFacts:
    """A move by a carry that copies, whose promotion stands."""
    base = SwitchFacts(
        status=SwitchStatus.ROLLING_BACK,
        steps=(),
        replica_status=ReplicaStatus.PROMOTED,
        replica_reason="",
        new_instance_id="i-2",
        new_role=Role.PRIMARY,
        is_new_past_its_end=False,
        old_role=Role.ZOMBIE,
        is_old_reachable=True,
        has_handle=True,
        has_fallback_image=True,
        action_at=None,
        may_terminate_old=True,
        now=START,
        leaves_new_writes=True,
    )
    return replace(base, **changes)


def told(loss: Loss | None) -> UndoSettle:
    return UndoSettle(StepName.START, loss=loss)


def test_a_move_whose_new_side_served_goes_forward_again() -> None:
    assert settle_new_side(start(demoted=answer(served=True)), facts()) == Resume(is_return=True)


def test_a_new_side_that_did_not_serve_loses_nothing() -> None:
    assert settle_new_side(start(demoted=answer(served=False)), facts()) == told(None)


def test_a_daemon_that_cannot_say_is_gone_back_from_and_the_loss_is_told_as_possible() -> None:
    assert settle_new_side(start(demoted=answer(served=None)), facts()) == told(Loss.POSSIBLE)


@pytest.mark.parametrize("carry", Carry)
@pytest.mark.parametrize("needs_copies", [True, False])
def test_where_the_state_goes_back_by_itself_or_there_is_none_nobody_is_told(carry: Carry, needs_copies: bool) -> None:
    seen = facts(leaves_new_writes=leaves_new_writes(carry, needs_copies=needs_copies))

    decision = settle_new_side(start(demoted=answer(served=True)), seen)

    is_kept = carry is Carry.STATELESS or (carry is Carry.VOLUME and not needs_copies)
    assert decision == (told(None) if is_kept else Resume(is_return=True))


@pytest.mark.parametrize(
    "why_not",
    [
        {"returns": MOST_RETURNS},
        {"leaves_old_writes": True},
        {"new_role": Role.TERMINATED},
        {"is_new_past_its_end": True},
        {"is_new_going": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_new_side_that_served_and_cannot_go_on_is_gone_back_from_and_the_loss_is_told(why_not: dict[str, Any]) -> None:
    """A new side that lacks what the old one wrote, as in a rescue from an image, has less to lose than the old one."""
    assert settle_new_side(start(demoted=answer(served=True)), facts(**why_not)) == told(Loss.SURE)


@pytest.mark.parametrize("ended", [None, command(CommandKind.DESCRIBE_INSTANCE, state="terminated")], ids=["no word", "by EC2's word"])
def test_a_new_side_that_is_gone_may_have_served_if_it_was_told_to(ended: CommandView | None) -> None:
    assert settle_new_side(start(demoted=ended), facts(new_role=Role.TERMINATED)) == told(Loss.POSSIBLE)
    assert settle_new_side(start(NEVER_TOLD, ended), facts(new_role=Role.TERMINATED)) == told(None)
    assert settle_new_side(start(None, ended, attempt=0), facts(new_role=Role.TERMINATED)) == told(None)
    assert settle_new_side(start(NEVER_TOLD, ended, attempt=2), facts(new_role=Role.TERMINATED)) == told(Loss.POSSIBLE)


def test_what_served_before_it_was_told_to_start_again_is_known_to_have_served() -> None:
    assert settle_new_side(start(None, None), facts(returns=1, new_role=Role.TERMINATED)) == told(Loss.SURE)


@given(
    told_to=st.sampled_from([TOLD, NEVER_TOLD, None]),
    served=st.none() | st.booleans(),
    is_confirmed=st.booleans(),
    returns=st.integers(0, MOST_RETURNS),
    role=st.sampled_from(Role),
    leaves_old=st.booleans(),
    leaves_new=st.booleans(),
)
def test_writes_are_never_left_behind_without_a_word_nor_is_a_word_said_where_there_are_none(
    *,
    told_to: CommandView | None,
    served: bool | None,
    is_confirmed: bool,
    returns: int,
    role: Role,
    leaves_old: bool,
    leaves_new: bool,
) -> None:
    step = start(told_to, answer(served=served) if is_confirmed else None)
    seen = facts(returns=returns, new_role=role, leaves_old_writes=leaves_old, leaves_new_writes=leaves_new)

    decision = settle_new_side(step, seen)

    was_told = told_to is TOLD or returns > 0
    may_have_served = was_told and (returns > 0 or not (is_confirmed and served is False))
    assert (decision != UndoSettle(StepName.START)) == (leaves_new and may_have_served)
    if isinstance(decision, Resume):
        assert is_confirmed
        assert returns < MOST_RETURNS
