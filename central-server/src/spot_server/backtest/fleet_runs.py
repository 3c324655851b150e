"""Machines that serve over a trace: every policy plays each stretch in which all pools were recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spot_server.backtest.fleet import FleetPolicy, FleetTerms, join, play_fleet
from spot_server.backtest.ours_fleet import OurFleet
from spot_server.backtest.ours_input import PoolNames, TracedMarkets
from spot_server.backtest.ours_service import OurService
from spot_server.backtest.policies import FLEET_POLICIES, PolicyName, Setting, shipped_model
from spot_server.backtest.results import ALL_POOLS, Row
from spot_server.backtest.risks import TracedRisks
from spot_server.backtest.terms import require
from spot_server.backtest.traces import Trace
from spot_server.features.risk.evidence_rules import PoolKey
from spot_server.features.risk.model import load_model

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What is to serve. `value_per_minute_usd` is the agents' setting: what a minute without one costs its owner."""

    setting: Setting
    terms: FleetTerms
    value_per_minute_usd: Decimal

    def __post_init__(self) -> None:
        """Refuse a value that no agent can have. ImpossibleTerms."""
        value = self.value_per_minute_usd
        require(0 <= value <= MOST_VALUE_USD, "value per minute", value, f"USD from 0 to {MOST_VALUE_USD}")


MOST_VALUE_USD = 100_000


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of a trace without a gap. `before`: how many of its ticks are known and not played."""

    capacities: list[tuple[int, ...]]
    before: int


def play_fleets(trace: Trace, plan: FleetPlan, policies: Sequence[PolicyName], tell: Progress, *, is_test: bool) -> list[Row]:
    """Return a row for each policy, on all pools of the set together.

    `is_test`: from the tick on at which the last third of every pool has begun; what was recorded before counts as known.
    """
    stretches = _stretches(trace, is_test=is_test)
    rows = []
    for name in policies if stretches else ():
        results = []
        for number, stretch in enumerate(stretches, start=1):
            tell(f"{trace.name}: {plan.setting}, {name}, stretch {number} of {len(stretches)}")
            policy = _policy(name, plan, trace, stretch)
            results.append(play_fleet(policy, plan.terms, stretch.capacities[stretch.before :], trace.gap_seconds))
        result = join(results)
        rows.append(
            Row(
                set_name=trace.name,
                setting=plan.setting,
                pool=ALL_POOLS,
                policy=name,
                cost=result.cost,
                optimum=result.optimum,
                availability=result.availability,
                moves=max(0, result.launches - plan.terms.wanted * len(stretches)),
                losses=result.losses,
                losses_survived=result.losses_survived,
                runs=len(stretches),
                hours=result.hours,
            )
        )
    return rows


def _stretches(trace: Trace, *, is_test: bool) -> list[_Stretch]:
    first = max(pool.cut_tick for pool in trace.pools) if is_test else 0
    found = []
    for ticks in trace.common_ticks():
        before = max(0, first - ticks.start)
        if before < len(ticks):
            found.append(_Stretch([tuple(pool.count_at(tick) or 0 for pool in trace.pools) for tick in ticks], before))
    return found


def _policy(name: PolicyName, plan: FleetPlan, trace: Trace, stretch: _Stretch) -> FleetPolicy:
    if name is not PolicyName.OURS:
        return FLEET_POLICIES[name]()
    keys = [PoolKey(pool.region, pool.zone, pool.instance_type) for pool in trace.pools]
    risks = TracedRisks(load_model(), keys, stretch.capacities, trace.gap_seconds, known_ticks=stretch.before)
    names = PoolNames(tuple(pool.name for pool in trace.pools))
    markets = TracedMarkets(names, risks, plan.terms)
    if plan.setting is Setting.ALWAYS_ON:
        return OurFleet(shipped_model(), markets, plan.value_per_minute_usd)
    return OurService(shipped_model(), markets, plan.value_per_minute_usd)
