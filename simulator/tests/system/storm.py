"""A world under attack: put up, stormed, left to settle, and read."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import requests

from spot_simulator.clock import SystemClock
from spot_simulator.demo.apis import CallRefused
from spot_simulator.demo.books import disagreements, serving_overlaps
from spot_simulator.demo.day import ENDED, Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import instances_of, read_all, read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World
from system import verdict
from system.assassin import Assassin
from system.client import Ledger
from system.kept_state import losses
from system.mover import Mover
from system.workloads import TYPES

WORKLOADS = (
    Workload("web", "stateless", "m5.large", TYPES, starts_on_spot=True),
    Workload("carts", "stateless", "m5.large", TYPES, starts_on_spot=True),
    Workload("search", "stateless", "m5.large", TYPES, starts_on_spot=True),
    Workload("orders", "image_after_quiesce", "m5.large", TYPES, starts_on_spot=True),
)
ONLY_PLANNED = frozenset({"orders"})
"""Gets no notices: every move of it is planned, so that not one acknowledged write may be lost."""

SERVER_SETTINGS = {
    "SPOT_HEARTBEAT_INTERVAL_SECONDS": "2",
    "SPOT_PRICING_REPORT_INTERVAL_SECONDS": "20",
    "SPOT_COORDINATOR_PERIOD_SECONDS": "1",
    "SPOT_LEASE_SECONDS": "2",
    "SPOT_LEASE_RENEW_PERIOD_SECONDS": "0.5",
    "SPOT_REBALANCE_HOLD_SECONDS": "6",
    "SPOT_DAEMON_FRESH_SECONDS": "6",
    "SPOT_CHECK_BOUND_SECONDS": "10",
    "SPOT_QUIESCE_BOUND_SECONDS": "10",
    "SPOT_TRAFFIC_BOUND_SECONDS": "10",
    "SPOT_START_BOUND_SECONDS": "15",
    "SPOT_LAUNCH_BOUND_SECONDS": "15",
    "SPOT_BOOT_BOUND_SECONDS": "60",
    "SPOT_IMAGE_BOUND_SECONDS": "60",
    "SPOT_TERMINATE_BOUND_SECONDS": "30",
    "SPOT_COMMAND_MARGIN_SECONDS": "5",
}
TIME_SCALE = 0.02
ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
NOTICE_LEAD_SECONDS = {True: 15.0, False: 30.0}
"""Real ones, by whether the server has a control role: compressed less than the rest, because processes start in real time. Without a
role a launch needs the daemon that is going to die: a notice that nobody lives to answer is another subject."""
SETTLE_BOUND_SECONDS = 240.0
MOST_ABANDONED = {True: 0, False: 1}
"""Workloads that may be down at the end, by whether there is a control role: without one, the only daemon that could launch a successor may
be dead, or without a server, for all of a notice. Every other workload of the four must have come through."""


@dataclass(slots=True)
class Storm:
    """One run; `found` holds everything that is wrong at the end."""

    world: World
    day: Day
    seed: str
    say: Callable[[str], None]
    ledger: Ledger = field(default_factory=Ledger)
    movers: list[Mover] = field(default_factory=list)
    abandoned: set[str] = field(default_factory=set)
    """Names of the workloads that nobody could bring back, as far as MOST_ABANDONED allows."""

    began_seconds: float = 0.0

    @classmethod
    def prepare(cls, directory: Path, database_url: str, seed: str, say: Callable[[str], None]) -> "Storm":
        """Make the world, and start nothing."""
        clock = SystemClock()
        number = int(seed) if seed.isdigit() else 1
        settings = Settings(
            state_dir=directory,
            database_url=database_url,
            time_scale=TIME_SCALE,
            seed=number,
            aws_role_arn=ROLE_ARN if number % 2 == 0 else None,
            workloads=WORKLOADS,
            server_settings=SERVER_SETTINGS,
        )
        world = World(settings, clock, Processes(directory / "logs", clock))
        return cls(world, Day(world, say), seed, say)

    def put_up(self) -> None:
        """Start everything and wait until each workload serves and may be moved."""
        self.began_seconds = self.world.clock.monotonic_seconds()
        self.world.put_up(self.say)
        self.day.await_registrations()
        self.day.await_prices()
        actor = "daemons launch" if self.world.settings.aws_role_arn is None else "the control role launches"
        self.say(f"{self._elapsed()}: the world is up; {actor}")

    def rage(self, *, least_kills_of_each: int, mean_gap_seconds: float, bound_seconds: float) -> Assassin:
        """Move everything all the time while processes are killed; return the killer with its counts."""
        lead_seconds = NOTICE_LEAD_SECONDS[self.world.settings.aws_role_arn is not None]
        self.movers = [
            Mover(self.world, name, agent_id, self.ledger, self.seed, notice_lead_seconds=None if name in ONLY_PLANNED else lead_seconds)
            for name, agent_id in self.day.agents.items()
        ]
        for mover in self.movers:
            mover.start()
        assassin = Assassin(self.world, self.seed, least_kills_of_each, mean_gap_seconds)
        try:
            assassin.run(bound_seconds)
        finally:
            for mover in self.movers:
                mover.stop()
        for mover in self.movers:
            mover.join(60)
        acts = ", ".join(f"{mover.name} {sum(mover.done.values())}" for mover in self.movers)
        away = assassin.away_seconds["web"] or [0.0]
        self.say(f"{self._elapsed()}: killed {dict(assassin.kills)} ({dict(assassin.ways)}); acts: {acts}; refused: {self.ledger.refusals}")
        self.say(f"the web was up again after {median(away):.1f} s (median), {max(away):.1f} s at most")
        return assassin

    def _elapsed(self) -> str:
        return f"{self.world.clock.monotonic_seconds() - self.began_seconds:.0f} s"

    def settle(self) -> list[str]:
        """Wait until everything begun is over; return what is not when the time is over."""
        left: list[str] = ["nothing was read"]

        def is_quiet() -> bool | None:
            nonlocal left
            try:
                for mover in self.movers:
                    mover.retire_standbys()
                left = self._unfinished()
            except (CallRefused, OSError) as error:
                left = [f"the server does not answer: {error}"]
            return not left or None

        try:
            self.world.wait_for("everything to settle", is_quiet, bound_seconds=SETTLE_BOUND_SECONDS)
        except TimeoutError as error:
            return [str(error), *left]
        ends = Counter(f"{item['trigger']} {item['status']}" for item in read_all(self.world.server, "/switch-history"))
        self.say(f"{self._elapsed()}: it has settled; moves: {dict(ends)}; abandoned: {sorted(self.abandoned)}")
        return []

    def _unfinished(self) -> list[str]:
        state = self.world.region.get("/state")
        switches = read_all(self.world.server, "/switch-history")
        self.abandoned = self._abandoned(switches, state)
        alive = [item["instance_id"] for item in state["instances"] if item["state"] != "terminated"]
        left = self._too_many(state) if len(alive) != len(WORKLOADS) - len(self.abandoned) else []
        left += [f"{name} does not answer" for name in self.day.agents if name not in self.abandoned and not self._answers(name)]
        abandoned_ids = {self.day.agents[name] for name in self.abandoned}
        for item in switches:
            if item["status"] not in ENDED:
                left.append(f"switch {item['switch_id']} is {item['status']}")
            elif item["status"] == "completed" and item["old_terminated_at"] is None and item["agent_id"] not in abandoned_ids:
                left.append(f"the old instance {item['from_instance_id']} of switch {item['switch_id']} is not known to be gone")
        left += [
            f"replica {item['replica_id']} is {item['status']}"
            for item in read_all(self.world.server, "/replicas")
            if item["status"] not in verdict.ENDED_REPLICAS
        ]
        return left

    def _too_many(self, state: dict[str, Any]) -> list[str]:
        """Say of each instance that lives, or was one's end, what EC2 and the server know of it."""
        known = {item["instance_id"]: item for item in read_all(self.world.server, "/instances")}
        alive = [item for item in state["instances"] if item["state"] != "terminated"]
        told = ("role", "replica_id", "stray_reason", "registered_at", "last_heartbeat_at", "role_changed_at")
        found = [f"EC2 has {len(alive)} instances, and {sorted(self.abandoned) or 'nobody'} was abandoned"]
        for item in alive:
            row = known.get(item["instance_id"], {})
            found.append(f"  {item['instance_id']} {item['state']} {item['tags']}: { ({key: row.get(key) for key in told}) }")
        return found

    def _abandoned(self, switches: list[dict[str, Any]], state: dict[str, Any]) -> set[str]:
        agent_ids = verdict.abandoned_agents(switches, read_all(self.world.server, "/instances"), state)
        names = {name for name, agent_id in self.day.agents.items() if agent_id in agent_ids}
        return names if len(names) <= MOST_ABANDONED[self.world.settings.aws_role_arn is not None] else set()

    def _answers(self, name: str) -> bool:
        try:
            return requests.get(f"http://{self.world.public_ips[name]}:8080/health", timeout=2).ok
        except requests.RequestException:
            return False

    def wrongs(self) -> list[str]:
        """Read all books, keep them in the folder, and return everything that is wrong."""
        world = self.world
        world.pause(1.0)
        state = world.region.get("/state")
        found = list(self.ledger.contradictions) + strangers(world, state) + verdict.region_faults(state)
        for workload in WORKLOADS:
            if workload.name in self.abandoned:
                found += serving_overlaps(workload.name, instances_of(workload.name, world, state))
            else:
                found += disagreements(read_books(world, self.day.agents[workload.name], workload, state))
        found += verdict.event_faults(self._kept("events", self._events()))
        found += verdict.switch_faults(self._kept("switches", read_all(world.server, "/switch-history")), self.ledger.switches)
        found += verdict.replica_faults(self._kept("replicas", read_all(world.server, "/replicas")), self.ledger.replicas)
        found += verdict.role_faults(self._kept("instances", read_all(world.server, "/instances")), self.day.agents.values())
        for name in ONLY_PLANNED:
            found += losses(world, name)
        return found

    def _kept(self, book: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Leave a book where a person can read it after the database is gone."""
        path = self.world.settings.state_dir / "books" / f"{book}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return rows

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.world.server.get("/events", after=after, limit=500)
            if not page["items"]:
                return events
            events += page["items"]
            after = page["next_after"]
