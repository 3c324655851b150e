"""Instances that serve side by side: spot first, and one more than serve where what it spares is worth its price."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spot_server.decision_models.always_on import nothing_to_decide
from spot_server.decision_models.answers import Decision
from spot_server.decision_models.costing import Parameters, prices_of
from spot_server.decision_models.inputs import DecisionInput, Market, ServingMachine, ServingReplicas
from spot_server.words import Action, Mode


class _Worth(NamedTuple):
    """What one more instance in a market spares, less its price. USD an hour."""

    gain: float
    spared: float
    market: Market


def decide_serving(given: DecisionInput, objective: ServingReplicas, parameters: Parameters) -> Decision:
    """Return whether one more instance is worth its price, and where.

    Spot capacity is taken while fewer than are wanted are on spot or about to be: what stands in on demand is then given up. On demand is
    for what would be missing, and for a spare where no spot capacity is left and losses are likely.
    """
    why_nothing = nothing_to_decide(given)
    if why_nothing:
        return Decision(Action.NO_ACTION, 1.0, why_nothing)
    machines, wanted = objective.machines, objective.wanted
    per_loss = prices_of(given, parameters).per_loss
    able = [candidate.market for candidate in given.candidates if candidate.refusal is None and candidate.market.usd_per_hour is not None]
    there = f"{len(machines)} of {wanted} are there or about to be"
    if not able:
        return Decision(Action.STAY, 0.5, f"{there}, and no other place can be used")
    worths = [_worth(market, machines, wanted, per_loss) for market in able]
    first = max(worths, key=_order(machines))
    if len(machines) < wanted:
        return _create(first, there)
    if _stands_in(machines) and first.market.mode is Mode.SPOT:
        return _create(first, "an instance on demand can be given up for it")
    best = max(worths, key=lambda one: (one.gain, one.market.key))
    if best.gain > 0:
        return _create(best, f"it spares losses worth {best.spared:.4f} USD an hour, more than it costs")
    spared = f"one more spares {best.spared:.4f} USD an hour in {best.market.key}, less than it costs"
    return Decision(Action.STAY, 1.0, f"{there}; {spared}")


def _order(machines: Sequence[ServingMachine]) -> Callable[[_Worth], tuple[bool, int, float, str]]:
    """Spot before on demand, then pools in which fewer of them are, then what is worth most."""
    held = Counter(machine.key for machine in machines)
    return lambda one: (one.market.mode is Mode.SPOT, -held[one.market.key], one.gain, one.market.key)


def _stands_in(machines: Sequence[ServingMachine]) -> bool:
    """Whether an instance is on demand for which no spot instance is starting."""
    on_demand = sum(machine.mode is Mode.ON_DEMAND for machine in machines)
    starting = sum(machine.mode is Mode.SPOT and machine.starting_seconds_left > 0 for machine in machines)
    return on_demand > starting


def _worth(market: Market, machines: Sequence[ServingMachine], wanted: int, per_loss: float) -> _Worth:
    one_more = ServingMachine(market.key, market.mode, market.figures.losses_per_hour, 0.0)
    spared = (shortfalls_per_hour(machines, wanted) - shortfalls_per_hour((*machines, one_more), wanted)) * per_loss
    return _Worth(spared - market.figures.usd_per_hour, spared, market)


def shortfalls_per_hour(machines: Sequence[ServingMachine], wanted: int) -> float:
    """Return how often in an hour losses are expected to leave fewer than are wanted (>= 0).

    Instances of one pool are lost together, as most of them are within three minutes (docs/adr/0030); those of two pools are not.
    """
    spares = max(0, len(machines) - wanted)
    hazards: dict[str, list[float]] = defaultdict(list)
    for machine in machines:
        if machine.mode is Mode.SPOT:
            hazards[machine.key].append(machine.losses_per_hour)
    return sum(max(lost) for lost in hazards.values() if len(lost) > spares)


def _create(best: _Worth, why: str) -> Decision:
    return Decision(Action.CREATE_REPLICA, 0.9, f"one more in {best.market.key}: {why}", best.market.key)
