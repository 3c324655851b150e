"""Asking a model: what it raises, what it answers too late and what is no answer all count as STAY."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from spot_server.clock import Clock
from spot_server.decision_models.answers import Decision, DecisionModel, OffSchema, check_decision
from spot_server.decision_models.inputs import DecisionInput
from spot_server.words import Action, AnswerKind

BOUND_SECONDS = 0.5
"""How long a model may take for one decision."""

MOST_ABANDONED = 3
"""Calls of one round that may never return: each leaves a thread behind. After as many the model is not asked again in the round."""

LONGEST_FAILURE = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's answer, or STAY in its place; `failure` says what was wrong with it, None for an answer."""

    kind: AnswerKind
    decision: Decision
    latency_ms: float
    failure: str | None = None


def ask(model: DecisionModel, given: DecisionInput, clock: Clock, *, bound_seconds: float = BOUND_SECONDS) -> Asked:
    """Ask for one decision in this thread. A model that does not return holds the caller up: `ask_watched` is for those of others."""
    began_seconds = clock.monotonic_seconds()
    failure, kind, said = None, AnswerKind.ANSWERED, None
    try:
        said = check_decision(given, model.decide(given))
    except OffSchema as wrong:
        kind, failure = AnswerKind.OFF_SCHEMA, str(wrong)
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises counts as STAY
        kind, failure = AnswerKind.FAILED, _told_by(error)
    latency_seconds = clock.monotonic_seconds() - began_seconds
    if said is None:
        return _stay(given, kind, failure or "", latency_seconds)
    if latency_seconds > bound_seconds:
        return _stay(given, AnswerKind.SLOW, f"it took {latency_seconds:.3f} s, and may take {bound_seconds:g} s", latency_seconds)
    return Asked(kind, said, round(latency_seconds * 1000, 3))


def _told_by(error: Exception) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001 - an error of a plug-in may fail even at being told
        return name


def _stay(given: DecisionInput, kind: AnswerKind, failure: str, latency_seconds: float) -> Asked:
    # What cannot be stored is written out: \ud800.
    failure = failure.encode(errors="backslashreplace").decode()[:LONGEST_FAILURE]
    stay = Decision(Action.STAY, 0.0, f"the model gave no answer that counts ({kind}: {failure}), so the workload stays")
    return Asked(kind, check_decision(given, stay), round(latency_seconds * 1000, 3), failure)


def ask_all(model: DecisionModel, inputs: Sequence[DecisionInput], clock: Clock, *, is_watched: bool, bound_seconds: float) -> list[Asked]:
    """Ask for each decision in turn; watched, in another thread, so that a call that does not return costs no more than its bound."""
    if not is_watched:
        return [ask(model, given, clock, bound_seconds=bound_seconds) for given in inputs]
    answers: list[Asked] = []
    for _ in range(MOST_ABANDONED):
        answers += _Round(model, inputs[len(answers) :], clock, bound_seconds).run()
        if len(answers) == len(inputs):
            return answers
    rest = inputs[len(answers) :]
    return answers + [_stay(given, AnswerKind.SLOW, f"{MOST_ABANDONED} calls before it did not return", 0.0) for given in rest]


class _Round:
    """Calls of a model one after the other in a thread of their own, until one of them does not return."""

    def __init__(self, model: DecisionModel, inputs: Sequence[DecisionInput], clock: Clock, bound_seconds: float) -> None:
        self._model, self._inputs, self._clock, self._bound_seconds = model, inputs, clock, bound_seconds
        self._answers: list[Asked] = []
        self._began_seconds = clock.monotonic_seconds()
        self._ended = threading.Event()
        self._is_abandoned = False

    def run(self) -> list[Asked]:
        """Return the answers up to the first call that did not return, for which there is one too."""
        threading.Thread(target=self._ask, name="decision-model", daemon=True).start()
        while not self._ended.wait(self._bound_seconds / 4):
            count, began_seconds = len(self._answers), self._began_seconds
            if self._clock.monotonic_seconds() - began_seconds > self._bound_seconds and count == len(self._answers):
                self._is_abandoned = True
                said = f"it did not return within {self._bound_seconds:g} s"
                return [*self._answers[:count], _stay(self._inputs[count], AnswerKind.SLOW, said, self._bound_seconds)]
        return self._answers

    def _ask(self) -> None:
        for given in self._inputs:
            self._began_seconds = self._clock.monotonic_seconds()
            answer = ask(self._model, given, self._clock, bound_seconds=self._bound_seconds)
            if self._is_abandoned:
                return
            self._answers.append(answer)
        self._ended.set()
