"""Game days in the demo's world, driven by `spotctl` as a person would: real daemons, a real workload, a prober outside."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.game_days import report_probes
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World

WEB = Workload("web", "stateless", "m5.large", ("m5.large", "m5a.large", "m6i.large"), starts_on_spot=True)
TIME_SCALE = 0.02
BOUND_SECONDS = 120
MOST_DISAGREEMENT_MS = 5000
"""Between the server's and the prober's downtime: polls, the forwarder, and a serving check that is a process of its own."""


class Person:
    """Somebody at a terminal with `spotctl`."""

    def __init__(self, world: World, directory: Path) -> None:
        self._credentials = directory / "spotctl.json"
        self._environment = {**os.environ, "SPOTCTL_CREDENTIALS": str(self._credentials)}
        self.run("login", "--server", world.server_url, typed=world.tokens["client"])

    def run(self, *arguments: str, typed: str = "") -> str:
        command = [sys.executable, "-m", "spotctl", *arguments]
        ended = subprocess.run(
            command, env=self._environment, input=typed, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False
        )
        assert ended.returncode == 0, f"spotctl {' '.join(arguments)}: {ended.returncode} {ended.stderr}"
        return ended.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.run(*arguments, "--json"))
        return document


def await_one_instance(world: World) -> None:
    def is_over() -> bool | None:
        alive = [item for item in world.region.get("/state")["instances"] if item["state"] != "terminated"]
        return len(alive) == 1 or None

    world.wait_for("the old instance to be gone", is_over, bound_seconds=BOUND_SECONDS)


@pytest.mark.server
def test_a_person_plays_a_notice_and_a_shortage_and_both_probers_agree(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=(WEB,))
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        person = Person(world, tmp_path)
        first_id = day.primary_id("web")
        plan = person.json("gameday", "--agent", "web", "--kind", "capacity_shortage", "--dry-run")
        untouched = day.primary_id("web")
        ended = []
        for kind in ("notice", "capacity_shortage"):
            ended.append(person.json("gameday", "--agent", "web", "--kind", kind, "--yes", "--wait"))
            day.await_answer("web")
            await_one_instance(world)
            world.wait_for("the prober's report", lambda: report_probes(day) or None, bound_seconds=100)
        kept = person.json("gameday", "--agent", "web", "--history")["items"]
        state = world.region.get("/state")
        wrongs = disagreements(read_books(world, day.agents["web"], WEB, state)) + strangers(world, state)
    finally:
        world.processes.stop_all()

    assert untouched == first_id
    assert [call["operation"] for call in plan["calls"]][1] == f"POST /_region/instances/{first_id}/notice"
    assert [game_day["status"] for game_day in ended] == ["completed", "completed"]
    assert [game_day["kind"] for game_day in kept] == ["capacity_shortage", "notice"]
    assert state["capacity_unavailable"] == []
    for game_day in kept:
        assert 0 < game_day["detection_ms"] < game_day["promotion_ms"] <= game_day["serving_ms"]
        assert game_day["downtime_ms"] is not None
        assert abs(game_day["probe"]["downtime_ms"] - game_day["downtime_ms"]) < MOST_DISAGREEMENT_MS, game_day
    assert wrongs == []
