"""Kills processes at random moments, kill -9, from one seeded generator; brings the server's ones back after a random rest."""

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.world import World

KINDS = ("web", "jobs", "daemon")
JOBS = ("jobs", "jobs-2")
TICK_SECONDS = 0.05
LONGEST_REST_SECONDS = 1.0
SECOND_JOBS_PROBABILITY = 0.3
MOST_KILLS_UNDER_NOTICE = 2
"""Of one daemon, in a world without a control role."""
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
    away_seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    """From each kill of a kind until it was up again, the rest included."""

    _killed_at_seconds: dict[str, float] = field(default_factory=dict)
    _daemon_kills: Counter[str] = field(default_factory=Counter)
    _kills_under_notice: Counter[str] = field(default_factory=Counter)
    _jobs_logged: Counter[str] = field(default_factory=Counter)
    """How much each jobs process's log held when it was last started."""

    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def run(self, bound_seconds: float) -> None:
        """Kill until each kind had its share or the time is over; then bring everything back."""
        dice = random.Random(self.seed)
        until_seconds = self._now() + bound_seconds
        due_seconds: dict[str, float] = {}
        while self._open_kinds() and self._now() < until_seconds:
            self._bring_back(self._now())
            for kind in self._open_kinds():
                if kind in due_seconds:
                    if self._now() >= due_seconds[kind] and self._kill_one(kind, dice):
                        del due_seconds[kind]
                elif self._is_up(kind):
                    self._note_return(kind)
                    due_seconds[kind] = self._now() + dice.expovariate(1 / self.mean_gap_seconds)
            self.world.clock.sleep(TICK_SECONDS)
        self._bring_back(float("inf"))

    def _note_return(self, kind: str) -> None:
        if kind in self._killed_at_seconds:
            self.away_seconds[kind].append(self._now() - self._killed_at_seconds[kind])

    def _is_up(self, kind: str) -> bool:
        """Whether there is something to kill: what never gets up meets nothing to be interrupted in."""
        match kind:
            case "web":
                return "web" in self.world.processes.running and self._answers()
            case "jobs":
                return bool(self._jobs_that_are_up())
            case _:
                return bool(self._daemons_that_are_up())

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
        self._killed_at_seconds[kind] = self._now()
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
        victims = self._jobs_that_are_up()
        if not victims:
            return None
        name = dice.choice(victims)
        self.world.processes.kill(name)
        wanted = {name} | ({dice.choice(JOBS)} if dice.random() < SECOND_JOBS_PROBABILITY else set())
        for each in sorted(wanted - set(self.world.processes.running)):
            self._later(dice, lambda each=each: self._start_jobs(each))  # type: ignore[misc]
        return "jobs, leading or standing by"

    def _jobs_that_are_up(self) -> list[str]:
        """Return the jobs processes that lead or stand by: they have said so since they were started."""
        return [
            name for name in JOBS if name in self.world.processes.running and '"jobs_' in self._log_of_jobs(name)[self._jobs_logged[name] :]
        ]

    def _log_of_jobs(self, name: str) -> str:
        log = self.world.settings.state_dir / "logs" / f"{name}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def _start_jobs(self, name: str) -> None:
        if name not in self.world.processes.running:
            self._jobs_logged[name] = len(self._log_of_jobs(name))
            self.world.start_jobs(name)

    def _kill_daemon(self, dice: random.Random) -> str | None:
        victims = self._daemons_that_are_up()
        if not victims:
            return None
        victim = dice.choice(victims)
        try:
            self.world.region.post(f"/instances/{victim['instance_id']}/kill", {"service": "spot-agent"})
        except CallRefused:
            return None
        self._daemon_kills[victim["instance_id"]] += 1
        self._kills_under_notice[victim["instance_id"]] += victim["notice"] is not None
        return "daemon"

    def _daemons_that_are_up(self) -> list[dict[str, Any]]:
        """Return the instances whose daemon has got up since it was last killed, and may be killed once more."""
        instances = self.world.region.get("/state")["instances"]
        running = [item for item in instances if item["services"].get("spot-agent", {}).get("state") == "running"]
        up = [item for item in running if self._starts_of_daemon(item["instance_id"]) > self._daemon_kills[item["instance_id"]]]
        return [item for item in up if not self._is_spared(item)]

    def _is_spared(self, item: dict[str, Any]) -> bool:
        """Without a control role, the daemon of an instance under notice may be the only one that can launch a successor."""
        has_role = self.world.settings.aws_role_arn is not None
        return not has_role and item["notice"] is not None and self._kills_under_notice[item["instance_id"]] >= MOST_KILLS_UNDER_NOTICE

    def _starts_of_daemon(self, instance_id: str) -> int:
        log = self.world.settings.state_dir / "region" / "instances" / instance_id / "log" / "spot-agent.log"
        return log.read_text(errors="replace").count('"event": "started"') if log.exists() else 0

    def _later(self, dice: random.Random, act: Callable[[], None]) -> None:
        self._due.append((self._now() + dice.uniform(0, LONGEST_REST_SECONDS), act))


def children_of(pid: int) -> list[int]:
    """Return the processes that `pid` started and that still run."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(child) for child in text.split()]
