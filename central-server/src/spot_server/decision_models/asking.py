"""Asking a model: what it raises, what it answers too late and what is no answer all count as STAY."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spot_server.clock import Clock
from spot_server.decision_models.answers import Decision, DecisionModel, OffSchema, check_decision
from spot_server.decision_models.inputs import DecisionInput
from spot_server.words import Action, AnswerKind

BOUND_SECONDS = 0.5
"""How long a model may take for one decision."""

LONGEST_FAILURE = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's answer, or STAY in its place; `failure` says what was wrong with it, None for an answer."""

    kind: AnswerKind
    decision: Decision
    latency_ms: float
    failure: str | None = None


def ask(model: DecisionModel, given: DecisionInput, clock: Clock, *, bound_seconds: float = BOUND_SECONDS) -> Asked:
    """Ask for one decision in this thread. A model that does not return holds the caller up: `watching` is for those of others."""
    began_seconds = clock.monotonic_seconds()
    failure, kind, said = None, AnswerKind.ANSWERED, None
    try:
        said = check_decision(given, model.decide(given))
    except OffSchema as wrong:
        kind, failure = AnswerKind.OFF_SCHEMA, str(wrong)
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises counts as STAY
        kind, failure = AnswerKind.FAILED, told_by(error)
    latency_seconds = clock.monotonic_seconds() - began_seconds
    if said is None:
        return stay(given, kind, failure or "", latency_seconds)
    if latency_seconds > bound_seconds:
        return stay(given, AnswerKind.SLOW, f"it took {latency_seconds:.3f} s, and may take {bound_seconds:g} s", latency_seconds)
    return Asked(kind, said, round(latency_seconds * 1000, 3))


def told_by(error: BaseException) -> str:
    """Return what an error of a plug-in says, whatever it is."""
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except Exception:  # noqa: BLE001 - an error of a plug-in may fail even at being told
        return name


def stay(given: DecisionInput, kind: AnswerKind, failure: str, latency_seconds: float) -> Asked:
    """Return STAY in place of an answer, with what was wrong with it."""
    # What cannot be stored is written out: \ud800.
    failure = failure.encode(errors="backslashreplace").decode()[:LONGEST_FAILURE]
    stay = Decision(Action.STAY, 0.0, f"the model gave no answer that counts ({kind}: {failure}), so the workload stays")
    return Asked(kind, check_decision(given, stay), round(latency_seconds * 1000, 3), failure)


def ask_all(model: DecisionModel, inputs: Sequence[DecisionInput], clock: Clock, *, bound_seconds: float) -> list[Asked]:
    """Ask for each decision in turn, in this thread."""
    return [ask(model, given, clock, bound_seconds=bound_seconds) for given in inputs]
