"""Who is looked into in a run of the watch."""

from __future__ import annotations

from spot_server.features.silences.visits import Visits


def test_the_new_are_looked_into_at_once_and_then_when_their_time_has_come() -> None:
    visits = Visits()
    first = visits.due(["a", "b"], [], 100)
    visits.note("a", 110)
    visits.note("b", 120)

    later = [visits.due(["a", "b"], [], now_seconds) for now_seconds in (109, 110, 120)]

    assert first == ["a", "b"]
    assert later == [[], ["a"], ["a", "b"]]


def test_an_answer_is_looked_into_at_once() -> None:
    visits = Visits()
    visits.due(["a", "b"], [], 100)
    visits.note("a", 400)
    visits.note("b", 400)

    asked = [visits.due(["a", "b"], asked, 101) for asked in (["a"], ["a"], [], [])]

    assert asked == [[], [], ["a"], []]


def test_an_answer_that_comes_before_the_next_run_is_looked_into_in_it() -> None:
    visits = Visits()
    visits.due(["a"], [], 100)
    visits.note("a", 400, is_asked=True)

    assert [visits.due(["a"], [], now_seconds) for now_seconds in (102, 104)] == [["a"], []]


def test_one_that_fails_is_tried_again_in_the_next_run() -> None:
    visits = Visits()

    assert [visits.due(["a"], [], now_seconds) for now_seconds in (100, 101)] == [["a"], ["a"]]


def test_a_second_silence_begins_anew() -> None:
    visits = Visits()
    visits.due(["a"], [], 100)
    visits.note("a", 400)
    visits.due([], [], 150)

    assert visits.due(["a"], [], 200) == ["a"]
