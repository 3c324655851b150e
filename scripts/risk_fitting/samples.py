"""What a trace says at each tick in which an instance was there: the evidence until then, and whether it was lost afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from spot_server.backtest.traces import PoolSeries, Trace
from spot_server.features.risk.evidence_rules import Expectation
from spot_server.features.risk.model import RiskModel

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class World:
    """A trace as arrays of (pool, tick). A tick's exposure is the step that led to it."""

    trace: Trace
    gap_hours: float
    pause_hours: Floats
    """Before each tick: the step, or what lay between two windows."""
    is_up: Flags
    age_ticks: Whole
    """Ticks since the instance came, or since the window began: what is older is not known."""
    exposed_age: Whole
    """Age when the exposure that ends at the tick began; -1: there was none."""
    is_loss: Flags
    next_loss: Whole
    """The tick of the next loss within the window, after this one; a large number where there is none."""
    window_end: Whole

    @property
    def shape(self) -> tuple[int, int]:
        """Pools and ticks."""
        return self.is_up.shape[0], self.is_up.shape[1]

    def fold_cut(self, share: float) -> Whole:
        """Return for each pool the tick at which `share` of its training part is over."""
        return np.array([pool.first_tick + int((pool.cut_tick - pool.first_tick) * share) for pool in self.trace.pools])


NEVER = np.iinfo(np.int64).max // 2


def world_of(trace: Trace) -> World:
    """Lay a trace out; of a pool with several nodes, one instance is there while any is."""
    ticks = max(pool.end_tick for pool in trace.pools)
    count = len(trace.pools)
    known, is_up = np.zeros((count, ticks), bool), np.zeros((count, ticks), bool)
    for row, pool in enumerate(trace.pools):
        span = slice(pool.first_tick, pool.end_tick)
        known[row, span], is_up[row, span] = True, np.array(pool.counts) > 0
    goes_on, window_end = np.zeros(ticks, bool), np.zeros(ticks, np.int64)
    for window in trace.windows:
        goes_on[window.start + 1 : window.stop] = True
        window_end[window.start : window.stop] = window.stop
    exposed = np.zeros_like(is_up)
    exposed[:, 1:] = is_up[:, :-1] & known[:, 1:] & goes_on[1:]
    is_loss = exposed & ~is_up
    age, before, following = np.zeros((count, ticks), np.int64), np.full((count, ticks), -1), np.full((count, ticks), NEVER)
    for tick in range(1, ticks):
        age[:, tick] = np.where(exposed[:, tick] & is_up[:, tick], age[:, tick - 1] + 1, 0)
        before[:, tick] = np.where(exposed[:, tick], age[:, tick - 1], -1)
    for tick in range(ticks - 2, -1, -1):
        if goes_on[tick + 1]:
            following[:, tick] = np.where(is_loss[:, tick + 1], tick + 1, following[:, tick + 1])
    return World(trace, trace.gap_seconds / 3600, _pauses(trace, ticks), is_up, age, before, is_loss, following, window_end)


def _pauses(trace: Trace, ticks: int) -> Floats:
    pauses = np.full(ticks, trace.gap_seconds / 3600)
    for window in trace.windows[1:]:
        if trace.stamps and window.start < ticks:
            pauses[window.start] = (trace.stamps[window.start] - trace.stamps[window.start - 1]) / timedelta(hours=1)
    return pauses


def base_hazard(worlds: Sequence[World], share: float, edges_hours: Sequence[float]) -> Floats:
    """Return losses per hour in each piece of age, from the first `share` of every training part; worlds count by their time."""
    losses, hours = np.zeros(len(edges_hours)), np.zeros(len(edges_hours))
    for world in worlds:
        for row, cut in enumerate(world.fold_cut(share)):
            age = world.exposed_age[row, :cut]
            piece = np.digitize(age[age >= 0] * world.gap_hours, edges_hours) - 1
            losses += np.bincount(piece, weights=world.is_loss[row, :cut][age >= 0], minlength=len(edges_hours))
            hours += np.bincount(piece, minlength=len(edges_hours)) * world.gap_hours
    return (losses + 1.0) / (hours + 3.0)


