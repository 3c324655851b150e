"""What the shipped risk model would have said of traced pools, from what was lost until then and nothing later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from spot_server.decision_models.inputs import PoolRisk
from spot_server.features.risk.evidence_rules import LOOKBACK_HOURS, Lifetime, PoolKey, prior_multiple, tally_pool, weigh_pools
from spot_server.features.risk.model import RiskModel
from spot_server.features.risk.rules import SHOWN_AGES_HOURS, chance_at_age, loss_chances

PERIOD_SECONDS = 900.0
"""How often the server computes risks."""


class AgedChances(NamedTuple):
    """The chances of loss in the next hour and day at the ages that the analysis shows."""

    per_hour: tuple[float, ...]
    per_day: tuple[float, ...]

    def at(self, age_hours: float) -> tuple[float, float]:
        """Return both for an instance of this age."""
        hour, day = (chance_at_age(SHOWN_AGES_HOURS, said, age_hours) for said in self)
        return hour, day


class TracedRisk(NamedTuple):
    """One pool: what the interface is given, and the chances by age."""

    risk: PoolRisk
    ages: AgedChances


@dataclass(frozen=True, slots=True)
class _Spell:
    """A stretch in which a pool had capacity, as one instance that lived in it."""

    began_hours: float
    ended_hours: float | None
    """When it was lost; None: it lives at the end of what was recorded."""


class TracedRisks:
    """The risks of a trace's pools, computed when they are asked for and kept for PERIOD_SECONDS.

    It is as if some client had had an instance in each pool whenever there was capacity, as the probe that recorded the trace had.
    """

    def __init__(
        self,
        model: RiskModel,
        pools: Sequence[PoolKey],
        capacities: Sequence[Sequence[int]],
        gap_seconds: float,
        *,
        known_ticks: int = 0,
    ) -> None:
        """`capacities` are tick by tick; the moment 0 is after the first `known_ticks` of them."""
        self._known_seconds = known_ticks * gap_seconds
        self._model, self._pools = model, tuple(pools)
        self._spells = [_spells([row[place] > 0 for row in capacities], gap_seconds / 3600) for place in range(len(pools))]
        self._multiples = {pool: prior_multiple(model, None) for pool in pools}
        self._period, self._found = -1, list[TracedRisk]()

    def at(self, now_seconds: float) -> list[TracedRisk]:
        """Return the risks of the pools, in their order."""
        period = self._period_of(now_seconds)
        if period != self._period:
            self._period, self._found = period, self._compute(period * PERIOD_SECONDS / 3600)
        return self._found

    def computed_seconds(self, now_seconds: float) -> float:
        """Return the moment for which the risks of now were computed."""
        return self._period_of(now_seconds) * PERIOD_SECONDS - self._known_seconds

    def _period_of(self, now_seconds: float) -> int:
        return int((now_seconds + self._known_seconds) // PERIOD_SECONDS)

    def _compute(self, now_hours: float) -> list[TracedRisk]:
        tallies = {
            pool: tally_pool(self._model, [_lifetime(one, now_hours) for one in spells if _counts(one, now_hours)])
            for pool, spells in zip(self._pools, self._spells, strict=True)
        }
        evidence = weigh_pools(self._model, tallies, self._multiples)
        found = []
        for pool in self._pools:
            said = [loss_chances(self._model, evidence[pool], age) for age in SHOWN_AGES_HOURS]
            fresh = said[0]
            risk = PoolRisk(fresh.hour.chance, fresh.day.chance, fresh.day.low, fresh.day.high, "computed of the trace")
            ages = AgedChances(tuple(one.hour.chance for one in said), tuple(one.day.chance for one in said))
            found.append(TracedRisk(risk, ages))
        return found


def _spells(has_capacity: Sequence[bool], gap_hours: float) -> list[_Spell]:
    found: list[_Spell] = []
    began: int | None = None
    for place, now in enumerate(has_capacity):
        if now and began is None:
            began = place
        elif not now and began is not None:
            found.append(_Spell(began * gap_hours, place * gap_hours))
            began = None
    if began is not None:
        found.append(_Spell(began * gap_hours, None))
    return found


def _counts(spell: _Spell, now_hours: float) -> bool:
    has_ended_long_ago = spell.ended_hours is not None and now_hours - spell.ended_hours > LOOKBACK_HOURS
    return spell.began_hours <= now_hours and not has_ended_long_ago


def _lifetime(spell: _Spell, now_hours: float) -> Lifetime:
    """Return the spell as it looked then: one that ends later was alive."""
    was_lost = spell.ended_hours is not None and spell.ended_hours <= now_hours
    ended_ago = now_hours - spell.ended_hours if was_lost and spell.ended_hours is not None else 0.0
    return Lifetime(now_hours - spell.began_hours, ended_ago, was_lost)
