"""The clairvoyant optimum of a job with a deadline: what it would cost to know all of the capacity beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from spot_server.backtest.jobs import JobTerms

ROUNDS = 14
"""Of halving the price of an hour's work: the bound is then within a thousandth of the best one."""

_HIGHEST_PRICE = 2.0
"""Work on demand costs 1 an hour, and a little more with its changeovers."""


def job_bound(terms: JobTerms, has_capacity: Sequence[bool], step_seconds: float) -> float:
    """Return a lower bound on the cost of the work, by that on demand.

    Work is given a price; the best way through the ticks at that price (three states: spot, on demand, none) is found backwards; the
    price at which the way does just the work gives the bound (Lagrange's dual). A start's work is lost whole: no best way starts for less.
    """
    low, high, best = 0.0, _HIGHEST_PRICE, 0.0
    for _ in range(ROUNDS):
        price = (low + high) / 2
        value, done = _best_way(terms, has_capacity, step_seconds, price)
        best = max(best, value + price * terms.work_seconds)
        low, high = (low, price) if done >= terms.work_seconds else (price, high)
    return best / terms.work_seconds


def _best_way(terms: JobTerms, has_capacity: Sequence[bool], step: float, price: float) -> tuple[float, float]:
    """Return the value (cost less the price of the work) and the work of the best way, beginning with no machine."""
    lost = price * terms.changeover_seconds
    spot_gain, on_demand_gain = (terms.spot_price - price) * step, (1.0 - price) * step
    none, spot, on_demand = (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)
    for capacity in reversed(has_capacity):
        wait = none
        run = (on_demand[0] + on_demand_gain, on_demand[1] + step)
        start = (run[0] + lost, run[1] - terms.changeover_seconds)
        if capacity:
            spot_run = (spot[0] + spot_gain, spot[1] + step)
            spot_start = (spot_run[0] + lost, spot_run[1] - terms.changeover_seconds)
            none, spot, on_demand = min(wait, start, spot_start), min(wait, start, spot_run), min(wait, run, spot_start)
        else:
            none, on_demand = min(wait, start), min(wait, run)
            spot = none
    return none
