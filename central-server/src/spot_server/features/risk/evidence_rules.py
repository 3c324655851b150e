"""What instances that lived and were lost say about a pool, decided from values alone.

Losses are counted against how many were to be expected of instances of those ages; what is longer ago counts less, half as much after
each half-life. An instance that we ended ourselves, or that still runs, was there to be lost and was not: it adds to what was expected.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
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
    """One spot instance: when it began and ended, in hours before now; it ended 0 hours ago while it lives.

    `watched_hours_ago`: from when on its loss would have been heard of; before, it was no instance that could be counted as lost.
    """

    began_hours_ago: float
    ended_hours_ago: float
    was_lost: bool
    watched_hours_ago: float = math.inf

    @property
    def counted_hours_ago(self) -> float:
        """From when on it counts for its pool."""
        return min(self.began_hours_ago, self.watched_hours_ago, LOOKBACK_HOURS)


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


@dataclass(frozen=True, slots=True)
class Expectation:
    """How many losses the base hazard expects of an instance between two ages, each moment decayed by one half-life."""

    half_life_hours: float
    edges_hours: tuple[float, ...]
    hazards: tuple[float, ...]
    growths: tuple[float, ...]
    """At each edge 2 to the power of its age in half-lives."""
    sums: tuple[float, ...]
    """What is expected until each edge, as of an age of 0: it is decayed from there by the age that is reached."""

    @classmethod
    def of(cls, model: RiskModel, half_life_hours: float) -> Expectation:
        """Add the pieces of the model's base hazard up."""
        growths = tuple(math.exp2(edge / half_life_hours) for edge in model.age_edges_hours)
        steps = (
            hazard * half_life_hours / math.log(2.0) * (end - begin)
            for hazard, begin, end in zip(model.base_losses_per_hour, growths, growths[1:], strict=False)
        )
        return cls(half_life_hours, model.age_edges_hours, model.base_losses_per_hour, growths, tuple(accumulate(steps, initial=0.0)))

    def losses(self, from_age_hours: float, to_age_hours: float, ended_hours_ago: float) -> float:
        """Return what is expected between two ages (0 or more, in order), the later one reached `ended_hours_ago`."""
        last = self.edges_hours[-1]
        total = 0.0
        if to_age_hours > last:
            # By what was decayed alone: growth from an age of 0 would leave the range of numbers after some months.
            stretch = to_age_hours - max(from_age_hours, last)
            newest, oldest = self._decay(ended_hours_ago), self._decay(ended_hours_ago + stretch)
            total = self.hazards[-1] * self.half_life_hours / math.log(2.0) * (newest - oldest)
        if from_age_hours < last:
            between = self._until(min(to_age_hours, last)) - self._until(from_age_hours)
            total += self._decay(ended_hours_ago + to_age_hours) * between
        return total

    def _until(self, age_hours: float) -> float:
        piece = bisect_right(self.edges_hours, age_hours) - 1
        grown = math.exp2(age_hours / self.half_life_hours) - self.growths[piece]
        return self.sums[piece] + self.hazards[piece] * self.half_life_hours / math.log(2.0) * grown

    def _decay(self, hours_ago: float) -> float:
        return math.exp2(-hours_ago / self.half_life_hours)


def tally_pool(model: RiskModel, lifetimes: Sequence[Lifetime]) -> PoolTallies:
    """Return what a pool's instances say.

    Instances of one pool are lost together (in the data 92 % within three minutes of each other), so as many as there were side by side
    on average count as one.
    """
    share = _share_of_one(lifetimes)

    def tally(half_life_hours: float) -> Tally:
        expectation = Expectation.of(model, half_life_hours)
        losses = expected = 0.0
        for one in lifetimes:
            if one.ended_hours_ago > LOOKBACK_HOURS:
                continue
            ages = one.began_hours_ago - one.counted_hours_ago, one.began_hours_ago - one.ended_hours_ago
            expected += expectation.losses(*ages, one.ended_hours_ago)
            losses += math.exp2(-one.ended_hours_ago / half_life_hours) if one.was_lost else 0.0
        return Tally(losses * share, expected * share)

    return PoolTallies(tally(model.level_half_life_hours), tally(model.own_half_life_hours), tally(model.sibling_half_life_hours))


def _share_of_one(lifetimes: Sequence[Lifetime]) -> float:
    """Return the hours in which there was an instance over the instances' hours, above 0 and at most 1."""
    total = covered = 0.0
    reached = math.inf
    for begin, end in sorted(((one.counted_hours_ago, one.ended_hours_ago) for one in lifetimes), reverse=True):
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
