"""What it costs to be somewhere, and to move: expected USD, from prices, chances of loss and the agent's own downtimes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from spot_server.decision_models.inputs import (
    HOURS_PER_DAY,
    Z_80_PERCENT,
    Candidate,
    DecisionInput,
    Market,
    PoolRisk,
    Situation,
    losses_per_hour,
)
from spot_server.words import Mode

SECONDS_PER_HOUR = 3600.0
LONGEST_VALUE_TOLD = 40

_WEEK_MINUTES = 7 * 24 * 60.0
MOST: Mapping[str, float] = {
    "horizon_hours": 365 * 24.0,
    "dwell_minutes": _WEEK_MINUTES,
    "return_hold_minutes": _WEEK_MINUTES,
    "longest_return_hold_minutes": _WEEK_MINUTES,
    "assumed_planned_downtime_seconds": 86_400.0,
    "assumed_forced_downtime_seconds": 86_400.0,
    "assumed_boot_seconds": 86_400.0,
    "replica_pays_factor": 1000.0,
}
"""The most that each parameter may be. Far above what makes sense, and far below what no date, and no sum of money, can hold."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a version of the model may be given; every figure has its unit in its name."""

    horizon_hours: float = 24.0
    """Over how long a move must pay: prices wander, so what is further off says little."""
    dwell_minutes: float = 120.0
    """How long a workload is left where its newest move brought it, whoever asked for that."""
    return_hold_minutes: float = 30.0
    """How long it stays on demand, where a forced move has just brought it, before spot is tried again; doubled for each further loss of
    the day."""
    longest_return_hold_minutes: float = 480.0
    assumed_planned_downtime_seconds: float = 10.0
    """Until the agent's own is measured. Measured in the simulated region: 1 to 10 s, by carry (docs/reliability.md)."""
    assumed_forced_downtime_seconds: float = 60.0
    assumed_boot_seconds: float = 90.0
    replica_pays_factor: float = 1.0
    """How many times its price the loss that a replica spares must be worth."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name in self.__dataclass_fields__:
            value, most = getattr(self, name), MOST[name]
            # Not a number compares as false with everything, and so is refused as well.
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ValueError(f"{name}: expected a number from 0 to {most:g}, not {repr(value)[:LONGEST_VALUE_TOLD]}")


class HourlyCost(NamedTuple):
    """A market by the hour: its price, and that with what losses there are expected to cost. USD per hour."""

    market: Market
    price: float
    total: float


@dataclass(frozen=True, slots=True)
class Prices:
    """What an agent's misfortunes and moves cost: USD for one loss, and for the downtime of one planned move."""

    per_loss: float
    per_planned_downtime: float
    hedge_usd_per_hour: float | None
    """What a spare costs; None: nobody wants spares, or there is no place for one."""

    def per_hour(self, losses_per_hour: float) -> float:
        """Return what losses cost in an hour, USD: they are borne, or a spare is kept that makes each no worse than a planned move."""
        borne = losses_per_hour * self.per_loss
        if self.hedge_usd_per_hour is None:
            return borne
        return min(borne, losses_per_hour * self.per_planned_downtime + self.hedge_usd_per_hour)


def prices_of(given: DecisionInput, parameters: Parameters) -> Prices:
    """Return what a loss and a planned move cost this agent, by its own measured downtimes and the value that its owner set."""
    experience = given.experience
    forced = experience.forced_downtime_seconds
    planned = experience.planned_downtime_seconds
    per_second = float(given.settings.value_per_minute_usd) / 60.0
    activity = given.calendar.activity_ratio
    return Prices(
        per_loss=per_second * (parameters.assumed_forced_downtime_seconds if forced is None else forced),
        per_planned_downtime=per_second
        * (parameters.assumed_planned_downtime_seconds if planned is None else planned)
        * (1.0 if activity is None else activity),
        hedge_usd_per_hour=_hedge_usd_per_hour(given),
    )


def _hedge_usd_per_hour(given: DecisionInput) -> float | None:
    if not given.settings.early_replica_on_warning:
        return None
    prices = [candidate.market.figures.usd_per_hour for candidate in given.candidates if is_place_for_spare(candidate, given)]
    if given.situation.market.mode is Mode.ON_DEMAND:
        # A spare beside it could be on demand as well; that market is no candidate, for it runs there.
        prices.append(given.situation.market.figures.usd_per_hour)
    if not prices:
        return None
    return min(prices)


def is_place_for_spare(candidate: Candidate, given: DecisionInput) -> bool:
    """Tell whether a spare may be there: elsewhere than what it stands in for."""
    market, here = candidate.market, given.situation.market
    if candidate.refusal is not None or market.usd_per_hour is None:
        return False
    return (market.az_id, market.instance_type) != (here.az_id, here.instance_type)


def hourly_cost(market: Market, prices: Prices) -> HourlyCost | None:
    """Return what being there costs an hour, None while its price is not known."""
    if market.usd_per_hour is None:
        return None
    figures = market.figures
    price = figures.usd_per_hour
    return HourlyCost(market, price, price + prices.per_hour(figures.losses_per_hour))


def cost_of_staying(situation: Situation, prices: Prices) -> HourlyCost | None:
    """Return what staying costs an hour: as anywhere in its market, but with the chance of loss of an instance of its age."""
    cost = hourly_cost(situation.market, prices)
    if cost is None or situation.chance_per_day is None:
        return cost
    return HourlyCost(cost.market, cost.price, cost.price + prices.per_hour(losses_per_hour(situation.chance_per_day)))


def overlap_hours(market: Market, given: DecisionInput, parameters: Parameters) -> float:
    """Return how long the new machine is paid beside the old one: while it boots, and while the old one waits to be ended."""
    boot = market.risk.boot_seconds if market.risk is not None else None
    return ((parameters.assumed_boot_seconds if boot is None else boot) + given.settings.terminate_wait_seconds) / SECONDS_PER_HOUR


def chance_deviation(risk: PoolRisk) -> float:
    """Return how far the chance of loss in a day may be off (one standard deviation, >= 0), by how wide its interval is."""
    return (risk.high_per_day - risk.low_per_day) / (2 * Z_80_PERCENT)


def gain_deviation(costs: tuple[HourlyCost, HourlyCost], per_loss: float, hours: float) -> float:
    """Return how far the gain of moving between two markets, over `hours`, may be off (one standard deviation, USD)."""
    variance = 0.0
    for cost in costs:
        variance += cost.market.figures.daily_deviation_usd_per_hour**2
        risk = cost.market.risk
        if risk is not None:
            variance += (chance_deviation(risk) / HOURS_PER_DAY * per_loss) ** 2
    return math.sqrt(variance) * hours


def certainty(gain: float, deviation: float) -> float:
    """Return the chance (0..1) that a gain estimated with this deviation is above zero."""
    if deviation <= 0:
        return 1.0 if gain > 0 else 0.0 if gain < 0 else 0.5
    return 0.5 * (1.0 + math.erf(gain / deviation / math.sqrt(2.0)))
