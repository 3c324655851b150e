"""kill -9 of a daemon, web, jobs or MariaDB at every moment of a move, then a restart: one PRIMARY, no orphan, nothing twice."""

import os
import random
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server_support.databases import MARIADB_VARIABLE
from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import ENDED, Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World
from system.client import persist
from system.crashes import Crash, Executioner, Moved, Order, PrivateMariaDb, Victim, all_crashes
from system.storm import SERVER_SETTINGS

CRASHES_VARIABLE = "SPOT_TEST_CRASHES"
"""How many of all crashes are played on each database; `all` plays every one."""
CRASHES = os.environ.get(CRASHES_VARIABLE, "12")
SEED_VARIABLE = "SPOT_TEST_SEED"
TYPES = ("m5.large", "m5a.large", "m6i.large")
WORKLOADS = tuple(Workload(name, "stateless", "m5.large", TYPES, starts_on_spot=True) for name in ("web", "carts", "search"))
TIME_SCALE = 0.02
ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
NOTICE_LEAD_SECONDS = 15.0
"""Real ones: compressed less than the rest, because processes start in real time."""
MOVE_BOUND_SECONDS = 240.0

pytestmark = [pytest.mark.server, pytest.mark.storm, pytest.mark.timeout(1800)]


def say(line: str) -> None:
    """Print at once: the seed is what a person needs to look again."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(slots=True)
class Database:
    """Where the server keeps its books, and who may be killed there."""

    url: str
    victims: frozenset[Victim]
    mariadb: PrivateMariaDb | None = None


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of this run's own; a MariaDB server as well, as it is killed."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/spot.db", frozenset(Victim) - {Victim.MARIADB})
        return
    if MARIADB_VARIABLE not in os.environ:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{MARIADB_VARIABLE} is not set; CI runs every test")
        pytest.skip(f"{MARIADB_VARIABLE} is not set")
    mariadb = PrivateMariaDb(tmp_path / "mariadb")
    mariadb.start()
    try:
        yield Database(mariadb.url, frozenset(Victim), mariadb)
    finally:
        mariadb.stop()


@dataclass
class Mover:
    """Moves one workload once for each crash of its share."""

    world: World
    name: str
    agent_id: str
    executioner: Executioner
    crashes: list[Crash]
    missed: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)

    def run(self) -> None:
        """One move after the other; what does not come to its end is told, and the rest is not played."""
        try:
            for number, crash in enumerate(self.crashes):
                self._play(crash, f"{self.name}-{number}")
        except (AssertionError, TimeoutError) as failure:
            self.wrongs.append(f"{self.name}: {failure}")

    def _play(self, crash: Crash, request_id: str) -> None:
        replica_id = self._standby(request_id) if crash.moved is Moved.PROMOTION else ""
        known = {switch["switch_id"] for switch in self._switches()}
        old_instance_id = self._agent()["primary"]["instance_id"]
        order = self.executioner.orders[self.agent_id] = Order(crash, old_instance_id)
        self._begin(crash, request_id, old_instance_id, replica_id)
        self._await(f"{crash}: a move", lambda: len({switch["switch_id"] for switch in self._switches()} - known) > 0)
        self._await(f"{crash}: its end", self._is_at_rest)
        if not order.happened.wait(2):
            self.executioner.orders.pop(self.agent_id, None)
            self.missed.append(str(crash))
        begun = [switch for switch in self._switches() if switch["switch_id"] not in known]
        if len(begun) != 1:
            self.wrongs.append(f"{crash}: {len(begun)} moves were begun")

    def _begin(self, crash: Crash, request_id: str, old_instance_id: str, replica_id: str) -> None:
        match crash.moved:
            case Moved.PLANNED:
                body = {"request_id": request_id, "target": {"mode": "spot"}}
                persist(self.world.server, "POST", f"/agents/{self.agent_id}/switch", body)
            case Moved.NOTICE:
                lead_seconds = NOTICE_LEAD_SECONDS / TIME_SCALE
                persist(
                    self.world.region, "POST", f"/instances/{old_instance_id}/notice", {"action": "terminate", "lead_seconds": lead_seconds}
                )
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

    def _is_at_rest(self) -> bool:
        """No move runs, and one instance is left: the other was retired, or never came up."""
        if self._agent()["primary"] is None or any(switch["status"] not in ENDED for switch in self._switches()):
            return False
        state = persist(self.world.region, "GET", "/state")
        alive = [one for one in state["instances"] if one["state"] != "terminated" and self._is_mine(one)]
        return len(alive) == 1

    def _is_mine(self, instance: dict[str, Any]) -> bool:
        logical_agent_id: str | None = instance["tags"].get("spot-optimizer:logical-agent-id")
        return instance["instance_id"] == self.world.first_instances[self.name] or logical_agent_id == self.name

    def _agent(self) -> dict[str, Any]:
        agent: dict[str, Any] = persist(self.world.server, "GET", f"/agents/{self.agent_id}")["agent"]
        return agent

    def _switches(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = persist(self.world.server, "GET", f"/switch-history?agent_id={self.agent_id}&limit=500")["items"]
        return items

    def _await(self, what: str, is_so: Callable[[], bool]) -> None:
        until_seconds = self.world.clock.monotonic_seconds() + MOVE_BOUND_SECONDS
        while not is_so():
            if self.world.clock.monotonic_seconds() > until_seconds:
                raise TimeoutError(f"{what}: not within {MOVE_BOUND_SECONDS:g} s")
            self.world.clock.sleep(0.2)


def chosen(database: Database, seed: str) -> list[Crash]:
    """Return the crashes of this run, in an order of its own."""
    every = all_crashes(database.victims)
    return random.Random(seed).sample(every, len(every) if CRASHES == "all" else min(int(CRASHES), len(every)))


def test_whatever_dies_at_whatever_step_one_primary_serves_and_nothing_is_left_over(database: Database, tmp_path: Path) -> None:
    seed = os.environ.get(SEED_VARIABLE) or str(secrets.randbelow(10**6))
    crashes = chosen(database, seed)
    say(f"seed {seed} (again: {SEED_VARIABLE}={seed}), {len(crashes)} crashes; everything is kept in {tmp_path}")
    clock = SystemClock()
    settings = Settings(tmp_path, database.url, TIME_SCALE, 1, workloads=WORKLOADS, server_settings=SERVER_SETTINGS, aws_role_arn=ROLE_ARN)
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    executioner = Executioner(world, database.mariadb)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        movers = [
            Mover(world, one.name, day.agents[one.name], executioner, crashes[index :: len(WORKLOADS)])
            for index, one in enumerate(WORKLOADS)
        ]
        threads = [threading.Thread(target=mover.run, name=mover.name) for mover in movers]
        for thread in threads:
            thread.start()
        executioner.run(lambda: not any(thread.is_alive() for thread in threads))
        wrongs = [line for mover in movers for line in mover.wrongs] or _wrongs_at_the_end(world, day)
    finally:
        world.processes.stop_all()

    missed = [line for mover in movers for line in mover.missed]
    say(f"{len(crashes) - len(missed)} of {len(crashes)} crashes happened; not met: {missed}")
    assert wrongs == [], f"seed {seed}"
    assert len(missed) * 5 <= len(crashes), "moments that hardly ever come are no test"


def _wrongs_at_the_end(world: World, day: Day) -> list[str]:
    day.await_retirements()
    state = world.region.get("/state")
    found = strangers(world, state)
    for workload in WORKLOADS:
        found += disagreements(read_books(world, day.agents[workload.name], workload, state))
    return found
