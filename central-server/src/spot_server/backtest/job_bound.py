"""The clairvoyant optimum of a job with a deadline: what it would cost to know all of the capacity beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from spot_server.backtest.jobs import JobTerms

ROUNDS = 14
"""Of halving the price of an hour's work: the bound is then within a thousandth of the best one."""

_HIGHEST_PRICE = 2.0
"""Work on demand costs 1 an hour, and a little more with its changeovers."""


def job_bound(terms: JobTerms, zones: Sequence[Sequence[bool]], step_seconds: float) -> float:
    """Return a lower bound on the cost of the work, by that on demand; `zones` say of each zone, tick by tick, whether it has capacity.

    Work is given a price; the best way through the ticks at that price (a state for each zone, on demand, none) is found backwards; the
    price at which the way does just the work gives the bound (Lagrange's dual). A start's work is lost whole: no best way starts for less.
    """
    ticks = [[number for number, has_capacity in enumerate(tick) if has_capacity] for tick in zip(*zones, strict=True)]
    ticks.reverse()
    low, high, best = 0.0, _HIGHEST_PRICE, 0.0
    for _ in range(ROUNDS):
        price = (low + high) / 2
        value, done = _best_way(terms, len(zones), ticks, step_seconds, price)
        best = max(best, value + price * terms.work_seconds)
        low, high = (low, price) if done >= terms.work_seconds else (price, high)
    return best / terms.work_seconds


def _best_way(terms: JobTerms, zone_count: int, ticks: Sequence[Sequence[int]], step: float, price: float) -> tuple[float, float]:
    """Return the value (cost less the price of the work) and the work of the best way, beginning with no machine; the last tick first."""
    lost = price * terms.changeover_seconds
    spot_gain, on_demand_gain = (terms.spot_price - price) * step, (1.0 - price) * step
    none, on_demand = (0.0, 0.0), (0.0, 0.0)
    spot = [none] * zone_count
    for able in ticks:
        run = (on_demand[0] + on_demand_gain, on_demand[1] + step)
        leave = min(none, (run[0] + lost, run[1] - terms.changeover_seconds))
        if able:
            kept = [(number, (spot[number][0] + spot_gain, spot[number][1] + step)) for number in able]
            best = min(one for _, one in kept)
            start = (best[0] + lost, best[1] - terms.changeover_seconds)
            leave = min(leave, start)
            spot = [leave] * zone_count
            for number, one in kept:
                spot[number] = min(leave, one)
        else:
            spot = [leave] * zone_count
        none, on_demand = leave, min(leave, run)
    return none
