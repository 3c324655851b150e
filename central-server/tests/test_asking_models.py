"""What comes of asking a model that fails, is slow, hangs or answers nonsense: STAY, with what was wrong."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from server_support.clock import FakeClock
from server_support.decision_inputs import an_input, on_demand, spot
from spot_server.clock import SystemClock
from spot_server.decision_models import Action, Candidate, Decision, DecisionInput
from spot_server.decision_models.asking import ask
from spot_server.decision_models.watching import MOST_ABANDONED, MOST_LEFT_BEHIND, Watch
from spot_server.words import AnswerKind

GIVEN = an_input(on_demand("0.096"), spot("0.035"), Candidate(spot("0.030", "use1-az2"), "it is cooling down"))
GOOD = Decision(Action.SWITCH, 0.8, "it is cheaper", "spot/m5.large/use1-az1")


class Saying:
    """A model that says the same of everything."""

    def __init__(self, said: Any) -> None:
        self.said = said

    def decide(self, given: DecisionInput) -> Decision:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said  # type: ignore[no-any-return]  # nonsense is the point


class Untellable(Exception):
    """An error that has no words."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Dawdling:
    """A model that takes its time, on the clock of the test."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def decide(self, given: DecisionInput) -> Decision:
        self.clock.advance(self.seconds)
        return GOOD


class Hanging:
    """A model that does not return from some of its calls before the end of the test."""

    def __init__(self, *calls: int) -> None:
        self.calls, self.count, self.end = calls, 0, threading.Event()

    def decide(self, given: DecisionInput) -> Decision:
        self.count += 1
        if self.count in self.calls:
            self.end.wait()
        return GOOD


def test_a_good_answer_is_kept_with_every_other_place_and_why(clock: FakeClock) -> None:
    asked = ask(Saying(GOOD), GIVEN, clock)

    assert (asked.kind, asked.decision.action, asked.failure) == (AnswerKind.ANSWERED, Action.SWITCH, None)
    assert asked.decision.rejected == {"spot/m5.large/use1-az2": "it is cooling down"}


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (RuntimeError("no more ideas"), AnswerKind.FAILED, "RuntimeError: no more ideas"),
        (RuntimeError("half \ud800"), AnswerKind.FAILED, r"RuntimeError: half \ud800"),
        (Untellable(), AnswerKind.FAILED, "Untellable"),
        (None, AnswerKind.OFF_SCHEMA, "expected a Decision, not NoneType"),
        (Decision("SWITCH", 0.5, "why", "spot/m5.large/use1-az1"), AnswerKind.OFF_SCHEMA, "action: expected one of"),  # type: ignore[arg-type]
        (Decision(Action.STAY, 1.5, "why"), AnswerKind.OFF_SCHEMA, "confidence: expected a number from 0 to 1"),
        (Decision(Action.STAY, float("nan"), "why"), AnswerKind.OFF_SCHEMA, "confidence: expected"),
        (Decision(Action.STAY, True, "why"), AnswerKind.OFF_SCHEMA, "confidence: expected"),
        (Decision(Action.STAY, 0.5, ""), AnswerKind.OFF_SCHEMA, "reasoning: expected text"),
        (Decision(Action.STAY, 0.5, "half \ud800"), AnswerKind.OFF_SCHEMA, "reasoning: expected text"),
        (Decision(Action.STAY, 0.5, "why", "spot/m5.large/use1-az1"), AnswerKind.OFF_SCHEMA, "target: STAY has none"),
        (Decision(Action.SWITCH, 0.5, "why"), AnswerKind.OFF_SCHEMA, "target: expected the key of a candidate"),
        (Decision(Action.SWITCH, 0.5, "why", "spot/p3.2xlarge/mars"), AnswerKind.OFF_SCHEMA, "target: expected the key"),
        (Decision(Action.SWITCH, 0.5, "why", "spot/m5.large/use1-az2"), AnswerKind.OFF_SCHEMA, "cannot be used: it is cooling down"),
        (Decision(Action.STAY, 0.5, "why", None, {"spot/x/y": "no"}), AnswerKind.OFF_SCHEMA, "'spot/x/y' is no candidate"),
        (Decision(Action.STAY, 0.5, "why", None, {"spot/m5.large/use1-az1": "\udfff"}), AnswerKind.OFF_SCHEMA, "rejected: expected texts"),
        (Decision(Action.STAY, 0.5, "why", None, ["no"]), AnswerKind.OFF_SCHEMA, "rejected: expected texts"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_answer_counts_as_stay(clock: FakeClock, said: Any, kind: AnswerKind, why: str) -> None:
    asked = ask(Saying(said), GIVEN, clock)

    assert (asked.kind, asked.decision.action, asked.decision.confidence) == (kind, Action.STAY, 0.0)
    assert why in (asked.failure or "")
    assert len(asked.decision.rejected) == 2


@pytest.mark.parametrize(("seconds", "kind"), [(0.5, AnswerKind.ANSWERED), (0.501, AnswerKind.SLOW)])
def test_an_answer_that_takes_longer_than_half_a_second_counts_as_stay(clock: FakeClock, seconds: float, kind: AnswerKind) -> None:
    asked = ask(Dawdling(clock, seconds), GIVEN, clock)

    assert asked.kind is kind
    assert asked.latency_ms == pytest.approx(seconds * 1000)


def test_a_call_that_does_not_return_costs_its_bound_and_the_next_ones_are_answered() -> None:
    model = Hanging(2)

    answers = Watch().ask_all(model, [GIVEN] * 4, SystemClock(), bound_seconds=0.05)
    model.end.set()

    assert [one.kind for one in answers] == [AnswerKind.ANSWERED, AnswerKind.SLOW, AnswerKind.ANSWERED, AnswerKind.ANSWERED]
    assert answers[1].decision.action is Action.STAY


def test_a_model_that_hangs_again_and_again_is_not_asked_for_ever() -> None:
    model = Hanging(*range(1, 100))

    answers = Watch().ask_all(model, [GIVEN] * 10, SystemClock(), bound_seconds=0.05)
    model.end.set()

    assert [one.kind for one in answers] == [AnswerKind.SLOW] * 10
    assert model.count == MOST_ABANDONED


def test_a_model_that_hangs_now_and_then_is_left_alone_when_many_of_its_calls_have_not_returned() -> None:
    model = Hanging(*range(1, 1000, 2))
    watch = Watch()

    rounds = [watch.ask_all(model, [GIVEN] * 2, SystemClock(), bound_seconds=0.02) for _ in range(MOST_LEFT_BEHIND + 1)]
    count = model.count
    model.end.set()

    assert [[one.kind for one in answers] for answers in rounds[:-1]] == [[AnswerKind.SLOW, AnswerKind.ANSWERED]] * MOST_LEFT_BEHIND
    assert [one.kind for one in rounds[-1]] == [AnswerKind.SLOW] * 2
    assert count == 2 * MOST_LEFT_BEHIND
