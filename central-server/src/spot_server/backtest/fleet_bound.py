"""What machines that serve side by side cost at least, with all of the capacity known beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from spot_server.backtest.fleet import FleetTerms


def fleet_bound(terms: FleetTerms, capacities: Sequence[Sequence[int]]) -> float:
    """Return a lower bound on the cost of serving in full at every tick, by that on demand.

    At each tick as many on spot as there is capacity for, the rest on demand; cold starts and moves cost nothing, so no policy reaches it.
    """
    wanted = terms.wanted
    paid = 0.0
    for capacity in capacities:
        spot = min(wanted, sum(capacity))
        paid += spot * terms.spot_price + (wanted - spot)
    return paid / (wanted * len(capacities))
