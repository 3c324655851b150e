"""What becomes of a replica's launch: every answer leads somewhere, none leads to a second instance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.replicas.refusal_rules import Scope
from spot_server.features.replicas.rules import (
    PATIENT_ATTEMPTS,
    AskAnother,
    GiveUp,
    Launch,
    LaunchAnswer,
    LaunchDecision,
    LaunchFacts,
    NoteInstance,
    TryAgain,
    TryElsewhere,
    TryOtherImage,
    Wait,
    client_token,
    decide_launch,
)
from spot_server.policy import MovePolicy
from spot_server.words import LIVE_REPLICA_STATUSES, CommandStatus, Mode, ReplicaStatus

POLICY = MovePolicy()
NOW = START + timedelta(seconds=60)
ERRORS = (
    *("capacity", "quota", "price", "subnet", "pool_invalid", "throttled", "idempotency", "not_authorized", "race", "not_found"),
    *("hook_failed", "check_failed", "stale_epoch", "unknown_kind", "refused", "unreachable", "unexpected", "something new"),
)


def facts(**changes: Any) -> LaunchFacts:
    base = LaunchFacts(
        status=ReplicaStatus.LAUNCHING,
        instance_id=None,
        is_gone=False,
        created_at=START,
        launched_at=None,
        mode=Mode.SPOT,
        attempt=1,
        launch=None,
        now=NOW,
    )
    return replace(base, **changes)


def answer(**changes: Any) -> LaunchAnswer:
    base = LaunchAnswer(
        status=CommandStatus.DELIVERED,
        instance_id=None,
        error_class=None,
        error_text="",
        deadline_at=START + timedelta(seconds=120),
        finished_at=None,
        is_actor_reachable=True,
    )
    return replace(base, **changes)


def failed(error_class: str, **changes: Any) -> LaunchDecision:
    told = answer(status=CommandStatus.FAILED, error_class=error_class, error_text=error_class, finished_at=START)
    return decide_launch(facts(launch=told, **changes), POLICY)


moments = st.integers(0, 3000).map(lambda seconds: START + timedelta(seconds=seconds))
any_facts = st.builds(
    LaunchFacts,
    status=st.sampled_from(ReplicaStatus),
    instance_id=st.none() | st.just("i-2"),
    is_gone=st.booleans(),
    created_at=st.just(START),
    launched_at=st.none() | moments,
    mode=st.sampled_from([Mode.SPOT, Mode.ON_DEMAND]),
    attempt=st.integers(0, POLICY.max_launch_attempts + 20),
    launch=st.none()
    | st.builds(
        LaunchAnswer,
        status=st.sampled_from(CommandStatus),
        instance_id=st.none() | st.just("i-2"),
        error_class=st.none() | st.sampled_from(ERRORS),
        error_text=st.just("why"),
        deadline_at=st.none() | moments,
        finished_at=st.none() | moments,
        is_actor_reachable=st.booleans(),
        is_image_refused=st.booleans(),
        is_refused_everywhere=st.booleans(),
        is_ec2s_word=st.booleans(),
        ask_number=st.integers(1, 5),
    ),
    now=moments,
    image_available_at=st.none() | moments,
)


@given(any_facts)
def test_only_a_replica_that_lives_has_anything_to_decide(seen: LaunchFacts) -> None:
    decision = decide_launch(seen, POLICY)

    assert seen.status in LIVE_REPLICA_STATUSES or decision == Wait()


@given(any_facts)
def test_nothing_is_launched_anew_while_an_earlier_request_may_still_bring_an_instance(seen: LaunchFacts) -> None:
    decision = decide_launch(seen, POLICY)

    if isinstance(decision, Launch):
        assert seen.launch is None
        assert seen.instance_id is None
    if isinstance(decision, TryElsewhere | TryAgain):
        assert seen.launch is not None
        assert seen.launch.status is CommandStatus.FAILED
        assert seen.launch.instance_id is None


@given(any_facts)
def test_an_instance_that_came_of_the_launch_is_never_overlooked(seen: LaunchFacts) -> None:
    decision = decide_launch(seen, POLICY)

    is_waited_for = seen.status in {ReplicaStatus.LAUNCHING, ReplicaStatus.SYNCING} and not seen.is_gone
    if is_waited_for and seen.instance_id is None and seen.launch is not None and seen.launch.instance_id is not None:
        assert decision == NoteInstance(seen.launch.instance_id)


@given(st.sampled_from(ERRORS), st.integers(POLICY.max_launch_attempts, POLICY.max_launch_attempts + 20))
def test_the_attempts_of_one_replica_are_bounded(error_class: str, attempt: int) -> None:
    assert isinstance(failed(error_class, attempt=attempt), GiveUp)


def test_twenty_types_in_four_zones_may_all_be_short_before_what_is_on_demand() -> None:
    assert isinstance(failed("capacity", attempt=80), TryElsewhere)


@given(st.sampled_from(ERRORS))
def test_a_launch_that_failed_is_not_asked_for_again_for_ever_when_nobody_can_be_asked(error_class: str) -> None:
    late = START + timedelta(seconds=POLICY.boot_bound_seconds + 1)

    assert not isinstance(failed(error_class, now=late), AskAnother | Wait)


@pytest.mark.parametrize("mode", [Mode.SPOT, Mode.ON_DEMAND])
@pytest.mark.parametrize(
    ("error_class", "scope"),
    [
        *((error_class, Scope.PLACE) for error_class in ("capacity", "price", "pool_invalid", "not_found")),
        ("subnet", Scope.ZONE),
        ("quota", Scope.QUOTA),
    ],
)
def test_a_place_that_has_nothing_is_left_for_the_next_with_all_that_the_refusal_speaks_of(
    error_class: str, scope: Scope, mode: Mode
) -> None:
    is_short = error_class == "capacity" and mode is Mode.SPOT

    assert failed(error_class, mode=mode) == TryElsewhere(error_class, scope=scope, cools_pool=is_short)


def test_what_every_place_needs_and_ec2_has_not_ends_the_replica() -> None:
    told = answer(status=CommandStatus.FAILED, error_class="not_found", error_text="no key pair", is_refused_everywhere=True)

    assert decide_launch(facts(launch=told), POLICY) == GiveUp("no key pair")


def unexpected(*, ask_number: int, is_ec2s_word: bool = True, **changes: Any) -> LaunchDecision:
    told = answer(status=CommandStatus.FAILED, error_class="unexpected", error_text="why", finished_at=START, ask_number=ask_number)
    return decide_launch(facts(launch=replace(told, is_ec2s_word=is_ec2s_word), **changes), POLICY)


def test_an_answer_that_nobody_knows_is_asked_for_a_few_times_and_then_the_place_is_left() -> None:
    decisions = [unexpected(ask_number=number) for number in (1, 2, 3)]

    assert decisions == [AskAnother("why"), AskAnother("why"), TryElsewhere("why")]


def test_after_an_error_of_its_own_whoever_asked_may_have_launched_it_and_no_second_is_asked_for_elsewhere() -> None:
    late = START + timedelta(seconds=POLICY.boot_bound_seconds + 1)

    assert unexpected(ask_number=50, is_ec2s_word=False, attempt=50) == AskAnother("why")
    assert isinstance(unexpected(ask_number=50, is_ec2s_word=False, now=late), GiveUp)


def test_after_many_attempts_or_much_time_one_such_answer_is_enough_for_a_place() -> None:
    late = START + timedelta(seconds=POLICY.boot_bound_seconds + 1)

    assert unexpected(ask_number=1, attempt=PATIENT_ATTEMPTS) == TryElsewhere("why")
    assert unexpected(ask_number=1, now=late) == TryElsewhere("why")


@given(any_facts)
def test_a_rescue_ends_for_a_refused_launch_only_where_no_other_place_could_help(seen: LaunchFacts) -> None:
    decision = decide_launch(seen, POLICY)

    launch = seen.launch
    of_a_place = {"capacity", "price", "subnet", "pool_invalid", "quota", "not_found"}
    of_a_place |= {"unexpected"} if launch is not None and launch.is_ec2s_word else set()
    if isinstance(decision, GiveUp) and launch is not None and launch.status is CommandStatus.FAILED and seen.instance_id is None:
        is_bounded = seen.attempt >= POLICY.max_launch_attempts or seen.is_gone
        assert is_bounded or launch.is_image_refused or launch.is_refused_everywhere or launch.error_class not in of_a_place


@pytest.mark.parametrize("error_class", ["throttled", "race", "unreachable", "unexpected", "stale_epoch", "refused"])
def test_a_failure_that_leaves_open_whether_it_happened_repeats_the_same_request_after_a_pause(error_class: str) -> None:
    soon = failed(error_class, now=START + timedelta(seconds=1))
    later = failed(error_class)

    assert soon == Wait()
    assert later == AskAnother(error_class)


def test_a_client_token_that_is_spent_needs_another() -> None:
    assert failed("idempotency") == TryAgain("idempotency")


@pytest.mark.parametrize("error_class", ["not_authorized", "unknown_kind", "something new"])
def test_what_will_not_pass_ends_the_replica(error_class: str) -> None:
    assert failed(error_class) == GiveUp(error_class)


def test_silence_is_waited_for_until_the_deadline_and_then_another_is_asked() -> None:
    early = decide_launch(facts(launch=answer()), POLICY)
    late = decide_launch(facts(launch=answer(), now=START + timedelta(seconds=121)), POLICY)
    too_late = decide_launch(facts(launch=answer(), now=START + timedelta(seconds=901)), POLICY)

    assert early == Wait()
    assert isinstance(late, AskAnother)
    assert isinstance(too_late, GiveUp)


def test_a_daemon_that_cannot_be_reached_is_not_waited_for() -> None:
    decision = decide_launch(facts(launch=answer(is_actor_reachable=False)), POLICY)

    assert isinstance(decision, AskAnother)


def test_an_instance_that_is_not_ready_in_time_is_given_up() -> None:
    launched = facts(status=ReplicaStatus.SYNCING, instance_id="i-2", launched_at=START)

    assert decide_launch(launched, POLICY) == Wait()
    assert isinstance(decide_launch(replace(launched, now=START + timedelta(seconds=901)), POLICY), GiveUp)


@pytest.mark.parametrize("status", sorted(LIVE_REPLICA_STATUSES))
def test_a_replica_whose_instance_is_gone_is_given_up_at_any_stage(status: ReplicaStatus) -> None:
    assert isinstance(decide_launch(facts(status=status, instance_id="i-2", is_gone=True), POLICY), GiveUp)


@given(st.tuples(*[st.text(max_size=5)] * 3, st.integers(0, 5)), st.tuples(*[st.text(max_size=5)] * 3, st.integers(0, 5)))
def test_a_client_token_fits_ec2_and_is_the_same_only_for_the_same_launch(
    first: tuple[str, str, str, int], second: tuple[str, str, str, int]
) -> None:
    one, other = client_token(*first), client_token(*second)

    assert len(one) == 64
    assert one.isascii()
    assert (one == other) == ("|".join(map(str, first)) == "|".join(map(str, second)))


def refused_image(error_class: str, *, age_seconds: float | None, attempt: int = 1, since_answer_seconds: float = 10.0) -> LaunchDecision:
    told = answer(
        status=CommandStatus.FAILED,
        error_class=error_class,
        error_text="no image",
        finished_at=NOW - timedelta(seconds=since_answer_seconds),
        is_image_refused=True,
    )
    available_at = None if age_seconds is None else NOW - timedelta(seconds=age_seconds)
    return decide_launch(facts(launch=told, attempt=attempt, image_available_at=available_at), POLICY)


@pytest.mark.parametrize("error_class", ["not_found", "race"])
@pytest.mark.parametrize("age_seconds", [None, 60.0, 86_400.0])
def test_an_image_that_ec2_has_no_more_is_left_for_another_whatever_the_number_of_attempts(
    error_class: str, age_seconds: float | None
) -> None:
    decisions = [refused_image(error_class, age_seconds=age_seconds, attempt=attempt) for attempt in (1, POLICY.max_launch_attempts)]

    assert decisions == [TryOtherImage("no image")] * 2


@pytest.mark.parametrize("error_class", ["not_found", "race"])
def test_an_image_that_was_just_made_is_asked_for_again_until_ec2_must_show_it(error_class: str) -> None:
    assert refused_image(error_class, age_seconds=59.0) == TryAgain("no image")
    assert refused_image(error_class, age_seconds=59.0, since_answer_seconds=4.0) == Wait()
    assert isinstance(refused_image(error_class, age_seconds=59.0, attempt=POLICY.max_launch_attempts), GiveUp)
