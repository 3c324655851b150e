"""What instances that lived and were lost say about a pool, decided from values alone.

Losses are counted against how many were to be expected of instances of those ages; what is longer ago counts less, half as much after
each half-life. An instance that we ended ourselves, or that still runs, was there to be lost and was not: it adds to what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spot_server.features.risk.model import RiskModel

LOOKBACK_HOURS = 28 * 24.0
"""What was longer ago is left out: four half-lives of the level, a sixteenth of its weight."""


class PoolKey(NamedTuple):
    """A stock of machines that EC2 sells as spot capacity; which product runs on them does not matter to it."""

    region: str
    az_id: str
    instance_type: str


class Lifetime(NamedTuple):
    """One spot instance: when it began and ended, in hours before now; it ended 0 hours ago while it lives."""

    began_hours_ago: float
    ended_hours_ago: float
    was_lost: bool


class Tally(NamedTuple):
    """Losses, and how many the model expects at a level of 1, both with what is longer ago counting less."""

    losses: float
    expected: float


@dataclass(frozen=True, slots=True)
class PoolTallies:
    """What one pool's instances say: by the half-life of its level, of its last hours, and of what its siblings are told."""

    level: Tally
    own: Tally
    sibling: Tally


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a pool. The level is that of its hazard; the ratios are of losses observed to expected in the last hours."""

    log_level: float
    decayed_losses: float
    """That the level rests on."""
    own_log_ratio: float = 0.0
    type_log_ratio: float = 0.0
    """Of the same type in the region's other zones."""
    zone_log_ratio: float = 0.0
    """Of the other types in the same zone."""


NOTHING = PoolTallies(Tally(0.0, 0.0), Tally(0.0, 0.0), Tally(0.0, 0.0))
"""Of a pool in which we never had an instance."""


def expected_losses(model: RiskModel, from_age_hours: float, to_age_hours: float, ended_hours_ago: float, half_life_hours: float) -> float:
    """Return how many losses the base hazard expects between two ages, the later one reached `ended_hours_ago`, each moment decayed."""
    edges = (*model.age_edges_hours[1:], math.inf)
    scale = half_life_hours / math.log(2.0)
    total, begin = 0.0, model.age_edges_hours[0]
    for hazard, end in zip(model.base_losses_per_hour, edges, strict=True):
        low, high = max(begin, from_age_hours), min(end, to_age_hours)
        if low < high:
            newest, oldest = ended_hours_ago + to_age_hours - high, ended_hours_ago + to_age_hours - low
            total += hazard * scale * (_decay(newest, half_life_hours) - _decay(oldest, half_life_hours))
        begin = end
    return total


def _decay(hours_ago: float, half_life_hours: float) -> float:
    return math.exp2(-hours_ago / half_life_hours)


def tally_pool(model: RiskModel, lifetimes: Sequence[Lifetime]) -> PoolTallies:
    """Return what a pool's instances say.

    Instances of one pool are lost together (in the data 92 % within three minutes of each other), so as many as there were side by side
    on average count as one.
    """
    share = _share_of_one(lifetimes)

    def tally(half_life_hours: float) -> Tally:
        losses = expected = 0.0
        for one in lifetimes:
            if one.ended_hours_ago > LOOKBACK_HOURS:
                continue
            began = min(one.began_hours_ago, LOOKBACK_HOURS)
            ages = one.began_hours_ago - began, one.began_hours_ago - one.ended_hours_ago
            expected += expected_losses(model, *ages, one.ended_hours_ago, half_life_hours)
            losses += _decay(one.ended_hours_ago, half_life_hours) if one.was_lost else 0.0
        return Tally(losses * share, expected * share)

    return PoolTallies(tally(model.level_half_life_hours), tally(model.own_half_life_hours), tally(model.sibling_half_life_hours))


def _share_of_one(lifetimes: Sequence[Lifetime]) -> float:
    """Return the hours in which there was an instance over the instances' hours, above 0 and at most 1."""
    total = covered = 0.0
    reached = math.inf
    for one in sorted(lifetimes, reverse=True):
        begin, end = min(one.began_hours_ago, LOOKBACK_HOURS), one.ended_hours_ago
        if end >= begin:
            continue
        total += begin - end
        covered += max(0.0, min(begin, reached) - end)
        reached = min(reached, end)
    return covered / total if total > 0 else 1.0


def level_of(model: RiskModel, tally: Tally, multiple: float) -> float:
    """Return the pool's hazard as a multiple of the base hazard: between the prior's `multiple` and what was observed."""
    return (tally.losses + model.prior_losses) / (tally.expected + model.prior_losses / multiple)


def log_ratio(model: RiskModel, losses: float, expected: float) -> float:
    """Return the logarithm of losses to expected ones, near 0 while both are few."""
    return math.log((losses + model.ratio_losses) / (expected + model.ratio_losses))


def prior_multiple(model: RiskModel, band: int | None) -> float:
    """Return the level that Spot Advisor's band (0 to 4) stands for; None: it says nothing of the type."""
    return model.unknown_multiple if band is None else model.band_multiples[band]


def weigh_pools(model: RiskModel, tallies: Mapping[PoolKey, PoolTallies], multiples: Mapping[PoolKey, float]) -> dict[PoolKey, Evidence]:
    """Return the evidence for each pool of `multiples`; one without a tally has its siblings' losses to go by.

    A pool that has a tally and no multiple counts for its siblings at the level of a type that Spot Advisor does not know.
    """
    levels = {
        pool: level_of(model, tallies.get(pool, NOTHING).level, multiples.get(pool, model.unknown_multiple))
        for pool in {*tallies, *multiples}
    }
    sibling = {pool: _at_level(one.sibling, levels[pool]) for pool, one in tallies.items()}
    by_type = _sums(((pool.region, pool.instance_type), tally) for pool, tally in sibling.items())
    by_zone = _sums(((pool.region, pool.az_id), tally) for pool, tally in sibling.items())
    none = Tally(0.0, 0.0)
    found = {}
    for pool in multiples:
        mine, told = tallies.get(pool, NOTHING), sibling.get(pool, none)
        same_type, same_zone = by_type.get((pool.region, pool.instance_type), none), by_zone.get((pool.region, pool.az_id), none)
        own = _at_level(mine.own, levels[pool])
        found[pool] = Evidence(
            math.log(levels[pool]),
            mine.level.losses,
            log_ratio(model, own.losses, own.expected),
            log_ratio(model, *_without(same_type, told)),
            log_ratio(model, *_without(same_zone, told)),
        )
    return found


def _at_level(tally: Tally, level: float) -> Tally:
    return Tally(tally.losses, tally.expected * level)


def _sums(told: Iterable[tuple[tuple[str, str], Tally]]) -> dict[tuple[str, str], Tally]:
    sums: dict[tuple[str, str], Tally] = {}
    for key, tally in told:
        before = sums.get(key, Tally(0.0, 0.0))
        sums[key] = Tally(before.losses + tally.losses, before.expected + tally.expected)
    return sums


def _without(together: Tally, one: Tally) -> tuple[float, float]:
    # Not below 0: what is left after a subtraction of floating point numbers may be.
    return max(0.0, together.losses - one.losses), max(0.0, together.expected - one.expected)
