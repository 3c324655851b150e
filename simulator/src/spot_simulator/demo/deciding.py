"""The scene in which nobody asks for a move: auto-switch is on, and a decision makes it, with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from spot_simulator.demo.books import decision_disagreements
from spot_simulator.demo.day import SETTLE_BOUND_SECONDS, Day

CHEAPER_BY = Decimal("0.5")
"""What the pool comes to cost, of what the cheapest other one costs: so plainly that no other choice would make sense."""


MOST_REJECTIONS_TOLD = 6
"""Of some forty places: the demo's lines are read as they scroll by."""


def moved_by_a_decision(day: Day, name: str, scene: str) -> None:
    """A pool becomes plainly cheaper; the server is asked why it does not move there, then auto-switch is turned on, and it does."""
    agent_id = day.agents[name]
    day.await_no_switch(agent_id)
    pool = _make_one_pool_cheap(day, name)
    place = f"spot/{pool['instance_type']}/{pool['az_id']}"
    explained = day.world.server.get(f"/agents/{agent_id}/why-on-demand")
    day.say(f"--- {name}: why is it still on demand? {explained['answer']}")
    if explained["target"] != place or "auto_switch_enabled is off" not in explained["answer"]:
        raise AssertionError(f"{name}: {place} is plainly the cheapest, and auto-switch is off; told was {explained}")
    switch = day.begun_by(name, scene, lambda: day.save(agent_id, auto_switch_enabled=True))
    decision = _decision_behind(day, agent_id, switch["switch_id"])
    day.say(f"--- {name}: decided with a confidence of {decision['confidence']:.2f}: {decision['reasoning']}")
    for line in told_rejections(decision["rejected"]):
        day.say(f"---     {line}")
    day.say(f"--- {name}: decided once more from what is stored: {day.world.replay_decision(decision['decision_id']).splitlines()[-1]}")
    found = decision_disagreements(name, decision, switch, place)
    if found:
        raise AssertionError("; ".join(found))


def told_rejections(rejected: Mapping[str, str]) -> list[str]:
    """Return the lines that tell what was not chosen: the spot pools first, and how many more there were."""
    by_mode = sorted(rejected.items(), key=lambda item: (not item[0].startswith("spot/"), item[0]))
    lines = [f"not {place}: {reason}" for place, reason in by_mode[:MOST_REJECTIONS_TOLD]]
    left = len(by_mode) - len(lines)
    return [*lines, f"and {left} more, each with its reason, in GET decisions"] if left else lines


def _make_one_pool_cheap(day: Day, name: str) -> dict[str, str]:
    """Have the region sell the dearest pool that would do for half of the cheapest one's price, and wait until the server knows."""
    offers = [offer for offer in day.preview(name)["suitable"] if offer["mode"] == "spot"]
    dearest = max(offers, key=lambda offer: (Decimal(offer["usd_per_hour"]), offer["instance_type"], offer["az_id"]))
    pool = {"instance_type": dearest["instance_type"], "az_id": dearest["az_id"]}
    cheap = min(Decimal(offer["usd_per_hour"]) for offer in offers) * CHEAPER_BY
    usd_per_hour = f"{cheap:.4f}"
    day.world.region.post("/prices", {**pool, "usd_per_hour": usd_per_hour})

    def is_known() -> bool | None:
        return any(_is_offer(offer, pool, usd_per_hour) for offer in day.preview(name)["suitable"]) or None

    day.world.wait_for(f"{name}: the new price", is_known, bound_seconds=SETTLE_BOUND_SECONDS)
    return pool


def _is_offer(offer: dict[str, Any], pool: dict[str, str], usd_per_hour: str) -> bool:
    is_pool = offer["mode"] == "spot" and pool.items() <= offer.items()
    return is_pool and Decimal(offer["usd_per_hour"]) == Decimal(usd_per_hour)


def _decision_behind(day: Day, agent_id: str, switch_id: str) -> dict[str, Any]:
    decisions: list[dict[str, Any]] = day.world.server.get(f"/agents/{agent_id}/decisions")["items"]
    return next(item for item in decisions if item["switch_id"] == switch_id)
