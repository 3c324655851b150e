"""The scripted day: each scene does to the world what a person or AWS would do, and waits for the product to answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.books import Move
from spot_simulator.demo.world import World
from spot_simulator.probe_report import downtime_seconds, lost_writes, read_held_numbers, read_log

MOVE_BOUND_SECONDS = 120.0
SETTLE_BOUND_SECONDS = 60.0
OUTAGE_THRESHOLD_SECONDS = 0.5
"""Gaps between good answers that are shorter are the machine's own hiccups, not an outage."""

ENDED = frozenset({"completed", "rolled_back", "cancelled", "failed"})


@dataclass(slots=True)
class Day:
    """Plays the scenes and keeps what the prober saw of each move."""

    world: World
    say: Callable[[str], None]
    agents: dict[str, str] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    _lost: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """The writes that each scene lost, so that the next one does not count them again."""

    def play(self) -> None:
        """Play the whole day."""
        self.await_registrations()
        self.await_prices()
        self.say("--- each workload is switched to the cheapest suitable spot pool; the start of 'reports' fails on the new side")
        self.fail_next_start("reports")
        with ThreadPoolExecutor(max_workers=3) as pool:
            planned = [
                pool.submit(self.switch, "web", "planned switch to spot", expected="completed"),
                pool.submit(self.switch, "orders", "planned switch to spot", expected="completed"),
                pool.submit(self.switch, "reports", "switch that fails, undone", expected="rolled_back"),
            ]
            for future in planned:
                future.result()
            self.say("--- 'reports' is switched again; 'web' gets a recommendation, then a notice; 'orders' a notice with no replica")
            scenes = [
                pool.submit(self.switch, "reports", "the same switch again", expected="completed"),
                pool.submit(self.recommendation_then_notice, "web"),
                pool.submit(self.notice_without_replica, "orders"),
            ]
            for future in scenes:
                future.result()
        self.await_retirements()

    def await_registrations(self) -> None:
        """Wait until every workload is registered and answers through its address."""

        def registered() -> bool | None:
            self.agents = {item["logical_agent_id"]: item["agent_id"] for item in self.world.server.get("/agents")["items"]}
            return True if len(self.agents) == len(self.world.settings.workloads) else None

        self.world.wait_for("three registrations", registered, bound_seconds=MOVE_BOUND_SECONDS)
        for workload in self.world.settings.workloads:
            self.await_answer(workload.name)

    def await_answer(self, name: str) -> None:
        """Wait until a workload answers through its address."""

        def answers() -> bool | None:
            try:
                good = requests.get(f"http://{self.world.public_ips[name]}:8080/health", timeout=2).ok
            except requests.RequestException:
                good = False
            return good or None

        self.world.wait_for(f"{name} to answer through its address", answers, bound_seconds=MOVE_BOUND_SECONDS)

    def await_prices(self) -> None:
        """Wait until there are spot prices for every workload to choose by."""
        for name in self.agents:
            self.world.wait_for(f"spot prices for {name}", lambda name=name: self._can_switch(name), bound_seconds=60)  # type: ignore[misc]

    def _can_switch(self, name: str) -> bool | None:
        body = {"request_id": "look", "target": {"mode": "spot"}, "dry_run": True}
        try:
            plan = self.world.server.post(f"/agents/{self.agents[name]}/switch", body)
        except CallRefused:
            return None
        return True if plan["suitable"] else None

    def fail_next_start(self, name: str) -> None:
        """Have the region fail the next start of a workload on a new instance."""
        tag = {"spot-optimizer:logical-agent-id": name}
        self.world.region.post("/workload-fault", {"tag": tag, "fail_starts": 1})

    def switch(self, name: str, scene: str, *, expected: str) -> None:
        """Ask for a move to the cheapest suitable spot pool, and wait for its end."""
        agent_id = self.agents[name]
        self._await_no_switch(agent_id)
        before = self._answering(name)
        body = {"request_id": str(uuid.uuid4()), "target": {"mode": "spot"}}
        begun = self.world.server.post(f"/agents/{agent_id}/switch", body)
        self._await_end(name, scene, begun["switch_id"], before, expected)

    def recommendation_then_notice(self, name: str) -> None:
        """A rebalance recommendation makes a replica; then the notice comes, with the replica ready."""
        agent_id = self.agents[name]
        self._await_no_switch(agent_id)
        primary_id = self.primary_id(name)
        self.world.region.post(f"/instances/{primary_id}/rebalance")
        self.world.wait_for(
            f"{name}: a ready replica after the recommendation",
            lambda: True if self._replicas(agent_id, "ready") else None,
            bound_seconds=MOVE_BOUND_SECONDS,
        )
        self._notice(name, "notice, replica ready")

    def notice_without_replica(self, name: str) -> None:
        """A notice comes out of the blue."""
        self._await_no_switch(self.agents[name])
        self._notice(name, "notice, no replica")

    def _notice(self, name: str, scene: str) -> None:
        agent_id, primary_id = self.agents[name], self.primary_id(name)
        before = self._answering(name)
        known = {item["switch_id"] for item in self._switches(agent_id)}
        self.world.region.post(f"/instances/{primary_id}/notice", {"action": "terminate", "lead_seconds": 120})

        def begun() -> str | None:
            return next((s["switch_id"] for s in self._switches(agent_id) if s["switch_id"] not in known), None)

        switch_id = self.world.wait_for(f"{name}: a move after the notice", begun, bound_seconds=30)
        self._await_end(name, scene, switch_id, before, "completed")

    def _await_end(self, name: str, scene: str, switch_id: str, before: datetime, expected: str) -> None:
        path = f"/agents/{self.agents[name]}/switches/{switch_id}"

        def ended() -> dict[str, Any] | None:
            switch: dict[str, Any] = self.world.server.get(path)
            return switch if switch["status"] in ENDED else None

        switch = self.world.wait_for(f"{name}: {scene}", ended, bound_seconds=MOVE_BOUND_SECONDS)
        if switch["status"] != expected:
            raise AssertionError(f"{name}, {scene}: ended as {switch['status']}: {switch['failure']}")
        self.await_answer(name)
        self.world.pause(1.0)
        self.moves.append(self._seen(name, scene, switch, before))
        self.say(f"--- {name}: {scene}: {switch['status']}, the prober saw {self.moves[-1].prober_downtime_seconds:.2f} s of outage")

    def _answering(self, name: str) -> datetime:
        """Wait for a good answer through the address, and return the moment: what follows belongs to the scene."""
        self.await_answer(name)
        return self.world.clock.now()

    def _seen(self, name: str, scene: str, switch: dict[str, Any], before: datetime) -> Move:
        probes, _torn = read_log(self.world.prober_log(name))
        now = self.world.clock.now()
        held = read_held_numbers(f"http://{self.world.public_ips[name]}:8080")
        settled = [probe for probe in probes if probe.sent_at < now - timedelta(seconds=1)]
        earlier = {number for (owner, _scene), numbers in self._lost.items() if owner == name for number in numbers}
        lost = [number for number in lost_writes(settled, held) if number not in earlier]
        self._lost[name, scene] = tuple(lost)
        outage_seconds = downtime_seconds(probes, OUTAGE_THRESHOLD_SECONDS, before, now)
        return Move(name, scene, switch, outage_seconds, len(lost))

    def await_retirements(self) -> None:
        """Wait until every instance that is no longer needed is gone."""

        def settled() -> bool | None:
            running = [item for item in self.world.region.get("/state")["instances"] if item["state"] != "terminated"]
            switches = [s for agent_id in self.agents.values() for s in self._switches(agent_id)]
            recorded = all(s["old_terminated_at"] for s in switches if s["status"] == "completed")
            return True if len(running) == len(self.world.settings.workloads) and recorded else None

        self.world.wait_for("the old instances to be gone", settled, bound_seconds=SETTLE_BOUND_SECONDS)
        self.moves = [self._refreshed(move) for move in self.moves]

    def _refreshed(self, move: Move) -> Move:
        switch = self.world.server.get(f"/agents/{self.agents[move.name]}/switches/{move.switch['switch_id']}")
        return Move(move.name, move.scene, switch, move.prober_downtime_seconds, move.lost_writes)

    def primary_id(self, name: str) -> str:
        """Return the instance that the server calls PRIMARY."""
        primary: str = self.world.server.get(f"/agents/{self.agents[name]}")["agent"]["primary"]["instance_id"]
        return primary

    def _await_no_switch(self, agent_id: str) -> None:
        def idle() -> bool | None:
            return True if all(s["status"] in ENDED for s in self._switches(agent_id)) else None

        self.world.wait_for("the move before to end", idle, bound_seconds=MOVE_BOUND_SECONDS)

    def _switches(self, agent_id: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.world.server.get("/switch-history", agent_id=agent_id)["items"]
        return items

    def _replicas(self, agent_id: str, status: str) -> list[dict[str, Any]]:
        items = self.world.server.get("/replicas")["items"]
        return [item for item in items if item["agent_id"] == agent_id and item["status"] == status]
