"""The script of the day, scene by scene."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from spot_simulator.demo.day import MOVE_BOUND_SECONDS, Day
from spot_simulator.demo.deciding import moved_by_a_decision
from spot_simulator.demo.stillness import dead_daemon


def play(day: Day) -> None:
    """Play the whole day."""
    day.await_registrations()
    day.await_prices()
    day.say("--- 'web' and 'orders' are left to the server: a pool becomes plainly cheaper than the others, and auto-switch is turned on")
    day.say("--- a person switches 'reports' to the cheapest suitable spot pool; its start fails on the new side")
    with day.failing_starts("reports"):
        _at_once(
            lambda: moved_by_a_decision(day, "web", "moved by a decision"),
            lambda: moved_by_a_decision(day, "orders", "moved by a decision"),
            lambda: day.switch("reports", "switch that fails, undone", expected="rolled_back"),
        )
    day.say("--- 'reports' is switched again; 'web' gets a recommendation, then a notice; 'orders' a notice, and the first pool is empty")
    _at_once(
        lambda: day.switch("reports", "the same switch again", expected="completed"),
        lambda: recommendation_notice_and_standby(day, "web"),
        lambda: notice_with_an_empty_pool(day, "orders"),
    )
    day.say("--- 'web' is lost without a word while a standby is ready, 'reports' while there is none; of 'orders' only the daemon dies")
    _at_once(
        lambda: lost_with_a_standby(day, "web"),
        lambda: day.loss("reports", "lost without a word, no replica"),
        lambda: dead_daemon(day, "orders", "daemon alone dies"),
    )
    day.await_retirements()


def _at_once(*scenes: Callable[[], object]) -> None:
    with ThreadPoolExecutor(max_workers=len(scenes)) as pool:
        for future in [pool.submit(scene) for scene in scenes]:
            future.result()


def recommendation_notice_and_standby(day: Day, name: str) -> None:
    """A rebalance recommendation makes a replica, the notice takes it into service; then a person keeps a standby."""
    day.recommendation_then_notice(name)
    manual_standby(day, name)


def notice_with_an_empty_pool(day: Day, name: str) -> None:
    """A notice comes out of the blue, and the pool that would be taken first has nothing left: the move goes on to the next."""
    day.await_no_switch(day.agents[name])
    pool = first_choice(day, name)
    day.world.region.post("/capacity", {**pool, "mode": "spot", "available": False})
    switch = day.notice(name, "notice, first pool empty")
    refused = next(item for item in day.replicas(day.agents[name]) if item["replica_id"] == switch["replica_id"])["rejected_places"]
    place = f"spot/{pool['instance_type']}/{pool['az_id']}"
    if place not in refused:
        raise AssertionError(f"{name}: {place} was empty and should have been tried first; refused were {refused}")
    day.say(f"--- {name}: {', '.join(refused)} had no capacity; the move went on to {switch['to_instance_type']}/{switch['to_az_id']}")


def first_choice(day: Day, name: str) -> dict[str, str]:
    """Return the pool where a replica of this workload would be launched: another zone, another type, then the cheapest."""
    primary = day.world.server.get(f"/agents/{day.agents[name]}")["agent"]["primary"]
    plan = day.preview(name)
    best = min(
        plan["suitable"],
        key=lambda offer: (
            offer["az_id"] == primary["az_id"],
            offer["instance_type"] == primary["instance_type"],
            float(offer["usd_per_hour"]),
        ),
    )
    return {"instance_type": best["instance_type"], "az_id": best["az_id"]}


def manual_standby(day: Day, name: str) -> None:
    """A person turns manual replica mode on instead of auto-switch, promotes the standby once it is ready, and sees the next one made."""
    agent_id = day.agents[name]
    day.await_no_switch(agent_id)
    primary = day.world.server.get(f"/agents/{agent_id}")["agent"]["primary"]
    day.save(agent_id, auto_switch_enabled=False, manual_replica_enabled=True, replica_count=1)
    standby = _await_standby(day, name, set())
    if standby["az_id"] == primary["az_id"]:
        raise AssertionError(f"{name}: the standby {standby['replica_id']} is in the primary's own zone {primary['az_id']}")
    day.say(f"--- {name}: a standby is kept in {standby['az_id']}, the primary is in {primary['az_id']}; a person promotes it")
    before = day.answering(name)
    path = f"/agents/{agent_id}/replicas/{standby['replica_id']}/promote"
    begun = day.world.server.post(path, {"request_id": str(uuid.uuid4()), "accept_data_loss": True})
    day.await_end(name, "standby promoted by a person", begun["switch_id"], before, "completed")
    following = _await_standby(day, name, {standby["replica_id"]})
    day.say(f"--- {name}: the next standby is ready in {following['az_id']}")


def lost_with_a_standby(day: Day, name: str) -> None:
    """The primary is lost without a notice while the standby is ready; the next standby is made, and the mode turned off."""
    agent_id = day.agents[name]
    day.await_no_switch(agent_id)
    standby = _await_standby(day, name, set())
    switch = day.loss(name, "lost without a word, standby ready")
    if switch["replica_id"] != standby["replica_id"]:
        raise AssertionError(f"{name}: {standby['replica_id']} was ready, and the rescue went to {switch['replica_id']}")
    following = _await_standby(day, name, {standby["replica_id"]})
    day.say(f"--- {name}: the next standby is ready in {following['az_id']}; manual replica mode is turned off")
    day.save(agent_id, manual_replica_enabled=False)


def _await_standby(day: Day, name: str, known: set[str]) -> dict[str, Any]:
    def ready() -> dict[str, Any] | None:
        standbys = [item for item in day.replicas(day.agents[name]) if item["kind"] == "manual" and item["status"] == "ready"]
        return next((item for item in standbys if item["replica_id"] not in known), None)

    return day.world.wait_for(f"{name}: a standby that is ready", ready, bound_seconds=MOVE_BOUND_SECONDS)
