"""Moves one workload again and again, with somebody killed in each move, and looks at the world after each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.day import ENDED
from spot_simulator.demo.reading import instances_of
from spot_simulator.demo.world import Workload, World
from system.client import persist
from system.crashes import Crash, Moved
from system.executioner import Executioner, Order
from system.kept_state import data_volumes, losses, volume_faults
from system.workloads import PLACE

NOTICE_LEAD_SECONDS = 15.0
"""Real ones: compressed less than the rest, because processes start in real time."""
MOVE_BOUND_SECONDS = 300.0
"""A move takes 10 to 20 s on an idle machine of two cores; one that hangs never ends."""
MOST_ATTEMPTS = 3
"""A moment of milliseconds is over before a busy machine has seen it: then the move is made again."""
AZ_COUNT = 6


@dataclass
class CrashMover:
    """Moves one workload once for each crash of its share."""

    world: World
    workload: Workload
    agent_id: str
    executioner: Executioner
    crashes: list[Crash]
    happened: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    _volumes_left: int = 0
    """By moves to another AZ, which leave the old volumes where they were."""

    @property
    def name(self) -> str:
        """The workload's."""
        return self.workload.name

    def run(self) -> None:
        """One move after the other; what does not come to its end is told, and the rest is not played."""
        try:
            for number, crash in enumerate(self.crashes):
                if any(self._play(crash, f"{self.name}-{number}-{attempt}") for attempt in range(MOST_ATTEMPTS)):
                    self.happened.append(str(crash))
                else:
                    self.missed.append(str(crash))
        except (AssertionError, OSError, CallRefused) as failure:  # a TimeoutError is an OSError
            self.wrongs.append(f"{self.name}: {failure!r}")

    def _play(self, crash: Crash, request_id: str) -> bool:
        """Make the move of a crash, and tell whether it happened in it."""
        replica_id = self._standby(request_id) if crash.moved is Moved.PROMOTION else ""
        known = {switch["switch_id"] for switch in self._switches()}
        primary = self._agent()["primary"]
        order = self.executioner.orders[self.agent_id] = Order(crash, primary["instance_id"])
        self._begin(crash, request_id, primary, replica_id)
        self._await(f"{crash}: a move", lambda: len(self._begun(known)) > 0)
        self._await(f"{crash}: its end", lambda: all(switch["status"] in ENDED for switch in self._switches()))
        if replica_id:
            self._give_up(replica_id)
        self._await(f"{crash}: one instance that is left", self._is_at_rest)
        has_happened = order.happened.wait(2)
        if not has_happened:
            self.executioner.orders.pop(self.agent_id, None)
        begun = self._begun(known)
        if len(begun) != 1:
            self.wrongs.append(f"{crash}: {len(begun)} moves were begun")
        if crash.moved is Moved.ELSEWHERE:
            self._volumes_left += sum(switch["status"] == "completed" for switch in begun)
        if crash.carry != "stateless":
            self._await(f"{crash}: the state", lambda: not self._state_faults(), else_tell=self._state_faults)
        return has_happened

    def _begin(self, crash: Crash, request_id: str, primary: dict[str, Any], replica_id: str) -> None:
        match crash.moved:
            case Moved.PLANNED | Moved.ELSEWHERE:
                place = {"az_id": _another_az(primary["az_id"])} if crash.moved is Moved.ELSEWHERE else {}
                body = {"request_id": request_id, "target": {"mode": "spot", **place}}
                persist(self.world.server, "POST", f"/agents/{self.agent_id}/switch", body)
            case Moved.NOTICE:
                notice = {"action": "terminate", "lead_seconds": NOTICE_LEAD_SECONDS / self.world.settings.time_scale}
                persist(self.world.region, "POST", f"/instances/{primary['instance_id']}/notice", notice)
            case Moved.PROMOTION:
                promotion = {"request_id": f"{request_id}-promotion", "accept_data_loss": True}
                persist(self.world.server, "POST", f"/agents/{self.agent_id}/replicas/{replica_id}/promote", promotion)

    def _standby(self, request_id: str) -> str:
        made = persist(self.world.server, "POST", f"/agents/{self.agent_id}/replicas", {"request_id": f"{request_id}-standby"})
        replica_id: str = made["replica_id"]

        def is_ready() -> bool:
            replicas = persist(self.world.server, "GET", "/replicas?limit=500")["items"]
            return any(one["replica_id"] == replica_id and one["status"] == "ready" for one in replicas)

        self._await("a standby", is_ready)
        return replica_id

    def _give_up(self, replica_id: str) -> None:
        """As a person would after a promotion that was taken back; the server refuses it for one that was promoted, or is gone."""
        with contextlib.suppress(CallRefused):
            persist(self.world.server, "DELETE", f"/agents/{self.agent_id}/replicas/{replica_id}")

    def _is_at_rest(self) -> bool:
        """No move runs, and one instance is left: the other was retired, or never came up."""
        if self._agent()["primary"] is None or any(switch["status"] not in ENDED for switch in self._switches()):
            return False
        mine = instances_of(self.name, self.world, persist(self.world.region, "GET", "/state"))
        return len([one for one in mine if one["state"] != "terminated"]) == 1

    def _state_faults(self) -> list[str]:
        """Return what was lost or left over, though the carry promises otherwise in every move that is made here."""
        found = losses(self.world, self.name)
        if self.workload.carry == "volume":
            volumes, primary_id = data_volumes(self.world, self.name), self._agent()["primary"]["instance_id"]
            found += volume_faults(self.name, volumes, primary_id, PLACE, expected_count=1 + self._volumes_left)
        return found

    def _agent(self) -> dict[str, Any]:
        agent: dict[str, Any] = persist(self.world.server, "GET", f"/agents/{self.agent_id}")["agent"]
        return agent

    def _switches(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = persist(self.world.server, "GET", f"/switch-history?agent_id={self.agent_id}&limit=500")["items"]
        return items

    def _begun(self, known: set[str]) -> list[dict[str, Any]]:
        return [switch for switch in self._switches() if switch["switch_id"] not in known]

    def _await(self, what: str, is_so: Callable[[], bool], else_tell: Callable[[], list[str]] = list) -> None:
        until_seconds = self.world.clock.monotonic_seconds() + MOVE_BOUND_SECONDS
        while not is_so():
            if self.world.clock.monotonic_seconds() > until_seconds:
                raise TimeoutError(f"{what}: not within {MOVE_BOUND_SECONDS:g} s {'; '.join(else_tell())}".rstrip())
            self.world.clock.sleep(0.2)


def _another_az(az_id: str) -> str:
    region, _, number = az_id.rpartition("az")
    return f"{region}az{int(number) % AZ_COUNT + 1}"
