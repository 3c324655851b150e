"""The prices as the server shows them for each primary: one line at first, and one whenever another pool is the cheapest."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spot_simulator.demo.apis import JsonApi

CheapestPool = tuple[str, str]
"""Instance type and AZ id."""


def changed_prices(server: JsonApi, seen: dict[str, CheapestPool | None]) -> list[tuple[str, dict[str, Any]]]:
    """Return (logical agent id, pricing) of every primary that is new or has another cheapest pool; `seen` is kept up to date."""
    found = []
    for agent in server.get("/agents")["items"]:
        if agent["primary"] is None:
            continue
        name = agent["logical_agent_id"]
        pricing = server.get(f"/instances/{agent['primary']['instance_id']}/pricing")
        if pricing["current"] is not None and is_news(pricing, name, seen):
            seen[name] = cheapest_pool(pricing)
            found.append((name, pricing))
    return found


def is_news(pricing: dict[str, Any], name: str, seen: Mapping[str, CheapestPool | None]) -> bool:
    """Whether nothing was shown of this agent yet, or another pool is the cheapest now: that alone changes where a move would go."""
    return name not in seen or seen[name] != cheapest_pool(pricing)


def cheapest_pool(pricing: dict[str, Any]) -> CheapestPool | None:
    """Return the cheapest of the pools; None while no price is known."""
    cheapest = _cheapest(pricing)
    return None if cheapest is None else (cheapest["instance_type"], cheapest["az_id"])


def _cheapest(pricing: dict[str, Any]) -> dict[str, Any] | None:
    return min(pricing["pools"], key=lambda pool: Decimal(pool["usd_per_hour"]), default=None)


def price_facts(pricing: dict[str, Any]) -> str:
    """Return what a person wants to see: the spot price of the primary's own pool with its source, on demand, and the cheapest pool."""
    current, on_demand = pricing["current"], pricing["on_demand"]
    source = f"seen by {current['source']} {current['age_seconds']:.1f} s ago"
    facts = [f"{pricing['instance_type']}/{pricing['az_id']} spot {current['usd_per_hour']} USD/h ({source})"]
    if on_demand is not None:
        facts.append(f"on demand {on_demand['usd_per_hour']}")
    cheapest = _cheapest(pricing)
    if cheapest is not None:
        place = f"{cheapest['instance_type']}/{cheapest['az_id']}"
        facts.append(f"cheapest of {len(pricing['pools'])} pools {place} {cheapest['usd_per_hour']}")
    return ", ".join(facts)
