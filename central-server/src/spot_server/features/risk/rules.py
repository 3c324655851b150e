"""The chance that an instance in a pool is lost soon, decided from values alone. See docs/risk.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from spot_server.decision_models.inputs import Z_80_PERCENT
from spot_server.features.risk.evidence_rules import Evidence
from spot_server.features.risk.model import Curve, RiskModel

SHOWN_AGES_HOURS = (0.0, 1.0, 4.0, 16.0, 64.0)
"""The ages for which a row says the chances; an instance of another age lies between."""

LEAST_SHOWN_DAY_HAZARD, SCORE_DECADES = 1e-4, 5.0
"""The score is a logarithm: 0 is a cumulative hazard of 0.0001 a day (one loss in 27 years), 100 is 10; 20 points are ten times as much."""

_LARGEST_LOG_HAZARD = 5.0
"""Beyond this a chance is 1 to the last digit."""

_AGE_OFFSET_HOURS = 0.25
"""So that the logarithm of an age of 0 is a number: the finest of the traces have no steps much below it that tell anything."""


class Estimate(NamedTuple):
    """A chance, 0 to 1, and the interval around it that holds it in eight of ten cases."""

    chance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LossChances:
    """The chance that an instance is lost within the next hour, and within the next 24 hours."""

    hour: Estimate
    day: Estimate


def loss_chances(model: RiskModel, evidence: Evidence, age_hours: float) -> LossChances:
    """Return the chances for an instance that has run for `age_hours` (0: one that is launched now)."""
    ages = age_steps(model.age_knots_log2, age_hours)
    hour = _cumulative_hazard(model.hour, ages, evidence)
    day = hour + _cumulative_hazard(model.rest, ages, evidence)
    factor = math.exp(Z_80_PERCENT * log_sd(model, evidence))
    return LossChances(_estimate(hour, factor), _estimate(day, factor))


def log_sd(model: RiskModel, evidence: Evidence) -> float:
    """Return the standard deviation of the logarithm of the hazard: the prior's, made smaller by losses that were seen, and drift."""
    return math.sqrt(1.0 / (model.prior_log_sd**-2 + evidence.decayed_losses) + model.drift_log_sd**2)


def age_steps(knots_log2: Sequence[float], age_hours: float) -> list[float]:
    """Return for each pair of neighbouring knots how much of the way between them an age has come, 0 to 1."""
    place = math.log2(age_hours + _AGE_OFFSET_HOURS)
    return [min(1.0, max(0.0, (place - begin) / (end - begin))) for begin, end in pairwise(knots_log2)]


def _cumulative_hazard(curve: Curve, ages: Sequence[float], evidence: Evidence) -> float:
    log_hazard = curve.intercept + sum(weight * step for weight, step in zip(curve.age, ages, strict=True)) + evidence.log_level
    log_hazard += curve.own * evidence.own_log_ratio
    log_hazard += curve.type_siblings * evidence.type_log_ratio + curve.zone_siblings * evidence.zone_log_ratio
    return math.exp(min(log_hazard, _LARGEST_LOG_HAZARD))


def _estimate(hazard: float, factor: float) -> Estimate:
    return Estimate(_chance(hazard), _chance(hazard / factor), _chance(hazard * factor))


def _chance(hazard: float) -> float:
    return -math.expm1(-hazard)


def risk_score(chance_day: float) -> int:
    """Return 0 (hardly ever lost) to 100 (lost within hours), from the chance of loss in the next day; see LEAST_SHOWN_DAY_HAZARD."""
    if chance_day >= 1.0:
        return 100
    hazard = -math.log1p(-chance_day)
    if hazard <= LEAST_SHOWN_DAY_HAZARD:
        return 0
    return min(100, round(100.0 * math.log10(hazard / LEAST_SHOWN_DAY_HAZARD) / SCORE_DECADES))


def chance_at_age(ages_hours: Sequence[float], chances: Sequence[float], age_hours: float) -> float:
    """Return the chance at an age from those at some ages, in order: between two of them by the logarithm of the age."""
    if age_hours <= ages_hours[0]:
        return chances[0]
    for (younger, near), (older, far) in pairwise(zip(ages_hours, chances, strict=True)):
        if age_hours <= older:
            begin, place, end = (math.log2(age + _AGE_OFFSET_HOURS) for age in (younger, age_hours, older))
            return near + (far - near) * (place - begin) / (end - begin)
    return chances[-1]
