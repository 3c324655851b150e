"""Judging models: on folds of the training part, against simple tables, and how wide an interval must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from risk_fitting.measures import auc, brier, mean_by_group
from risk_fitting.models import FOLDS, HOUR, Choice, Source, Told, fit_model, tell
from risk_fitting.samples import Floats, Samples, Whole, World, samples
from spot_server.decision_models.inputs import Z_80_PERCENT

LONG_SETS = ("avail_aws_usw2_2022q4", "avail_aws_9zones_v100_2023q1")
"""What the bar is set on: the others last less than two weeks."""

STRETCH_HOURS, LEAST_HOURS = 168.0, 12.0
"""An interval is judged by the share of losses in a week of a pool: a single hour is lost or is not, and of a few it is chance."""

COVERAGE = 0.8

TABLE_AGES_HOURS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
TABLE_LOSSES = (0.5, 1.5, 3.5, 6.5, 10.5)
"""The rows and columns of the bar: age, and losses of the pool in the 24 hours before."""

TABLE_SMOOTHING = 20.0


@dataclass(frozen=True, slots=True)
class Mark:
    """How good chances were on some samples."""

    auc: float
    brier: float


def mark(told_lost: Floats, chances: Floats) -> Mark:
    """Judge chances by what happened."""
    return Mark(auc(told_lost, chances), brier(told_lost, chances))


def mean_mark(marks: Sequence[Mark]) -> Mark:
    """Return the mean of marks."""
    return Mark(float(np.mean([one.auc for one in marks])), float(np.mean([one.brier for one in marks])))


def tell_folds(source: Source, choice: Choice) -> list[Told]:
    """Fit before each fold and tell the fold, world by world: nothing is told by what it was fitted on."""
    found = []
    for begin, end in FOLDS:
        model = fit_model(source, choice, begin)
        found += [tell(source, world, model, choice, (world.fold_cut(begin), world.fold_cut(end))) for world in source.worlds]
    return found


def marks_of_long_sets(told: Sequence[Told]) -> dict[str, Mark]:
    """Return the mean mark of each long set's folds."""
    return {name: mean_mark([mark(one.lost, one.chances) for one in told if one.world.trace.name == name]) for name in LONG_SETS}


def table_chances(world: World, fitted: Samples, asked: Samples) -> Floats:
    """Return what a table of age and losses in the last 24 hours says, the bar."""
    day = round(24.0 / world.gap_hours)
    sums = np.cumsum(world.is_loss, axis=1).astype(float)
    recent = sums.copy()
    recent[:, day:] -= sums[:, :-day]

    def cell(one: Samples) -> Whole:
        return np.digitize(one.age_hours, TABLE_AGES_HOURS) * 10 + np.digitize(one.of(recent), TABLE_LOSSES)

    return _cell_means(cell(fitted), fitted.is_lost.astype(float), cell(asked))


def pool_chances(fitted: Samples, asked: Samples) -> Floats:
    """Return each pool's mean, which knows nothing of age and time."""
    return _cell_means(fitted.pool, fitted.is_lost.astype(float), asked.pool)


def _cell_means(cells: Whole, lost: Floats, asked: Whole) -> Floats:
    size = int(max(cells.max(), asked.max())) + 1
    mean = lost.mean()
    sums, counts = np.bincount(cells, weights=lost, minlength=size), np.bincount(cells, minlength=size)
    result: Floats = ((sums + TABLE_SMOOTHING * mean) / (counts + TABLE_SMOOTHING))[asked]
    return result


def hour_samples(world: World, begin: Whole, end: Whole) -> Samples:
    """Return the samples of the next hour."""
    return samples(world, begin, end, after_hours=HOUR[0], until_hours=HOUR[1])


def coverage(told: Sequence[Told], prior_log_sd: float, drift_log_sd: float) -> float:
    """Return in which share of the weeks of pools the share of losses lay within the mean interval."""
    inside: list[Floats] = []
    for one in told:
        if len(one.lost) > 0:
            factor = np.exp(Z_80_PERCENT * np.sqrt(1.0 / (prior_log_sd**-2 + one.losses) + drift_log_sd**2))
            bounds = (-np.expm1(-one.hazards / factor), -np.expm1(-one.hazards * factor))
            inside.append(stretches_inside(one.world, one.found, *bounds))
    return float(np.concatenate(inside).mean())


def stretches_inside(world: World, found: Samples, low: Floats, high: Floats) -> Floats:
    """Return for each week of a pool 1 if the share of samples that were lost lay between the mean bounds, else 0.

    Weeks with less than LEAST_HOURS of samples are left out: their share is chance.
    """
    weeks = (found.tick * world.gap_hours / STRETCH_HOURS).astype(int)
    stretch = found.pool * (weeks.max(initial=0) + 1) + weeks
    counts = np.bincount(stretch)
    is_long = counts[counts > 0] * world.gap_hours >= LEAST_HOURS
    happened = mean_by_group(stretch, found.is_lost.astype(float))
    inside = (mean_by_group(stretch, low) <= happened) & (happened <= mean_by_group(stretch, high))
    return inside[is_long].astype(float)


def drift_for_coverage(told: Sequence[Told], prior_log_sd: float) -> float:
    """Return the smallest drift, in steps of 0.05, whose intervals hold eight of ten weeks."""
    for step in range(60):
        drift = round(step * 0.05, 2)
        if coverage(told, prior_log_sd, drift) >= COVERAGE:
            return drift
    raise RuntimeError("no interval holds eight of ten weeks")
