"""Fitting one curve of the risk model: the logarithm of a cumulative hazard as a sum, by maximum likelihood with a small penalty."""

from __future__ import annotations

import numpy as np

from risk_fitting.samples import Floats

PENALTY = 5.0
"""On the squares of all weights, in hours of samples: a knot of age that little data reaches stays near its neighbours."""

LARGEST_STEP = 2.0
ITERATIONS = 100
PRECISION = 1e-7

_LOG_HAZARDS = (-20.0, 4.0)
"""Beyond these a chance is 0 or 1 to the last digit, and its derivatives are noise."""


def fit_log_hazard(features: Floats, lost: Floats, weights: Floats, offset: Floats, bounded_from: int) -> Floats:
    """Return the intercept and the weights of `features` (samples, columns), given an `offset` with the weight 1.

    Weights of the columns from `bounded_from` on lie between 0 and 1, so that a loss never lowers a chance.
    """
    columns = np.column_stack([np.ones(len(features)), features])
    count = columns.shape[1]
    penalty = np.eye(count) * PENALTY
    penalty[0, 0] = 1e-6
    found = np.zeros(count)
    found[0] = np.log(-np.log1p(-np.average(lost, weights=weights))) - np.average(offset, weights=weights)
    is_free = np.ones(count, bool)
    for _ in range(ITERATIONS):
        gradient, information = _derivatives(columns, lost, weights, offset, found)
        gradient, information = gradient - penalty @ found, information + penalty
        step = np.zeros(count)
        step[is_free] = np.linalg.solve(information[np.ix_(is_free, is_free)], gradient[is_free])
        step *= min(1.0, LARGEST_STEP / max(1e-9, float(np.abs(step).max())))
        following = found + step
        for column in range(bounded_from + 1, count):
            if not 0.0 <= following[column] <= 1.0:
                following[column], is_free[column] = min(1.0, max(0.0, following[column])), False
        is_done = bool(np.abs(following - found).max() < PRECISION)
        found = following
        if is_done:
            return found
    raise RuntimeError(f"no maximum was found in {ITERATIONS} steps")


def _derivatives(columns: Floats, lost: Floats, weights: Floats, offset: Floats, found: Floats) -> tuple[Floats, Floats]:
    """Return the gradient of the log likelihood, and what it is expected to know (Fisher's information)."""
    hazard = np.exp(np.clip(columns @ found + offset, *_LOG_HAZARDS))
    chance = np.clip(-np.expm1(-hazard), 1e-12, 1 - 1e-12)
    slope = hazard * (lost / chance - 1.0)
    curvature = hazard * hazard * (1.0 - chance) / chance
    return columns.T @ (weights * slope), (columns.T * (weights * curvature)) @ columns


def chances_of(found: Floats, features: Floats, offset: Floats) -> Floats:
    """Return the chances that fitted weights give."""
    result: Floats = -np.expm1(-hazards_of(found, features, offset))
    return result


def hazards_of(found: Floats, features: Floats, offset: Floats) -> Floats:
    """Return the cumulative hazards that fitted weights give."""
    result: Floats = np.exp(np.clip(found[0] + features @ found[1:] + offset, *_LOG_HAZARDS))
    return result
