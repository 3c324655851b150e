"""What scenes are made of: each does to the world what a person or AWS would do, and waits for the product to answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.books import Move, Stillness
from spot_simulator.demo.reading import read_all
from spot_simulator.demo.world import World
from spot_simulator.model.delays import NOTICE_LEAD_SECONDS
from spot_simulator.probe_report import read_held_numbers, read_log
from spot_simulator.probe_rules import downtime_seconds, lost_writes

MOVE_BOUND_SECONDS = 300.0
"""This and the bounds below end a wait for what never comes; they say nothing of how long a move takes."""
BEGIN_BOUND_SECONDS = 150.0
SETTLE_BOUND_SECONDS = 150.0
OUTAGE_THRESHOLD_SECONDS = 0.5
"""Gaps between good answers that are shorter are the machine's own hiccups, not an outage."""

ENDED = frozenset({"completed", "rolled_back", "cancelled", "failed"})


@dataclass(slots=True)
class Day:
    """Asks, waits, and keeps what the prober saw of each move."""

    world: World
    say: Callable[[str], None]
    agents: dict[str, str] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    stills: list[Stillness] = field(default_factory=list)
    _lost: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    """The writes that each scene lost, so that the next one does not count them again."""

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
            self.world.wait_for(f"spot prices for {name}", lambda name=name: self._can_switch(name), bound_seconds=SETTLE_BOUND_SECONDS)  # type: ignore[misc]

    def _can_switch(self, name: str) -> bool | None:
        try:
            return True if self.preview(name)["suitable"] else None
        except CallRefused:
            return None

    def preview(self, name: str) -> dict[str, Any]:
        """Return what a switch to spot would do; nothing is touched."""
        body = {"request_id": "look", "target": {"mode": "spot"}, "dry_run": True}
        plan: dict[str, Any] = self.world.server.post(f"/agents/{self.agents[name]}/switch", body)
        return plan

    def save(self, agent_id: str, **values: Any) -> None:  # noqa: ANN401 - settings of several types
        """Save settings of an agent, as its owner would."""
        self.world.server.post(f"/agents/{agent_id}/config", {"request_id": str(uuid.uuid4()), **values})

    @contextmanager
    def failing_starts(self, name: str) -> Iterator[None]:
        """Have the region fail every start of a workload on a new instance: after one alone, a restart could hide it."""
        tag = {"spot-optimizer:logical-agent-id": name}
        self.world.region.post("/workload-fault", {"tag": tag, "fail_starts": 1_000})
        try:
            yield
        finally:
            self.world.region.post("/workload-fault", {"tag": tag, "fail_starts": 0})

    def switch(self, name: str, scene: str, *, expected: str) -> None:
        """Ask for a move to the cheapest suitable spot pool, and wait for its end."""
        agent_id = self.agents[name]
        self.await_no_switch(agent_id)
        before = self.answering(name)
        body = {"request_id": str(uuid.uuid4()), "target": {"mode": "spot"}}
        begun = self.world.server.post(f"/agents/{agent_id}/switch", body)
        self.await_end(name, scene, begun["switch_id"], before, expected)

    def recommendation_then_notice(self, name: str, *, lead_seconds: float = NOTICE_LEAD_SECONDS) -> None:
        """A rebalance recommendation makes a replica; then the notice comes, with the replica ready."""
        agent_id = self.agents[name]
        self.await_no_switch(agent_id)
        primary_id = self.primary_id(name)
        self.world.region.post(f"/instances/{primary_id}/rebalance")
        self.world.wait_for(
            f"{name}: a ready replica after the recommendation",
            lambda: True if any(item["status"] == "ready" for item in self.replicas(agent_id)) else None,
            bound_seconds=MOVE_BOUND_SECONDS,
        )
        self.notice(name, "notice, replica ready", lead_seconds=lead_seconds)

    def notice(self, name: str, scene: str, *, lead_seconds: float = NOTICE_LEAD_SECONDS) -> dict[str, Any]:
        """Have EC2 announce the end of the primary, see the move that answers it to its end, and return it."""
        body = {"action": "terminate", "lead_seconds": lead_seconds}
        return self._answer(name, scene, f"/instances/{self.primary_id(name)}/notice", body)

    def loss(self, name: str, scene: str) -> dict[str, Any]:
        """Take the primary away without a word, see the move that answers it to its end, and return it.

        EC2's word comes by one of two ways: the control role reads the status of the spot request, or EC2 is asked about the silence.
        """
        primary_id = self.primary_id(name)
        switch = self._answer(name, scene, f"/instances/{primary_id}/lose", {})
        recorded = [item for item in read_all(self.world.server, "/interruptions") if item["instance_id"] == primary_id]
        told = [(item["kind"], item["switch_id"], [one["channel"] for one in item["channels"]]) for item in recorded]
        by_request = [("terminate", switch["switch_id"], ["control_role"])]
        if told not in (by_request, [("loss", switch["switch_id"], [])]):
            raise AssertionError(f"{name}, {scene}: answered by the {switch['trigger']} {switch['switch_id']}, recorded as {told}")
        self.say(f"--- {name}: EC2's word came {'by its spot request' if told == by_request else 'when asked about the silence'}")
        return switch

    def _answer(self, name: str, scene: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Have the region do something to the primary, and see the move that answers it to its end."""
        return self.begun_by(name, scene, lambda: self.world.region.post(path, body))

    def begun_by(self, name: str, scene: str, cause: Callable[[], object]) -> dict[str, Any]:
        """See the move that the server begins because of `cause` to its end, and return it."""
        agent_id, before = self.agents[name], self.answering(name)
        known = {item["switch_id"] for item in self.switches(agent_id)}
        cause()

        def begun() -> str | None:
            return next((s["switch_id"] for s in self.switches(agent_id) if s["switch_id"] not in known), None)

        switch_id = self.world.wait_for(f"{name}: a move in the scene '{scene}'", begun, bound_seconds=BEGIN_BOUND_SECONDS)
        return self.await_end(name, scene, switch_id, before, "completed")

    def await_end(self, name: str, scene: str, switch_id: str, before: datetime, expected: str) -> dict[str, Any]:
        """Wait until the switch has ended as expected, note what the prober saw of it since `before`, and return it."""
        path = f"/agents/{self.agents[name]}/switches/{switch_id}"

        def ended() -> dict[str, Any] | None:
            switch: dict[str, Any] = self.world.server.get(path)
            return switch if switch["status"] in ENDED else None

        switch = self.world.wait_for(f"{name}: {scene}", ended, bound_seconds=MOVE_BOUND_SECONDS)
        if switch["status"] != expected:
            raise AssertionError(f"{name}, {scene}: ended as {switch['status']}: {switch['failure']}")
        self.await_answer(name)
        self.world.pause(1.0)
        move = self._seen(name, scene, switch, before)
        self.moves.append(move)
        took_seconds = (datetime.fromisoformat(switch["completed_at"]) - datetime.fromisoformat(switch["initiated_at"])).total_seconds()
        seen = f"the prober saw {move.prober_downtime_seconds:.2f} s of outage"
        self.say(f"--- {name}: {scene}: {switch['status']} after {took_seconds:.1f} s, {seen}")
        return switch

    def answering(self, name: str) -> datetime:
        """Wait for a good answer through the address, and return the moment: what follows belongs to the scene."""
        self.await_answer(name)
        return self.world.clock.now()

    def outage_seconds(self, name: str, before: datetime) -> float:
        """Return how long the prober got no good answer since `before`."""
        probes, _torn = read_log(self.world.prober_log(name))
        return downtime_seconds(probes, OUTAGE_THRESHOLD_SECONDS, before, self.world.clock.now())

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
            switches = [s for agent_id in self.agents.values() for s in self.switches(agent_id)]
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

    def await_no_switch(self, agent_id: str) -> None:
        """Wait until no move of the agent runs."""

        def idle() -> bool | None:
            return True if all(s["status"] in ENDED for s in self.switches(agent_id)) else None

        self.world.wait_for("the move before to end", idle, bound_seconds=MOVE_BOUND_SECONDS)

    def switches(self, agent_id: str) -> list[dict[str, Any]]:
        """Return the agent's moves, newest first."""
        items: list[dict[str, Any]] = self.world.server.get("/switch-history", agent_id=agent_id)["items"]
        return items

    def replicas(self, agent_id: str) -> list[dict[str, Any]]:
        """Return every replica that the agent ever had."""
        return [item for item in read_all(self.world.server, "/replicas") if item["agent_id"] == agent_id]
