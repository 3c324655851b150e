"""Fitting the risk model: on the product's own evidence, better than a table on folds of the training part, shipped as it was fitted."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from fit_risk import CHOSEN, COEFFICIENTS, data_hashes, load_source
from risk_fitting.fitting import chances_of, fit_log_hazard
from risk_fitting.judging import LONG_SETS, hour_samples, mark, table_chances
from risk_fitting.measures import auc, brier, calibration_error, rank_correlation, reliability
from risk_fitting.models import fit_model, tell
from risk_fitting.samples import World, evidences, samples, world_of
from server_support.recorded_data import recorded_data
from spot_server.backtest.traces import Part, read_trace
from spot_server.features.risk.evidence_rules import Lifetime, PoolKey, tally_pool, weigh_pools
from spot_server.features.risk.model import load_model

ZONES = ("us-west-2a_v100_1", "us-west-2a_k80_1", "us-west-2b_v100_1")
MODEL = load_model()


def a_world(directory: Path, *, ticks: int = 400, gap_seconds: float = 600.0) -> World:
    """Three pools that come and go."""
    drawn = random.Random(7)  # noqa: S311 - a made-up trace that is the same each time
    state, rows = [1, 1, 1], []
    for tick in range(ticks):
        state = [value if drawn.random() < 0.9 else 1 - value for value in state]
        rows.append(",".join(map(str, (tick, *state))))
    file = directory / "avail_made_up.csv"
    file.write_text(f"tick,{','.join(ZONES)}\n" + "\n".join(rows) + "\n")
    return world_of(read_trace(file, Part.WHOLE, gap_seconds=gap_seconds))


def lifetimes(world: World, row: int, now: int) -> list[Lifetime]:
    """What the trace was until `now`, as instances: each run of ticks is one."""
    found: list[Lifetime] = []
    began: int | None = None
    for tick in range(now + 1):
        if world.is_up[row, tick] and began is None:
            began = tick
        elif not world.is_up[row, tick] and began is not None:
            found.append(Lifetime((now - began) * world.gap_hours, (now - tick) * world.gap_hours, was_lost=True))
            began = None
    return found if began is None else [*found, Lifetime((now - began) * world.gap_hours, 0.0, was_lost=False)]


def test_the_evidence_that_is_fitted_on_is_what_the_product_takes_from_the_same_instances(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    pools = [PoolKey(pool.region, pool.zone, pool.instance_type) for pool in world.trace.pools]
    told = evidences(world, MODEL, [MODEL.band_multiples[4]] * 3)

    for now in (0, 5, 77, 399):
        tallies = {pool: tally_pool(MODEL, lifetimes(world, row, now)) for row, pool in enumerate(pools)}
        found = weigh_pools(MODEL, tallies, dict.fromkeys(pools, MODEL.band_multiples[4]))

        for row, pool in enumerate(pools):
            one = found[pool]
            assert (one.log_level, one.decayed_losses) == pytest.approx((told.log_level[row, now], told.losses[row, now]), abs=1e-6)
            ratios = (told.own[row, now], told.type_siblings[row, now], told.zone_siblings[row, now])
            assert (one.own_log_ratio, one.type_log_ratio, one.zone_log_ratio) == pytest.approx(ratios, abs=1e-6)


def test_samples_ask_about_whole_stretches_before_the_end_and_of_what_is_there(tmp_path: Path) -> None:
    world = a_world(tmp_path)
    begin, end = world.fold_cut(0.5), world.fold_cut(1.0)

    found = samples(world, begin, end, after_hours=0.0, until_hours=1.0)

    for pool, tick, lost in zip(found.pool, found.tick, found.is_lost, strict=True):
        assert begin[pool] <= tick < end[pool] - 6
        assert world.is_up[pool, tick]
        assert lost == (not world.is_up[pool, tick + 1 : tick + 7].all())


def test_weights_that_made_made_up_losses_are_found_again() -> None:
    drawn = np.random.default_rng(3)
    features, offset = drawn.normal(size=(40_000, 2)), drawn.normal(size=40_000)
    hazard = np.exp(-1.0 + 0.5 * features[:, 0] - 0.4 * features[:, 1] + offset)
    lost = (drawn.random(40_000) < -np.expm1(-hazard)).astype(float)

    found = fit_log_hazard(features, lost, np.ones(40_000), offset, bounded_from=1)

    assert found[:2] == pytest.approx([-1.0, 0.5], abs=0.06)
    assert found[2] == 0.0
    assert chances_of(found, features, offset).mean() == pytest.approx(lost.mean(), abs=0.02)


def test_the_measures_say_what_small_cases_have_by_hand() -> None:
    lost, chances = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.9])

    assert auc(lost, chances) == pytest.approx(3.5 / 4)
    assert brier(lost, chances) == pytest.approx((0.01 + 0.16 + 0.36 + 0.01) / 4)
    assert math.isnan(auc(np.ones(2), np.ones(2)))
    assert rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([9.0, 8.0, 1.0])) == pytest.approx(-1.0)
    assert [(one.happened, one.count) for one in reliability(lost, chances)] == [(0.0, 1), (0.5, 2), (1.0, 1)]
    assert calibration_error(reliability(lost, chances)) == pytest.approx((0.1 + 2 * 0.1 + 0.1) / 4)


@pytest.mark.data
@pytest.mark.long
def test_on_the_last_fold_of_the_training_part_the_model_is_better_than_the_table_of_the_bar() -> None:
    source = load_source(recorded_data("spot_traces").parent)
    begin, end = 5 / 6, 1.0
    model = fit_model(source, CHOSEN, begin)

    for world in source.worlds:
        if world.trace.name in LONG_SETS:
            part = (world.fold_cut(begin), world.fold_cut(end))
            told = tell(source, world, model, CHOSEN, part)
            table = table_chances(world, hour_samples(world, world.fold_cut(0.0), part[0]), told.found)
            ours, bar = mark(told.lost, told.chances), mark(told.lost, table)
            assert ours.auc > bar.auc
            assert ours.brier < bar.brier
            assert ours.auc > 0.83
            assert ours.brier < 0.13


@pytest.mark.data
def test_the_shipped_coefficients_were_made_of_the_data_that_is_there() -> None:
    document = json.loads(COEFFICIENTS.read_text(encoding="utf-8"))

    assert document["data_sha256"] == data_hashes(recorded_data("spot_traces").parent)
