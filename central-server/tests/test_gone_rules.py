"""That EC2 knows no such instance is believed last, whoever acts on it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.silences.gone_rules import (
    GONE,
    UNKNOWN_APART_SECONDS,
    UNKNOWN_ELSEWHERE,
    UNKNOWN_YET,
    Said,
    account_of_role,
    in_words,
    is_elsewhere,
    weigh,
)

STATES = ("pending", "running", "shutting-down", "terminated", "stopping", "stopped", GONE)
ENDING = {"shutting-down", "stopping", "terminated"}

answers = st.lists(
    st.builds(lambda state, gap, other: (state, gap, other), st.sampled_from(STATES), st.integers(0, 50), st.booleans()), min_size=1
)


def told(rows: list[tuple[str, int, bool]]) -> list[Said]:
    """The answers, newest first, each that many seconds before the one after it."""
    ago, said = 0, []
    for state, gap_seconds, is_other_account in rows:
        ago += gap_seconds
        said.append(Said(state, START - timedelta(seconds=ago), is_other_account))
    return said


@given(answers, st.booleans())
def test_gone_counts_only_from_the_right_account_and_when_it_lasts_or_an_end_was_seen_before(
    rows: list[tuple[str, int, bool]], is_one_of_many: bool
) -> None:
    said = told(rows)

    weighed = weigh(said, is_one_of_many=is_one_of_many)

    if said[0].state != GONE:
        assert weighed == said[0].state
    elif weighed == GONE:
        assert not said[0].is_other_account
        words = [one.state for one in said if one.state != GONE]
        has_lasted = said[0].at - min(one.at for one in said if one.state == GONE) >= timedelta(seconds=UNKNOWN_APART_SECONDS)
        assert (words and words[0] in ENDING) or (has_lasted and not is_one_of_many)
    else:
        assert weighed == (UNKNOWN_ELSEWHERE if said[0].is_other_account else UNKNOWN_YET)


@pytest.mark.parametrize(
    ("rows", "is_one_of_many", "weighed"),
    [
        ([(GONE, 0, False)], False, UNKNOWN_YET),
        ([(GONE, 0, False), (GONE, 59, False)], False, UNKNOWN_YET),
        ([(GONE, 0, False), (GONE, 60, False)], False, GONE),
        ([(GONE, 0, False), (GONE, 60, False)], True, UNKNOWN_YET),
        ([(GONE, 0, False), ("running", 1, False), (GONE, 60, False)], False, UNKNOWN_YET),
        ([(GONE, 0, False), (GONE, 1, True), (GONE, 60, False)], False, UNKNOWN_YET),
        ([(GONE, 0, True), (GONE, 60, True)], False, UNKNOWN_ELSEWHERE),
        ([(GONE, 0, False), ("shutting-down", 5, False)], True, GONE),
        ([(GONE, 0, False), ("running", 5, False), ("shutting-down", 5, False)], False, UNKNOWN_YET),
        ([("terminated", 0, False)], True, "terminated"),
    ],
)
def test_what_each_row_of_answers_is_worth(rows: list[tuple[str, int, bool]], *, is_one_of_many: bool, weighed: str) -> None:
    assert weigh(told(rows), is_one_of_many=is_one_of_many) == weighed


@pytest.mark.parametrize(
    ("asked", "known", "elsewhere"),
    [("1", "2", True), ("1", "1", False), (None, "1", False), ("1", None, False), (None, None, False)],
)
def test_an_account_that_nobody_named_is_no_other_one(asked: str | None, known: str | None, *, elsewhere: bool) -> None:
    assert is_elsewhere(asked, known) is elsewhere


def test_a_role_is_of_the_account_that_its_arn_names() -> None:
    assert account_of_role("arn:aws:iam::123456789012:role/spot-optimizer") == "123456789012"
    assert (account_of_role(None), account_of_role("role")) == (None, None)


def test_a_person_reads_why_the_word_does_not_count() -> None:
    assert "is asked again" in in_words(UNKNOWN_YET, "the old instance")
    assert "in another account" in in_words(UNKNOWN_ELSEWHERE, "the old instance")
    assert in_words("running", "the old instance") == "EC2 says that the old instance is running"
