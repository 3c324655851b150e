"""Keeps one workload busy: switches, cancellations, recommendations, notices and promotions, one after another."""

import contextlib
import random
import threading
from collections.abc import Callable
from typing import Any

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.day import ENDED
from spot_simulator.demo.world import World
from system.client import Ledger, persist

WAIT_BOUND_SECONDS = 120.0
LIVE = frozenset({"launching", "syncing", "ready"})
LONGEST_REST_SECONDS = 1.0


class Mover(threading.Thread):
    """Acts until it is told to stop. `notice_lead_seconds` None: it gets no notices."""

    def __init__(self, world: World, name: str, agent_id: str, ledger: Ledger, seed: str, *, notice_lead_seconds: float | None) -> None:
        super().__init__(name=f"mover-{name}", daemon=True)
        self._world, self._workload, self._agent_id, self._ledger = world, name, agent_id, ledger
        self._random = random.Random(f"{seed}-{name}")
        self._stop_asked = threading.Event()
        self._count = 0
        self._acts: list[Callable[[], None]] = [self._switch, self._switch, self._switch_and_cancel, self._recommend]
        self._lead_seconds = notice_lead_seconds or 0.0
        if notice_lead_seconds is not None:
            self._acts += [self._notice, self._notice, self._recommend_then_notice, self._promote_standby]
        self.done: dict[str, int] = {}
        self.errors: list[str] = []

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop_asked.set()

    def run(self) -> None:
        """One act after another; what the server or the region refuses is part of the game."""
        while not self._stop_asked.is_set():
            act = self._random.choice(self._acts)
            name = getattr(act, "__name__", "")
            try:
                act()
                self.done[name] = self.done.get(name, 0) + 1
            except CallRefused as refused:
                self._ledger.refuse(f"{name}: {refused.status}")
            except TimeoutError as error:
                self.errors.append(f"{self._workload}: {error}")
            self._await_idle()
            self._rest()

    def _rest(self) -> None:
        self._stop_asked.wait(self._random.uniform(0, LONGEST_REST_SECONDS))

    def _ask_switch(self) -> str:
        self._count += 1
        request_id = f"{self._workload}-{self._count}"
        target = {"mode": "on_demand" if self._random.random() < 0.2 else "spot"}
        body = {"request_id": request_id, "target": target}
        return self._acknowledged(self._ledger.switches, f"/agents/{self._agent_id}/switch", body, "switch_id")

    def _acknowledged(self, book: dict[str, str], path: str, body: dict[str, Any], key: str) -> str:
        """Ask once, sometimes twice, under one request_id: the answers must be the same."""
        made_id = ""
        for _ in range(2 if self._random.random() < 0.3 else 1):
            made_id = persist(self._world.server, "POST", path, body)[key]
            self._ledger.acknowledge(book, body["request_id"], made_id)
        return made_id

    def _switch(self) -> None:
        self._ask_switch()

    def _switch_and_cancel(self) -> None:
        switch_id = self._ask_switch()
        self._stop_asked.wait(self._random.uniform(0, 8))
        persist(self._world.server, "POST", f"/agents/{self._agent_id}/switches/{switch_id}/cancel")

    def _recommend(self) -> None:
        self._at_region("rebalance", {})

    def _notice(self) -> None:
        lead_seconds = self._lead_seconds / self._world.settings.time_scale
        self._at_region("notice", {"action": "terminate", "lead_seconds": lead_seconds})

    def _recommend_then_notice(self) -> None:
        self._recommend()
        self._stop_asked.wait(self._random.uniform(0, 8))
        if not self._stop_asked.is_set():
            self._notice()

    def _promote_standby(self) -> None:
        self._count += 1
        body = {"request_id": f"{self._workload}-standby-{self._count}"}
        replica_id = self._acknowledged(self._ledger.replicas, f"/agents/{self._agent_id}/replicas", body, "replica_id")
        self._until(lambda: self._is_over(replica_id))
        promotion = {"request_id": f"{self._workload}-promotion-{self._count}", "accept_data_loss": True}
        path = f"/agents/{self._agent_id}/replicas/{replica_id}/promote"
        self._acknowledged(self._ledger.switches, path, promotion, "switch_id")

    def retire_standbys(self) -> None:
        """Give up the standbys that were asked for and not promoted."""
        for item in persist(self._world.server, "GET", "/replicas?limit=500")["items"]:
            is_left = item["agent_id"] == self._agent_id and item["kind"] == "manual" and item["status"] in LIVE
            if is_left:
                with contextlib.suppress(CallRefused):  # a handover uses it
                    persist(self._world.server, "DELETE", f"/agents/{self._agent_id}/replicas/{item['replica_id']}")

    def _is_over(self, replica_id: str) -> bool:
        replicas = persist(self._world.server, "GET", "/replicas?limit=100")["items"]
        return all(item["status"] not in {"launching", "syncing"} for item in replicas if item["replica_id"] == replica_id)

    def _at_region(self, what: str, body: dict[str, Any]) -> None:
        primary = persist(self._world.server, "GET", f"/agents/{self._agent_id}")["agent"]["primary"]
        if primary is not None:
            persist(self._world.region, "POST", f"/instances/{primary['instance_id']}/{what}", body)

    def _await_idle(self) -> None:
        """Wait for the end of a move that runs, and for a primary."""
        self._until(self._is_idle)

    def _is_idle(self) -> bool:
        agent = persist(self._world.server, "GET", f"/agents/{self._agent_id}")["agent"]
        moves = persist(self._world.server, "GET", f"/switch-history?agent_id={self._agent_id}&limit=1")["items"]
        return agent["primary"] is not None and all(move["status"] in ENDED for move in moves)

    def _until(self, is_so: Callable[[], bool]) -> None:
        until_seconds = self._world.clock.monotonic_seconds() + WAIT_BOUND_SECONDS
        while not is_so() and not self._stop_asked.wait(0.3):
            if self._world.clock.monotonic_seconds() > until_seconds:
                return