@dataclass(frozen=True, slots=True)
class Evidences:
    """The evidence of the product's rules, as arrays of (pool, tick)."""

    log_level: Floats
    losses: Floats
    own: Floats
    type_siblings: Floats
    zone_siblings: Floats


def evidences(world: World, model: RiskModel, multiples: Sequence[float]) -> Evidences:
    """Return what `evidence_rules.weigh_pools` would say at every tick; a test holds the two together."""
    tallies = {
        half_life: (
            _decayed(world, world.is_loss.astype(float), half_life),
            _decayed(world, _expected(world, model, half_life), half_life),
        )
        for half_life in (model.level_half_life_hours, model.own_half_life_hours, model.sibling_half_life_hours)
    }
    losses, expected = tallies[model.level_half_life_hours]
    level = (losses + model.prior_losses) / (expected + model.prior_losses / np.array(multiples)[:, None])

    def ratio(observed: Floats, awaited: Floats) -> Floats:
        result: Floats = np.log((observed + model.ratio_losses) / (awaited + model.ratio_losses))
        return result

    own_losses, own_expected = tallies[model.own_half_life_hours]
    told_losses, told_expected = tallies[model.sibling_half_life_hours]
    of_type, of_zone = _same(world, _type_of), _same(world, _zone_of)
    return Evidences(
        np.log(level),
        losses,
        ratio(own_losses, own_expected * level),
        ratio(of_type @ told_losses, of_type @ (told_expected * level)),
        ratio(of_zone @ told_losses, of_zone @ (told_expected * level)),
    )


def _expected(world: World, model: RiskModel, half_life: float) -> Floats:
    """Return what each tick's exposure expects, as of that tick."""
    gap, expectation = world.gap_hours, Expectation.of(model, half_life)
    ages = [expectation.losses(age * gap, (age + 1) * gap, 0.0) for age in range(int(world.exposed_age.max()) + 1)]
    return np.append(np.array(ages), 0.0)[world.exposed_age]  # an age of -1 takes the last, which is 0


def _decayed(world: World, values: Floats, half_life: float) -> Floats:
    sums, running = np.zeros(world.shape), np.zeros(world.shape[0])
    for tick in range(world.shape[1]):
        running = running * 0.5 ** (world.pause_hours[tick] / half_life) + values[:, tick]
        sums[:, tick] = running
    return sums


def _type_of(pool: PoolSeries) -> tuple[str, str]:
    return pool.region, pool.instance_type


def _zone_of(pool: PoolSeries) -> tuple[str, str]:
    return pool.region, pool.zone


def _same(world: World, key: Callable[[PoolSeries], tuple[str, str]]) -> Floats:
    """Return a matrix that adds up the other pools with the same key."""
    keys = [key(pool) for pool in world.trace.pools]
    return np.array([[float(one == other and row != column) for column, other in enumerate(keys)] for row, one in enumerate(keys)])


@dataclass(frozen=True, slots=True)
class Samples:
    """Ticks at which an instance was there: its pool and age, and whether it was lost in a stretch that was recorded to its end."""

    pool: Whole
    tick: Whole
    age_hours: Floats
    is_lost: Flags

    def of(self, values: Floats) -> Floats:
        """Return from an array of (pool, tick) what belongs to these samples."""
        result: Floats = values[self.pool, self.tick]
        return result


def samples(world: World, begin: Whole, end: Whole, *, after_hours: float, until_hours: float) -> Samples:
    """Return the samples in the ticks from `begin` to `end` of each pool.

    Asked is whether an instance that is still there `after_hours` later is lost until `until_hours`. A sample whose stretch is not over
    at the end of the window, or at `end`, is left out, whatever happened in it: otherwise those that end in a loss would be too many.
    """
    first, last = round(after_hours / world.gap_hours), round(until_hours / world.gap_hours)
    tick = np.arange(world.shape[1])
    is_known = tick + last < np.minimum(world.window_end, end[:, None])
    is_survivor = world.next_loss - tick > first
    pool, at = np.nonzero(world.is_up & is_known & is_survivor & (tick >= begin[:, None]))
    return Samples(pool, at, (world.age_ticks[pool, at] * world.gap_hours).astype(np.float64), world.next_loss[pool, at] - at <= last)
