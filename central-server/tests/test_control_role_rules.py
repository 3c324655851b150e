"""What the control role does next, decided from values: properties first, then the cases that people would ask about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.aws.errors import ASSUME_ROLE_PREFIX, CODES, ErrorClass, class_of_code
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED, AddressFacts, InstanceFacts
from spot_server.features.commands.actors import ACTOR_TABLE, KINDS_OF_ACT, Act, Candidate, DaemonFacts, choose_actor
from spot_server.features.control_role.acts import HANDLERS
from spot_server.features.control_role.rules import (
    BACKOFF_CAP_SECONDS,
    DEADLINE_GRACE_SECONDS,
    UNUSABLE_SECONDS,
    Failure,
    GoAhead,
    InHand,
    Leave,
    LookOnly,
    OpenCommand,
    Trouble,
    admit,
    backoff_seconds,
    choose_due,
    is_usable,
    is_worth_another_try,
    patience_seconds,
    refusal_to_terminate,
)
from spot_server.words import PRIORITY_EMERGENCY, PRIORITY_HOUSEKEEPING, Actor, CommandKind, Role

KINDS = st.sampled_from(sorted(HANDLERS))
PRIORITIES = st.sampled_from([25, 50, 75, 100])


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@st.composite
def backlogs(draw: st.DrawFn) -> list[OpenCommand]:
    """Open commands in the order in which the database gives them."""
    count = draw(st.integers(0, 30))
    commands = [
        OpenCommand(
            command_id=str(number),
            agent_id=draw(st.sampled_from(["a", "b", "c", "d"])),
            kind=draw(KINDS),
            priority=draw(PRIORITIES),
            last_delivered_at=draw(st.sampled_from([None, START - seconds(1), START - seconds(60)])),
        )
        for number in range(count)
    ]
    return sorted(commands, key=lambda command: -command.priority)


@given(backlogs(), st.integers(0, 8), st.integers(2, 12))
def test_there_is_never_more_under_way_than_allowed_and_never_two_of_one_kind_for_an_agent(
    backlog: list[OpenCommand], working_count: int, most_at_once: int
) -> None:
    begun = {(one.agent_id, one.kind): one for one in backlog[: min(working_count, most_at_once)]}
    working = list(begun.values())

    chosen = choose_due(backlog, InHand(working, {}), now=START, now_seconds=0.0, most_at_once=most_at_once)

    busy = [(one.agent_id, one.kind) for one in [*working, *chosen]]
    assert len(busy) == len(set(busy))
    assert len(busy) <= most_at_once
    calm = [one for one in chosen if one.priority < PRIORITY_EMERGENCY]
    assert not calm or len(working) + len(calm) <= most_at_once - max(1, most_at_once // 4)


@given(backlogs())
def test_with_room_for_all_nothing_that_is_due_is_left_behind(backlog: list[OpenCommand]) -> None:
    chosen = choose_due(backlog, InHand([], {}), now=START, now_seconds=0.0, most_at_once=1000)

    due = {(one.agent_id, one.kind) for one in backlog if one.last_delivered_at != START - seconds(1)}
    assert {(one.agent_id, one.kind) for one in chosen} == due


def command(command_id: str = "1", *, priority: int = PRIORITY_HOUSEKEEPING, delivered_seconds_ago: float | None = None) -> OpenCommand:
    delivered_at = None if delivered_seconds_ago is None else START - seconds(delivered_seconds_ago)
    return OpenCommand(command_id, f"agent-{command_id}", CommandKind.CREATE_IMAGE, priority, delivered_at)


def due_ids(*commands: OpenCommand, hand: InHand | None = None, most_at_once: int = 8, now_seconds: float = 100.0) -> list[str]:
    hand = hand or InHand([], {})
    return [one.command_id for one in choose_due(commands, hand, now=START, now_seconds=now_seconds, most_at_once=most_at_once)]


def test_what_another_process_began_is_taken_up_after_five_seconds() -> None:
    assert due_ids(command("early", delivered_seconds_ago=4.9), command("late", delivered_seconds_ago=5.0)) == ["late"]


def test_what_this_process_began_is_looked_at_when_it_said() -> None:
    soon, later = command("soon", delivered_seconds_ago=1), command("later", delivered_seconds_ago=60)

    assert due_ids(soon, later, hand=InHand([], {"soon": 100.0, "later": 100.1})) == ["soon"]


def test_an_emergency_finds_room_when_images_fill_the_rest() -> None:
    images = [command(str(number)) for number in range(8)]
    emergency = command("emergency", priority=PRIORITY_EMERGENCY)

    assert due_ids(*images) == ["0", "1", "2", "3", "4", "5"]
    assert due_ids(emergency, hand=InHand(images[:6], {})) == ["emergency"]


@given(st.integers(0, 5), st.integers(0, 5), st.floats(-100, 100))
def test_only_a_command_of_this_epoch_and_in_time_may_act(command_epoch: int, agent_epoch: int, left_seconds: float) -> None:
    deadline_at = START + seconds(left_seconds)

    admission = admit(command_epoch=command_epoch, agent_epoch=agent_epoch, deadline_at=deadline_at, now=START)

    assert isinstance(admission, GoAhead) == (command_epoch >= agent_epoch and deadline_at >= START)


def test_after_its_deadline_a_command_is_left_to_its_owner_and_then_answered() -> None:
    def at(late_seconds: float) -> object:
        return admit(command_epoch=1, agent_epoch=1, deadline_at=START, now=START + seconds(late_seconds))

    assert (at(0), at(0.1), at(DEADLINE_GRACE_SECONDS)) == (GoAhead(), Leave(), Leave())
    assert isinstance(at(DEADLINE_GRACE_SECONDS + 0.1), LookOnly)


@given(KINDS, st.sampled_from(sorted(ErrorClass)), st.booleans(), st.floats(0, 2000))
def test_what_aws_refuses_for_good_is_never_asked_again(
    kind: CommandKind, error_class: ErrorClass, may_have_acted: bool, waited_seconds: float
) -> None:
    again = is_worth_another_try(kind, Trouble(error_class, may_have_acted), waited_seconds=waited_seconds, patience_seconds=900)

    assert not again or error_class in {ErrorClass.THROTTLED, ErrorClass.RACE, ErrorClass.UNREACHABLE}


def test_a_launch_whose_answer_is_lost_is_looked_for_as_long_as_there_is_time() -> None:
    def again(*, may_have_acted: bool) -> bool:
        trouble = Trouble(ErrorClass.UNREACHABLE, may_have_acted)
        return is_worth_another_try(CommandKind.LAUNCH_INSTANCE, trouble, waited_seconds=110, patience_seconds=60)

    assert (again(may_have_acted=True), again(may_have_acted=False)) == (True, False)


@pytest.mark.parametrize(
    ("kind", "payload", "expected"),
    [
        (CommandKind.WAIT_TERMINATED, {"wait_seconds": 30}, 30.0),
        (CommandKind.CREATE_IMAGE, {}, 900.0),
        (CommandKind.TERMINATE_INSTANCE, {}, 60.0),
    ],
)
def test_patience_is_what_the_payload_says_or_what_the_act_takes(kind: CommandKind, payload: dict[str, object], expected: float) -> None:
    assert patience_seconds(kind, payload) == expected


@given(st.integers(1, 100), st.floats(0, 1))
def test_a_pause_is_positive_and_bounded(tries: int, draw: float) -> None:
    assert 0 < backoff_seconds(tries, draw) <= BACKOFF_CAP_SECONDS


@given(st.sampled_from(sorted(KINDS_OF_ACT)), st.sampled_from(sorted(ErrorClass)), st.floats(0, 1000), KINDS, st.booleans())
def test_a_role_is_passed_over_only_after_a_failure_that_tells_of_this_act_and_only_for_a_while(
    act: Act, error_class: ErrorClass, ago_seconds: float, kind: CommandKind, is_whole_role: bool
) -> None:
    code = f"{ASSUME_ROLE_PREFIX}AccessDenied" if is_whole_role else "UnauthorizedOperation"

    usable = is_usable(KINDS_OF_ACT[act], [Failure(kind, error_class, code, START - seconds(ago_seconds))], START)

    bound_seconds = UNUSABLE_SECONDS.get(error_class, 0.0)
    tells = is_whole_role or kind in KINDS_OF_ACT[act]
    assert usable == (not tells or seconds(ago_seconds) >= seconds(bound_seconds))


def test_a_role_that_may_not_make_images_may_still_launch() -> None:
    denied = Failure(CommandKind.CREATE_IMAGE, ErrorClass.NOT_AUTHORIZED, "UnauthorizedOperation", START)

    usable = {act: is_usable(KINDS_OF_ACT[act], [denied], START) for act in Act}

    assert [act for act, can in usable.items() if not can] == [Act.CREATE_IMAGE, Act.FINAL_IMAGE, Act.REFRESH_IMAGE]


PRIMARY = DaemonFacts("i-primary", Role.PRIMARY, is_reachable=True)
REPLICA = DaemonFacts("i-replica", Role.REPLICA, is_reachable=True)


def actor_of(act: Act, *, usable: bool, has_role: bool = True, target: str = "i-other") -> tuple[Actor, str] | None:
    chosen = choose_actor(
        act, has_control_role=has_role, is_control_role_usable=usable, daemons=[PRIMARY, REPLICA], target_instance_id=target
    )
    return None if chosen is None else (chosen.actor, chosen.instance_id)


@pytest.mark.parametrize(
    "act",
    sorted(act for act, candidates in ACTOR_TABLE.items() if candidates[0] is Candidate.CONTROL_ROLE and Candidate.PRIMARY in candidates),
)
def test_a_usable_role_comes_first_and_the_primary_stands_in_for_one_that_is_not(act: Act) -> None:
    assert actor_of(act, usable=True) == (Actor.CONTROL_ROLE, "control-role")
    assert actor_of(act, usable=False) == actor_of(act, usable=True, has_role=False) == (Actor.DAEMON, "i-primary")


def test_a_handle_is_moved_by_its_new_side_and_else_by_the_role_if_it_is_usable() -> None:
    assert actor_of(Act.MOVE_ADDRESS, usable=True, target="i-replica") == (Actor.DAEMON, "i-replica")
    assert actor_of(Act.MOVE_ADDRESS, usable=True, target="i-silent") == (Actor.CONTROL_ROLE, "control-role")
    assert actor_of(Act.MOVE_ADDRESS, usable=False, target="i-silent") is None


@pytest.mark.parametrize("act", [Act.CONFIRM_TARGET, Act.CONFIRM_RECORD])
def test_where_a_handle_leads_is_asked_from_outside_and_else_by_the_new_side(act: Act) -> None:
    assert actor_of(act, usable=True, target="i-replica") == (Actor.CONTROL_ROLE, "control-role")
    assert actor_of(act, usable=False, target="i-replica") == (Actor.DAEMON, "i-replica")


def test_every_act_that_the_role_may_be_given_can_be_carried_out() -> None:
    given_to_role = [act for act, candidates in ACTOR_TABLE.items() if Candidate.CONTROL_ROLE in candidates]

    assert set().union(*(KINDS_OF_ACT[act] for act in given_to_role)) <= set(HANDLERS)


def test_every_error_code_has_one_class_and_unknown_ones_are_seen() -> None:
    codes = [code for codes in CODES.values() for code in codes]

    assert len(codes) == len(set(codes))
    assert all(class_of_code(code) is error_class for error_class, codes in CODES.items() for code in codes)
    assert (class_of_code("InvalidAMIID.NotFound"), class_of_code("Novelty")) == (ErrorClass.NOT_FOUND, ErrorClass.UNEXPECTED)


TAGS = st.dictionaries(
    st.sampled_from([TAG_MANAGED, TAG_AGENT_ID, "team"]), st.sampled_from(["true", "false", "released", "a-1", "a-2", ""])
)
HANDLES = st.lists(st.builds(AddressFacts, st.sampled_from("ab"), st.just("192.0.2.1"), st.sampled_from(["i-1", "i-2", None]), st.none()))


@given(TAGS, TAGS, HANDLES)
def test_only_what_carries_its_owners_tags_and_no_handle_may_be_terminated(
    tags: dict[str, str], owner: dict[str, str], handles: list[AddressFacts]
) -> None:
    refusal = refusal_to_terminate(InstanceFacts("i-1", "running", tags=tags), owner, handles)

    is_owned = all(key in owner and tags.get(key) == owner[key] for key in (TAG_MANAGED, TAG_AGENT_ID))
    assert (refusal is None) == (is_owned and all(handle.instance_id != "i-1" for handle in handles))
