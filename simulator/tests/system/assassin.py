"""Kills processes at random moments, kill -9, from one seeded generator; brings the server's ones back after a random rest."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import requests

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.world import World

KINDS = ("web", "jobs", "daemon")
JOBS = ("jobs", "jobs-2")
TICK_SECONDS = 0.05
LONGEST_REST_SECONDS = 1.0
SECOND_JOBS_PROBABILITY = 0.3
FAULT_PROBABILITY = 0.15
LOSABLE_ANSWERS = ("RunInstances", "CreateImage", "AssociateAddress", "TerminateInstances")


@dataclass(slots=True)
class Assassin:
    """Runs in the thread that starts the processes: they die with it."""

    world: World
    seed: str
    least_kills_of_each: int
    mean_gap_seconds: float
    """From when a kind is up again to its next kill."""
    kills: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def run(self, bound_seconds: float) -> None:
        """Kill until each kind had its share or the time is over; then bring everything back."""
        dice = random.Random(self.seed)
        until_seconds = self._now() + bound_seconds
        due_seconds: dict[str, float] = {}
        while self._open_kinds() and self._now() < until_seconds:
            self._bring_back(self._now())
            for kind in self._open_kinds():
                if kind not in due_seconds and self._is_up(kind):
                    due_seconds[kind] = self._now() + dice.expovariate(1 / self.mean_gap_seconds)
                elif self._now() >= due_seconds.get(kind, until_seconds) and self._kill_one(kind, dice):
                    del due_seconds[kind]
            self.world.clock.sleep(TICK_SECONDS)
        self._bring_back(float("inf"))

    def _is_up(self, kind: str) -> bool:
        """Whether there is something to kill: a server that never gets up meets nothing to be interrupted in."""
        if kind == "jobs":
            return any(name in self.world.processes.running for name in JOBS)
        return kind == "daemon" or ("web" in self.world.processes.running and self._answers())

    def _now(self) -> float:
        return self.world.clock.monotonic_seconds()

    def _open_kinds(self) -> list[str]:
        return [kind for kind in KINDS if self.kills[kind] < self.least_kills_of_each]

    def _bring_back(self, now_seconds: float) -> None:
        due = [act for at_seconds, act in self._due if at_seconds <= now_seconds]
        self._due = [(at_seconds, act) for at_seconds, act in self._due if at_seconds > now_seconds]
        for act in due:
            act()

    def _kill_one(self, kind: str, dice: random.Random) -> bool:
        """Kill one process of a kind; False when none of it runs now."""
        way = {"web": self._kill_web, "jobs": self._kill_jobs, "daemon": self._kill_daemon}[kind](dice)
        if way is None:
            return False
        self.kills[kind] += 1
        self.ways[way] += 1
        if dice.random() < FAULT_PROBABILITY:
            self.world.region.post("/faults", {"action": dice.choice(LOSABLE_ANSWERS), "count": 1, "lose_answer": True})
        return True

    def _kill_web(self, dice: random.Random) -> str | None:
        process = self.world.processes.running.get("web")
        if process is None or process.poll() is not None:
            return None
        workers = children_of(process.pid)
        if not workers:
            return None
        way = dice.choice(("web worker", "web worker", "web master", "web master and workers"))
        if way == "web worker":
            return way if self._kill_worker(process.pid, dice.choice(workers)) else None
        self.world.processes.kill("web", whole_session=way != "web master")
        self._later(dice, self.world.start_web)
        return way

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.world.server_url}/readyz", timeout=1).ok
        except requests.RequestException:
            return False

    @staticmethod
    def _kill_worker(master_pid: int, worker_pid: int) -> bool:
        if worker_pid not in children_of(master_pid):
            return False
        os.kill(worker_pid, signal.SIGKILL)
        return True

    def _kill_jobs(self, dice: random.Random) -> str | None:
        running = [name for name in JOBS if name in self.world.processes.running]
        if not running:
            return None
        name = dice.choice(running)
        self.world.processes.kill(name)
        wanted = {name} | ({dice.choice(JOBS)} if dice.random() < SECOND_JOBS_PROBABILITY else set())
        for each in sorted(wanted - set(self.world.processes.running)):
            self._later(dice, lambda each=each: self._start_jobs(each))  # type: ignore[misc]
        return "jobs, leading or standing by"

    def _start_jobs(self, name: str) -> None:
        if name not in self.world.processes.running:
            self.world.start_jobs(name)

    def _kill_daemon(self, dice: random.Random) -> str | None:
        state = self.world.region.get("/state")
        victims = [item["instance_id"] for item in state["instances"] if item["services"].get("spot-agent", {}).get("state") == "running"]
        if not victims:
            return None
        try:
            self.world.region.post(f"/instances/{dice.choice(victims)}/kill", {"service": "spot-agent"})
        except CallRefused:
            return None
        return "daemon"

    def _later(self, dice: random.Random, act: Callable[[], None]) -> None:
        self._due.append((self._now() + dice.uniform(0, LONGEST_REST_SECONDS), act))


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` started and that still run."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]
