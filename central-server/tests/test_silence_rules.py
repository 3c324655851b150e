"""Silence moves nothing, whatever else holds; EC2's word does."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.silences.gone_rules import UNKNOWN_APART_SECONDS
from spot_server.features.silences.listening import CLOCK_STEP_SECONDS, LONGEST_PAUSE_SECONDS, Ear, listen
from spot_server.features.silences.rules import (
    BELIEVED_SECONDS,
    GOING_STATES,
    LONGEST_LOOK_SECONDS,
    MANY_RATIO,
    SOONEST_LOOK_SECONDS,
    TOGETHER_SECONDS,
    Answer,
    AskEc2,
    LeaveBe,
    Lost,
    SilenceFacts,
    TakenForLost,
    decide_silence,
    look_pause_seconds,
    silent_together,
)

STATES = ("pending", "running", "shutting-down", "terminated", "stopping", "stopped", "gone")
NOW = START + timedelta(hours=5)


def facts(silent_seconds: float = 400, **changes: Any) -> SilenceFacts:
    base: dict[str, Any] = {
        "last_heard_at": NOW - timedelta(seconds=silent_seconds),
        "now": NOW,
        "suspected_after_seconds": 75,
        "told_after_seconds": 300,
        "is_looked_after": False,
        "is_one_of_many": False,
        "is_asked": False,
        "can_be_asked": True,
    }
    return SilenceFacts(**{**base, **changes})


def said(state: str, ago_seconds: float = 1, **changes: Any) -> Answer:
    return Answer(state, NOW - timedelta(seconds=ago_seconds), **changes)


@pytest.mark.parametrize(
    ("silent_seconds", "is_looked_after", "is_one_of_many", "is_asked", "can_be_asked", "state"),
    list(itertools.product((10, 100, 100_000), (False, True), (False, True), (False, True), (False, True), (None, *STATES))),
)
def test_only_ec2_s_word_that_it_goes_moves_a_silent_primary(
    silent_seconds: float, *, is_looked_after: bool, is_one_of_many: bool, is_asked: bool, can_be_asked: bool, state: str | None
) -> None:
    decision = decide_silence(
        facts(
            silent_seconds,
            is_looked_after=is_looked_after,
            is_one_of_many=is_one_of_many,
            is_asked=is_asked,
            can_be_asked=can_be_asked,
            answers=() if state is None else (said(state),),
        )
    )

    is_suspected = silent_seconds >= 75 and not is_looked_after
    assert isinstance(decision, LeaveBe) is not is_suspected
    assert isinstance(decision, Lost) is (is_suspected and state in GOING_STATES | {"terminated"})


@pytest.mark.parametrize("state", STATES)
def test_what_has_ended_is_told_from_what_only_goes(state: str) -> None:
    decision = decide_silence(facts(answers=(said(state),)))

    expected = {"terminated": True, **dict.fromkeys(GOING_STATES, False)}
    assert (decision.is_ended if isinstance(decision, Lost) else None) is expected.get(state)


@pytest.mark.parametrize("state", STATES)
def test_an_old_answer_counts_for_nothing(state: str) -> None:
    answers = (said(state, BELIEVED_SECONDS + 1), said("gone", BELIEVED_SECONDS + 100))

    assert isinstance(decide_silence(facts(answers=answers)), AskEc2)


@pytest.mark.parametrize(
    ("answers", "is_one_of_many", "is_lost"),
    [
        ((said("gone"),), False, False),
        ((said("gone"), said("gone", UNKNOWN_APART_SECONDS)), False, False),
        ((said("gone"), said("gone", UNKNOWN_APART_SECONDS + 1)), False, True),
        ((said("gone"), said("running", 30), said("gone", UNKNOWN_APART_SECONDS + 1)), False, False),
        ((said("gone"), said("gone", 30, is_other_account=True), said("gone", UNKNOWN_APART_SECONDS + 1)), False, False),
        ((said("gone", is_other_account=True), said("gone", UNKNOWN_APART_SECONDS + 1, is_other_account=True)), False, False),
        ((said("gone"), said("gone", UNKNOWN_APART_SECONDS + 1)), True, False),
    ],
    ids=["once", "too-soon", "long-enough", "seen-between", "elsewhere-between", "elsewhere", "many-at-once"],
)
def test_an_instance_that_ec2_does_not_know_is_gone_only_when_that_lasts(
    answers: tuple[Answer, ...], *, is_one_of_many: bool, is_lost: bool
) -> None:
    decision = decide_silence(facts(answers=answers, is_one_of_many=is_one_of_many))

    assert isinstance(decision, Lost) is is_lost


def test_ec2_s_word_counts_for_each_of_many_that_fell_silent_together() -> None:
    """A pool that is lost whole is no fault of ours, and nothing is gained by waiting."""
    decision = decide_silence(facts(answers=(said("terminated"),), is_one_of_many=True))

    assert decision == Lost("terminated", is_ended=True)


@pytest.mark.parametrize(
    ("silent_seconds", "answers", "can_be_asked", "words"),
    [
        (299, (said("running"),), True, None),
        (300, (said("running"),), True, "running"),
        (300, (), False, "nobody can ask"),
        (300, (), True, None),
        (300, (said("gone"),), True, "no such instance"),
        (300, (said("gone", is_other_account=True),), True, "another account"),
    ],
)
def test_a_person_hears_of_a_long_silence_and_what_is_known_of_it(
    silent_seconds: float, answers: tuple[Answer, ...], words: str | None, *, can_be_asked: bool
) -> None:
    decision = decide_silence(facts(silent_seconds, answers=answers, can_be_asked=can_be_asked))

    assert isinstance(decision, AskEc2)
    assert decision.tells is None if words is None else words in (decision.tells or "")


@given(st.floats(0, 1e7))
def test_ec2_is_asked_neither_too_often_nor_too_seldom(silent_seconds: float) -> None:
    pause = look_pause_seconds(silent_seconds)

    assert SOONEST_LOOK_SECONDS <= pause <= LONGEST_LOOK_SECONDS
    assert look_pause_seconds(silent_seconds + 1) >= pause


@given(st.lists(st.integers(0, 2000), max_size=60), st.integers(0, 2000))
def test_many_are_silent_together_only_when_they_are_a_part_of_all_that_cannot_be_chance(ages: list[int], heard_count: int) -> None:
    silent = {str(number): NOW - timedelta(seconds=age) for number, age in enumerate(ages)}

    many = silent_together(silent, heard_count)

    for key, moment in silent.items():
        count = sum(abs((other - moment).total_seconds()) <= TOGETHER_SECONDS for other in silent.values())
        assert (key in many) is (count >= 2 and count / (count + heard_count) > MANY_RATIO)


@pytest.mark.parametrize(
    ("silent_count", "heard_count", "is_many"),
    [(1, 0, False), (2, 38, False), (2, 37, True), (50, 950, False), (51, 949, True)],
)
def test_the_bound_is_five_in_a_hundred_and_two(silent_count: int, heard_count: int, *, is_many: bool) -> None:
    silent = {str(number): NOW for number in range(silent_count)}

    assert bool(silent_together(silent, heard_count)) is is_many


def ear_after(*looks: tuple[float, float, bool]) -> Ear:
    """Look at (steady seconds, seconds by the clock, hears somebody)."""
    ear = None
    for seconds, clock_seconds, hears_somebody in looks:
        ear = listen(ear, now=START + timedelta(seconds=clock_seconds), now_seconds=seconds, hears_somebody=hears_somebody)
    assert ear is not None
    return ear


def test_the_first_look_has_heard_nothing_yet() -> None:
    assert ear_after((5, 5, True)).listened_seconds == 0


def test_looks_without_a_break_add_up_and_silence_of_all_ends_the_hearing_and_not_the_listening() -> None:
    heard = ear_after((0, 0, True), (10, 10, True), (20, 20, True))
    deaf = ear_after((0, 0, True), (10, 10, False), (20, 20, True), (25, 25, True))

    assert (heard.listened_seconds, heard.heard_seconds) == (20, 20)
    assert (deaf.listened_seconds, deaf.heard_seconds) == (25, 5)


@pytest.mark.parametrize("step_seconds", [CLOCK_STEP_SECONDS + 1, -CLOCK_STEP_SECONDS - 1, 86_400])
def test_a_clock_that_was_set_begins_a_new_grace(step_seconds: float) -> None:
    assert ear_after((0, 0, True), (10, 10, True), (12, 12 + step_seconds, True)).listened_seconds == 0


def test_a_process_that_stood_still_begins_a_new_grace() -> None:
    late = 10 + LONGEST_PAUSE_SECONDS + 1

    assert ear_after((0, 0, True), (10, 10, True), (late, late, True)).listened_seconds == 0


@pytest.mark.parametrize(
    ("why_not_fenced", "is_one_of_many", "silent_seconds", "heard_seconds", "state", "checks"),
    list(
        itertools.product(
            ("", "a setting is off"),
            (False, True),
            (149, 150),
            (149, 150),
            ("running", "pending", "gone"),
            (("impaired", "impaired"), ("impaired", "ok"), ("ok", "impaired"), ("impaired", None), ("impaired",), (None, None)),
        )
    ),
)
def test_silence_itself_counts_only_with_leave_a_second_witness_and_others_heard_all_the_while(
    why_not_fenced: str, is_one_of_many: bool, silent_seconds: float, heard_seconds: float, state: str, checks: tuple[str | None, ...]
) -> None:
    answers = tuple(said(state, 1 + number, status_checks=one) for number, one in enumerate(checks))

    decision = decide_silence(
        facts(
            silent_seconds,
            why_not_fenced=why_not_fenced,
            is_one_of_many=is_one_of_many,
            others_heard_seconds=heard_seconds,
            answers=answers,
        )
    )

    is_taken = (why_not_fenced, is_one_of_many, silent_seconds, heard_seconds, state) == ("", False, 150, 150, "running")
    assert isinstance(decision, TakenForLost) is (is_taken and checks == ("impaired", "impaired"))


def test_a_person_hears_why_a_silent_primary_is_not_moved_although_that_is_wanted() -> None:
    decision = decide_silence(facts(why_not_fenced="", others_heard_seconds=200, answers=(said("running", status_checks="ok"),)))

    assert isinstance(decision, AskEc2)
    assert "status checks: ok" in (decision.tells or "")
    assert "no second witness" in (decision.tells or "")
