"""Who kills a process at one exact moment of one move, and starts it again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import make_url

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.world import World
from system.crashes import MOMENTS, Crash, Victim

ROOT = Path(__file__).parents[3]
MARIADB = ROOT / "scripts" / "mariadb.sh"
LOOK_SECONDS = 0.03
REST_SECONDS = 0.3
"""How long what was killed stays away; a daemon's service manager has a pause of its own."""


@dataclass(slots=True)
class Order:
    """A crash that waits for its moment in the next move of an agent."""

    crash: Crash
    old_instance_id: str
    is_due: bool = False
    happened: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class PrivateMariaDb:
    """A server of the test's own, which comes back on its port with its data as a kill left them."""

    directory: Path
    port: str = ""

    def start(self) -> None:
        """Start it, the first time on any free port."""
        environment = {**os.environ, **({"SPOT_MARIADB_PORT": self.port} if self.port else {})}
        started = [str(MARIADB), "start", str(self.directory)]
        done = subprocess.run(started, env=environment, check=True, capture_output=True, text=True)
        self.port = str(make_url(done.stdout.strip()).port)

    @property
    def url(self) -> str:
        """The URL of its empty database."""
        server = make_url((self.directory / "url").read_text().strip())
        return server.set(database="spot").render_as_string(hide_password=False)

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(int((self.directory / "pid").read_text()), signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        subprocess.run([str(MARIADB), "stop", str(self.directory)], check=True, capture_output=True)


@dataclass(slots=True)
class Executioner:
    """Follows the server's events and carries the orders out. `run` belongs to the thread that starts processes: they die with it."""

    world: World
    mariadb: PrivateMariaDb | None
    orders: dict[str, Order] = field(default_factory=dict)
    """By agent id."""
    _after: int = -1
    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def run(self, is_over: Callable[[], bool]) -> None:
        """Kill and bring back until it is over; then everything runs."""
        while not is_over():
            self._bring_back(self.world.clock.monotonic_seconds())
            for event in self._new_events():
                order = self.orders.get(event["agent_id"])
                if order is not None and MOMENTS[order.crash.moment](event):
                    order.is_due = True
            for agent_id, order in list(self.orders.items()):
                if order.is_due and self._carry_out(order):
                    del self.orders[agent_id]
                    order.happened.set()
            self.world.clock.sleep(LOOK_SECONDS)
        self._bring_back(float("inf"))

    def _new_events(self) -> list[dict[str, Any]]:
        """Return what the server says now; nothing while it is away."""
        try:
            page = self.world.server.get("/events", after=self._after)
        except (CallRefused, requests.RequestException, ValueError):
            return []
        self._after = page["next_after"]
        items: list[dict[str, Any]] = page["items"]
        return items

    def _carry_out(self, order: Order) -> bool:
        match order.crash.victim:
            case Victim.WEB | Victim.JOBS as name:
                return self._kill_process(name.value)
            case Victim.MARIADB:
                return self._kill_mariadb()
            case Victim.OLD_DAEMON:
                return self._kill_daemon(order.old_instance_id)
            case Victim.NEW_DAEMON:
                return any(self._kill_daemon(instance_id) for instance_id in self._others_of(order.old_instance_id))

    def _kill_process(self, name: str) -> bool:
        if name not in self.world.processes.running:
            return False
        self.world.processes.kill(name)
        self._later(self.world.start_web if name == Victim.WEB.value else self.world.start_jobs)
        return True

    def _kill_mariadb(self) -> bool:
        if self.mariadb is None:
            raise AssertionError("there is no MariaDB of our own to kill")
        self.mariadb.kill()
        self._later(self.mariadb.start)
        return True

    def _kill_daemon(self, instance_id: str) -> bool:
        try:
            self.world.region.post(f"/instances/{instance_id}/kill", {"service": "spot-agent"})
        except CallRefused:
            return False
        return True

    def _others_of(self, old_instance_id: str) -> list[str]:
        instances = self.world.region.get("/state")["instances"]
        name = next(one["tags"].get("spot-optimizer:logical-agent-id") for one in instances if one["instance_id"] == old_instance_id)
        mine = [one for one in instances if one["tags"].get("spot-optimizer:logical-agent-id") == name and one["state"] == "running"]
        return [one["instance_id"] for one in mine if one["instance_id"] != old_instance_id]

    def _later(self, act: Callable[[], None]) -> None:
        self._due.append((self.world.clock.monotonic_seconds() + REST_SECONDS, act))

    def _bring_back(self, now_seconds: float) -> None:
        due = [act for at_seconds, act in self._due if at_seconds <= now_seconds]
        self._due = [(at_seconds, act) for at_seconds, act in self._due if at_seconds > now_seconds]
        for act in due:
            act()
