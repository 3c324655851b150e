"""The risk model as a value, and the file beside this one that holds it, which `scripts/fit_risk.py fit` writes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

FILE_NAME = "coefficients.json"

BAND_COUNT = 5
"""Spot Advisor's bands of interruption, 0 (under 5 % a month) to 4 (over 20 %)."""


class ModelInvalid(Exception):
    """The file with the coefficients cannot be used: it was changed by hand, or is of another release."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What the logarithm of a stretch's cumulative hazard is made of; each weight but those of age is 0 or more."""

    intercept: float
    age: tuple[float, ...]
    """For each pair of neighbouring knots of age: what the way from the one to the other adds."""
    own: float
    type_siblings: float
    zone_siblings: float


@dataclass(frozen=True, slots=True)
class RiskModel:
    """Everything that scoring needs. Hours, hazards per hour; a multiple of 1 is the level of the pools that the model was trained on."""

    version: str
    age_edges_hours: tuple[float, ...]
    """Where the pieces of the base hazard begin; the last one goes on for ever."""
    base_losses_per_hour: tuple[float, ...]
    level_half_life_hours: float
    own_half_life_hours: float
    sibling_half_life_hours: float
    prior_losses: float
    """How many losses the prior is worth: few, so that our own losses soon count for more."""
    ratio_losses: float
    """How many losses, as expected, are added to both sides of what a few hours are compared by."""
    band_multiples: tuple[float, ...]
    unknown_multiple: float
    """For a type that Spot Advisor says nothing of."""
    age_knots_log2: tuple[float, ...]
    """Of log2(age in hours + 1/4)."""
    hour: Curve
    """The next hour."""
    rest: Curve
    """The 23 hours after it, if the instance is there then."""
    prior_log_sd: float
    """Of the logarithm of the hazard where there is nothing but the prior."""
    drift_log_sd: float
    """Of the same, however much is known: tomorrow is not like the weeks before it."""


def load_model() -> RiskModel:
    """Read the shipped file. ModelInvalid when its hash is not that of its content."""
    return parse_model(resources.files(__package__).joinpath(FILE_NAME).read_text(encoding="utf-8"))


def parse_model(text: str) -> RiskModel:
    """Read a model from the text of its file. ModelInvalid when the text is none, or its hash is not that of its content."""
    try:
        document = json.loads(text)
        if document["sha256"] != content_sha256(document):
            raise ModelInvalid("the coefficients do not fit their hash; `scripts/fit_risk.py fit` writes both")
        return _model_of(document["parameters"], version=document["sha256"][:12])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelInvalid(f"the coefficients cannot be read: {error!r}") from error


def content_sha256(document: Mapping[str, Any]) -> str:
    """Return the hash of all members but `sha256`, whatever their order and white space."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _model_of(parameters: Mapping[str, Any], version: str) -> RiskModel:
    values = _with_tuples(parameters)
    curves: dict[str, Any] = {name: Curve(**_with_tuples(values.pop(name))) for name in ("hour", "rest")}
    return RiskModel(version=version, **curves, **values)


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
