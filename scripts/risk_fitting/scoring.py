"""Scoring the shipped model on the last third of each series, through the function that the server calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from risk_fitting.judging import Mark, hour_samples, mark, pool_chances, stretches_inside, table_chances
from risk_fitting.measures import calibration_error, reliability
from risk_fitting.models import DAY, Source
from risk_fitting.plot import reliability_svg
from risk_fitting.prior import LATER, NEWEST_FOR_TRAINING, worth_of_price
from risk_fitting.samples import Floats, Samples, Whole, World, evidences, samples
from spot_server.features.risk.evidence_rules import Evidence
from spot_server.features.risk.model import RiskModel
from spot_server.features.risk.rules import LossChances, loss_chances

LEAST_OF_A_POOL = 30
"""Samples below which a pool's figures would be noise."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A world's samples of the next hour and of the next day, each with what the product says of them."""

    world: World
    hour: Samples
    hour_said: Sequence[LossChances]
    day: Samples
    day_said: Sequence[LossChances]
    table: Floats
    """What the table of the bar says of the same hours, made of the training part of this set."""
    means: Floats

    @property
    def chances(self) -> Floats:
        """The chances of the next hour."""
        return np.array([one.hour.chance for one in self.hour_said])


def score_worlds(source: Source, model: RiskModel, begin_share: float = 1.0) -> list[Scored]:
    """Score what comes after `begin_share` of each training part, to the end of what was read."""
    return [_score(source, world, model, begin_share) for world in source.worlds]


def _score(source: Source, world: World, model: RiskModel, begin_share: float) -> Scored:
    told = evidences(world, model, source.multiples_of(world, model))
    begin, end = world.fold_cut(begin_share), _ends(world)

    def say(found: Samples) -> list[LossChances]:
        columns = [found.of(values) for values in (told.log_level, told.losses, told.own, told.type_siblings, told.zone_siblings)]
        rows = np.column_stack(columns).tolist()
        return [loss_chances(model, Evidence(*row), age) for row, age in zip(rows, found.age_hours.tolist(), strict=True)]

    hour, day = hour_samples(world, begin, end), samples(world, begin, end, after_hours=0.0, until_hours=DAY[1])
    fitted = hour_samples(world, world.fold_cut(0.0), begin)
    return Scored(world, hour, say(hour), day, say(day), table_chances(world, fitted, hour), pool_chances(fitted, hour))


def _ends(world: World) -> Whole:
    return np.array([pool.end_tick for pool in world.trace.pools])


def test_report(source: Source, model: RiskModel) -> tuple[str, str]:
    """Return the tables of docs/risk.md and the reliability plot."""
    scored = score_worlds(source, model)
    inside = [_inside(one) for one in scored if len(one.hour_said) > 0]
    lines = [f"Model {model.version}, the last third of each series.", "", *_set_table(scored), "", *_pool_table(scored), ""]
    lines.append(f"Intervals: in {np.concatenate(inside).mean():.3f} of the weeks of pools the share of losses lay within.")
    lines.append(_price_line(source, NEWEST_FOR_TRAINING, LATER))
    curves = {one.world.trace.name: reliability(one.hour.is_lost.astype(float), one.chances) for one in scored}
    return "\n".join(lines), reliability_svg("Loss within the next hour, last third of each series", curves)


def _inside(one: Scored) -> Floats:
    low, high = (np.array([getattr(said.hour, name) for said in one.hour_said]) for name in ("low", "high"))
    return stretches_inside(one.world, one.hour, low, high)


def _set_table(scored: Sequence[Scored]) -> list[str]:
    lines = [
        "| set | samples | lost | AUC | Brier | calibration error | table: AUC, Brier | pool's mean: AUC, Brier | day: AUC, Brier |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in scored:
        lost, day_lost = one.hour.is_lost.astype(float), one.day.is_lost.astype(float)
        ours, table, mean = (mark(lost, chances) for chances in (one.chances, one.table, one.means))
        error = calibration_error(reliability(lost, one.chances))
        day = mark(day_lost, np.array([said.day.chance for said in one.day_said])) if len(day_lost) else None
        cells = [one.world.trace.name, str(len(lost)), f"{lost.mean():.3f}", f"**{ours.auc:.3f}**", f"**{ours.brier:.4f}**", f"{error:.3f}"]
        lines.append(f"| {' | '.join([*cells, _pair(table), _pair(mean), '-' if day is None else _pair(day)])} |")
    return lines


def _pool_table(scored: Sequence[Scored]) -> list[str]:
    lines = ["| set | pool | samples | said | lost | AUC | Brier | table: AUC, Brier |", "|---|---|---|---|---|---|---|---|"]
    for one in scored:
        lost, chances = one.hour.is_lost.astype(float), one.chances
        for index, pool in enumerate(one.world.trace.pools):
            mine = one.hour.pool == index
            if mine.sum() < LEAST_OF_A_POOL:
                lines.append(f"| {one.world.trace.name} | {pool.name} | {mine.sum()} | - | - | - | - | - |")
                continue
            ours, table = mark(lost[mine], chances[mine]), mark(lost[mine], one.table[mine])
            figures = f"{mine.sum()} | {chances[mine].mean():.3f} | {lost[mine].mean():.3f} | {ours.auc:.3f} | {ours.brier:.4f}"
            lines.append(f"| {one.world.trace.name} | {pool.name} | {figures} | {_pair(table)} |")
    return lines


def _pair(one: Mark) -> str:
    return f"{'-' if math.isnan(one.auc) else format(one.auc, '.3f')}, {one.brier:.4f}"


def _price_line(source: Source, begin: datetime, end: datetime) -> str:
    worth = worth_of_price(source.advisor, begin, end, source.prior)
    return (
        f"Price: of {worth.markets} markets, band of {end:%Y-%m} told by that of {begin:%Y-%m}: "
        f"RMSE {worth.rmse_without:.4f}, rank {worth.rank_without:.4f}; "
        f"with the savings besides: RMSE {worth.rmse_with:.4f}, rank {worth.rank_with:.4f}."
    )
