"""What a decision model answers, and the check that every answer passes before anybody reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

from spot_server.decision_models.inputs import DecisionInput
from spot_server.words import Action

LONGEST_REASONING = 2000
LONGEST_REASON = 500


TARGETED = frozenset({Action.SWITCH, Action.CREATE_REPLICA})


@dataclass(frozen=True, slots=True)
class Decision:
    """A model's answer. `target` is a candidate's key, with SWITCH and CREATE_REPLICA alone; `confidence` is 0..1."""

    action: Action
    confidence: float
    reasoning: str
    """For a person."""
    target: str | None = None
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Why not, by the keys of the candidates that were not chosen; those that the model leaves out are filled in."""


class DecisionModel(Protocol):
    """A model: the same input gives the same decision, always, without looking at anything else."""

    def decide(self, given: DecisionInput) -> Decision:
        """Return what to do. What it raises counts as STAY, is recorded, and somebody is told."""


class OffSchema(Exception):
    """A model's answer is not one; says what is wrong with it."""


def check_decision(given: DecisionInput, said: object) -> Decision:
    """Return the answer with every candidate that was not chosen and why; OffSchema when it is no answer to `given`."""
    if not isinstance(said, Decision):
        raise OffSchema(f"expected a Decision, not {type(said).__name__}")
    # A plug-in may have put anything into the members, whatever their types say.
    action: object = said.action
    confidence: object = said.confidence
    reasoning: object = said.reasoning
    if not isinstance(action, Action):
        raise OffSchema(f"action: expected one of {', '.join(Action)}, not {action!r}")
    is_number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
    if not is_number or not math.isfinite(said.confidence) or not 0 <= said.confidence <= 1:
        raise OffSchema(f"confidence: expected a number from 0 to 1, not {confidence!r}")
    if not is_text(reasoning) or not 1 <= len(reasoning) <= LONGEST_REASONING:
        raise OffSchema(f"reasoning: expected text of 1 to {LONGEST_REASONING} characters")
    return Decision(action, float(said.confidence), reasoning, _target(given, action, said.target), _rejected(given, said))


def _target(given: DecisionInput, action: Action, target: object) -> str | None:
    if action not in TARGETED:
        if target is not None:
            raise OffSchema(f"target: {action} has none, not {target!r}")
        return None
    refusals = {candidate.market.key: candidate.refusal for candidate in given.candidates}
    if not isinstance(target, str) or target not in refusals:
        raise OffSchema(f"target: expected the key of a candidate, not {target!r}")
    if refusals[target] is not None:
        raise OffSchema(f"target: {target} cannot be used: {refusals[target]}")
    return target


def is_text(said: object) -> TypeGuard[str]:
    """Tell whether this is text that can be stored: half of a surrogate pair has no bytes, and no database takes it."""
    if not isinstance(said, str):
        return False
    try:
        said.encode()
    except UnicodeEncodeError:
        return False
    return True


def _are_texts(told: Mapping[Any, Any]) -> bool:
    # All at once: some seventy of each of ten thousand answers a round are looked at.
    try:
        "".join((*told.keys(), *told.values())).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _rejected(given: DecisionInput, said: Decision) -> dict[str, str]:
    told: object = said.rejected
    if not isinstance(told, Mapping) or not _are_texts(told):
        raise OffSchema("rejected: expected texts by the keys of candidates")
    reasons: Mapping[str, str] = said.rejected
    found = {
        candidate.market.key: candidate.refusal or reasons.get(candidate.market.key, "not chosen by the model")[:LONGEST_REASON]
        for candidate in given.candidates
    }
    if not found.keys() >= reasons.keys():
        raise OffSchema(f"rejected: {min(reasons.keys() - found.keys())!r} is no candidate")
    if said.target is not None:
        found.pop(said.target, None)
    return found
