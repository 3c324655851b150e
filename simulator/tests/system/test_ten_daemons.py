"""Ten agents at once, each with a real daemon and a real workload: half of them get a notice while the others are being switched."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World

TYPES = ("m5.large", "m5a.large", "m6i.large")
WORKLOADS = tuple(Workload(f"web-{number:02}", "stateless", TYPES[number % 3], TYPES, starts_on_spot=True) for number in range(10))
NOTICED, SWITCHED = WORKLOADS[::2], WORKLOADS[1::2]
TIME_SCALE = 0.1
"""Twice the demo's: twenty daemons start within half a minute here, on the two cores of a test machine."""


@pytest.mark.server
@pytest.mark.storm
def test_ten_daemons_at_once_move_five_by_notice_and_five_by_wish(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=WORKLOADS)
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        notices = [partial(day.notice, one.name, "a notice") for one in NOTICED]
        wishes = [partial(day.switch, one.name, "a wish", expected="completed") for one in SWITCHED]
        _at_once([*notices, *wishes])
        day.await_retirements()
        state = world.region.get("/state")
        books = [read_books(world, day.agents[one.name], one, state) for one in WORKLOADS]
        wrongs = [line for one in books for line in disagreements(one)] + strangers(world, state)
        told = [len(day.switches(day.agents[one.name])) for one in WORKLOADS]
    finally:
        world.processes.stop_all()

    assert wrongs == []
    assert {(move.name, move.switch["status"]) for move in day.moves} == {(one.name, "completed") for one in WORKLOADS}
    assert told == [1] * len(WORKLOADS)
    assert {one.server_epoch for one in books} == {2}


def _at_once(acts: list[Callable[[], Any]]) -> None:
    with ThreadPoolExecutor(max_workers=len(acts)) as pool:
        for future in [pool.submit(act) for act in acts]:
            future.result()
