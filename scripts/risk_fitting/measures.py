"""How good chances are: whether they order (AUC), how far they are off (Brier), and whether they are what happens (reliability)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from risk_fitting.samples import Floats, Whole


def auc(lost: Floats, chances: Floats) -> float:
    """Return the share of pairs (lost, not lost) that the chances put in order, ties counting half; not a number without both kinds."""
    _, place, counts = np.unique(chances, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = float(lost.sum())
    negative = len(lost) - positive
    if positive == 0 or negative == 0:
        return float("nan")
    return float((ranks[lost > 0].sum() - positive * (positive + 1) / 2) / (positive * negative))


def brier(lost: Floats, chances: Floats) -> float:
    """Return the mean square of what the chances are off."""
    return float(np.mean((lost - chances) ** 2))


def rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's coefficient, ties with their mean rank."""
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    result: Floats = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return result


@dataclass(frozen=True, slots=True)
class Bin:
    """One tenth of the scale of chances: what was said in the mean, what happened, and how often it was said."""

    said: float
    happened: float
    count: int


def reliability(lost: Floats, chances: Floats, bins: int = 10) -> list[Bin]:
    """Return the bins that are not empty, from the lowest chances to the highest."""
    place = np.minimum((chances * bins).astype(int), bins - 1)
    found = []
    for index in range(bins):
        mine = place == index
        if mine.any():
            found.append(Bin(float(chances[mine].mean()), float(lost[mine].mean()), int(mine.sum())))
    return found


def calibration_error(bins: list[Bin]) -> float:
    """Return the mean distance between what was said and what happened, bins counting by their samples (ECE)."""
    total = sum(one.count for one in bins)
    return sum(abs(one.said - one.happened) * one.count for one in bins) / total


def mean_by_group(groups: Whole, values: Floats) -> Floats:
    """Return the mean of each group that there is, in the order of their numbers."""
    counts = np.bincount(groups)
    result: Floats = (np.bincount(groups, weights=values) / np.maximum(counts, 1))[counts > 0]
    return result
