"""Which commands may take effect."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agent_fakes.virtual import START
from spot_agent.errors import ErrorClass
from spot_agent.journal_contents import CommandRecord
from spot_agent.model import Command
from spot_agent.rules.commands import Known, Verdict, admit, in_order

KINDS = ("quiesce", "demote", "release", "launch_instance")
DEADLINES: st.SearchStrategy[datetime | None] = st.none() | st.integers(-100, 100).map(lambda seconds: START + timedelta(seconds=seconds))
COMMANDS = st.builds(
    Command,
    command_id=st.just("c"),
    request_id=st.sampled_from([f"r{number}" for number in range(6)]),
    kind=st.sampled_from([*KINDS, "dance"]),
    priority=st.sampled_from([25, 50, 75, 100]),
    epoch=st.integers(1, 5),
    payload=st.just({}),
    deadline_at=DEADLINES,
)
RECORDS: st.SearchStrategy[CommandRecord | None] = st.sampled_from(
    [None, CommandRecord("r", "c", "quiesce", "t"), CommandRecord("r", "c", "quiesce", "t", {"outcome": "failed"})]
)


def _known(epoch: int, *, is_in_hand: bool = False) -> Known:
    return Known(is_in_hand, epoch, KINDS, START)


@given(COMMANDS, RECORDS, st.booleans(), st.integers(1, 5))
def test_nothing_answered_in_hand_stale_or_unknown_is_executed(
    command: Command, record: CommandRecord | None, is_in_hand: bool, epoch: int
) -> None:
    admission = admit(command, record, _known(epoch, is_in_hand=is_in_hand))

    if admission.verdict is Verdict.EXECUTE:
        assert record is None or record.answer is None
        assert not is_in_hand
        assert command.epoch >= epoch
        assert command.kind in KINDS


@given(COMMANDS, st.integers(1, 5))
def test_an_answer_is_given_again_whatever_else_holds(command: Command, epoch: int) -> None:
    record = CommandRecord("r", "c", "quiesce", "t", {"outcome": "succeeded"})

    assert admit(command, record, _known(epoch)).verdict is Verdict.ANSWER_AGAIN


@given(COMMANDS)
def test_a_command_that_a_crash_cut_short_is_recovered_even_after_its_deadline(command: Command) -> None:
    started = CommandRecord("r", "c", command.kind, "t")

    assert admit(command, started, _known(1)).code != "deadline_passed"


@given(COMMANDS)
def test_only_demote_and_release_are_never_too_late(command: Command) -> None:
    admission = admit(command, None, _known(1))

    is_late = command.deadline_at is not None and command.deadline_at < START
    if is_late and command.kind in KINDS:
        is_refused = admission.verdict is Verdict.REFUSE
        assert is_refused == (command.kind not in ("demote", "release"))


@given(COMMANDS)
def test_a_stale_epoch_is_answered_as_such(command: Command) -> None:
    admission = admit(command, None, _known(6))

    assert (admission.verdict, admission.error_class) == (Verdict.REFUSE, ErrorClass.STALE_EPOCH)


@given(st.lists(COMMANDS))
def test_higher_priorities_come_first_and_each_request_once(commands: list[Command]) -> None:
    ordered = in_order(commands)

    priorities = [command.priority for command in ordered]
    assert priorities == sorted(priorities, reverse=True)
    assert sorted(command.request_id for command in ordered) == sorted({command.request_id for command in commands})
