"""The prices as the server shows them for each primary: one line whenever they change."""

from __future__ import annotations

from typing import Any

from spot_simulator.demo.apis import JsonApi

PriceMark = tuple[str, str, str]
"""Instance, time of the observation, price: what makes one answer another."""


def changed_prices(server: JsonApi, seen: set[PriceMark]) -> list[tuple[str, dict[str, Any]]]:
    """Return (logical agent id, pricing) of every primary whose current price was observed anew; `seen` is kept up to date."""
    found = []
    for agent in server.get("/agents")["items"]:
        if agent["primary"] is None:
            continue
        pricing = server.get(f"/instances/{agent['primary']['instance_id']}/pricing")
        mark = mark_of(pricing)
        if mark is not None and mark not in seen:
            seen.add(mark)
            found.append((agent["logical_agent_id"], pricing))
    return found


def mark_of(pricing: dict[str, Any]) -> PriceMark | None:
    """Return what tells this answer from an earlier one; None while no price is known."""
    current = pricing["current"]
    return None if current is None else (pricing["instance_id"], current["observed_at"], current["usd_per_hour"])


def price_facts(pricing: dict[str, Any]) -> str:
    """Return what a person wants to see: the spot price of the primary's own pool with its source, on demand, and the cheapest pool."""
    current, on_demand = pricing["current"], pricing["on_demand"]
    source = f"seen by {current['source']} {current['age_seconds']:.1f} s ago"
    facts = [f"{pricing['instance_type']}/{pricing['az_id']} spot {current['usd_per_hour']} USD/h ({source})"]
    if on_demand is not None:
        facts.append(f"on demand {on_demand['usd_per_hour']}")
    cheapest = min(pricing["pools"], key=lambda pool: float(pool["usd_per_hour"]), default=None)
    if cheapest is not None:
        place = f"{cheapest['instance_type']}/{cheapest['az_id']}"
        facts.append(f"cheapest of {len(pricing['pools'])} pools {place} {cheapest['usd_per_hour']}")
    return ", ".join(facts)
