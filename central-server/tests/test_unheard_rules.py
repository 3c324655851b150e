"""How long a new side that was told to serve may be unheard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from server_support.clock import START
from spot_server.features.switches.decisions import CommandView, StepView, SwitchFacts, UndoIssue
from spot_server.features.switches.unheard_rules import MOST_DEMOTES, UNHEARD, decide_unheard_demote, decide_unheard_start
from spot_server.policy import MovePolicy
from spot_server.words import CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus

POLICY = MovePolicy()
SILENT = CommandView(
    kind=CommandKind.START_SERVING,
    status=CommandStatus.DELIVERED,
    state=None,
    error_class=None,
    error_text="",
    deadline_at=START + timedelta(seconds=150),
    issued_at=START,
    finished_at=None,
    is_actor_reachable=False,
)
FACTS = SwitchFacts(
    status=SwitchStatus.RUNNING,
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
    now=START + timedelta(seconds=200),
    leaves_new_writes=True,
)
NOTHING_AT_STAKE: dict[str, dict[str, Any]] = {
    "the old side would lack nothing": {"leaves_new_writes": False},
    "a notice takes the new side away": {"is_new_going": True},
    "its notice is over": {"is_new_past_its_end": True},
    "EC2 says that it is gone": {"new_role": Role.TERMINATED},
    "it was waited for long enough": {"now": START + timedelta(seconds=POLICY.unheard_start_seconds)},
}


def start(command: CommandView | None = SILENT, *, asked: CommandView | None = None, undo_attempt: int = 1) -> StepView:
    return StepView(StepName.START, StepStatus.RUNNING, 1, START, command, undo_attempt, asked)


def demote(**changes: Any) -> CommandView:
    return replace(SILENT, kind=CommandKind.DEMOTE, status=CommandStatus.EXPIRED, **changes)


def test_a_silent_new_side_that_may_serve_is_waited_for() -> None:
    assert decide_unheard_start(start(), FACTS, POLICY) == UNHEARD
    assert decide_unheard_demote(start(asked=demote()), FACTS, POLICY) == UNHEARD


@pytest.mark.parametrize("why", NOTHING_AT_STAKE)
def test_it_is_not_where_nothing_is_at_stake_or_nothing_helps(why: str) -> None:
    facts = replace(FACTS, **NOTHING_AT_STAKE[why])
    assert decide_unheard_start(start(), facts, POLICY) is None
    assert decide_unheard_demote(start(asked=demote()), facts, POLICY) is None


def test_an_order_that_was_never_given_made_nobody_serve() -> None:
    never = start(replace(SILENT, was_delivered=False), asked=demote())
    assert decide_unheard_start(never, FACTS, POLICY) is None
    assert decide_unheard_demote(never, FACTS, POLICY) is None


def test_a_daemon_that_is_heard_had_its_time_and_is_asked_whether_it_served_again_only_so_often() -> None:
    assert decide_unheard_start(start(replace(SILENT, is_actor_reachable=True)), FACTS, POLICY) is None
    heard = demote(is_actor_reachable=True)
    again = decide_unheard_demote(start(asked=heard, undo_attempt=MOST_DEMOTES - 1), FACTS, POLICY)
    assert isinstance(again, UndoIssue)
    assert again.kind is CommandKind.DEMOTE
    assert decide_unheard_demote(start(asked=heard, undo_attempt=MOST_DEMOTES), FACTS, POLICY) is None


@pytest.mark.parametrize("status", [CommandStatus.FAILED, CommandStatus.SUCCEEDED])
def test_an_answer_is_not_waited_for_again(status: CommandStatus) -> None:
    assert decide_unheard_demote(start(asked=replace(demote(), status=status)), FACTS, POLICY) is None
