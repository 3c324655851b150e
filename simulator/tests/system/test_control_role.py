"""A client that gave the server a role: the whole product is up, and EC2 is spoken to by the server instead of the daemons."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, Workload, World
from system.retirement import await_retirement

ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
WEB = Workload("web", "stateless", "m5.large", ("m5.large", "m5a.large", "m6i.large"))
TIME_SCALE = 0.02


def finished_acts(directory: Path) -> list[tuple[str, str, str]]:
    """(actor, kind, status) of every command on EC2, in the order in which they were issued."""
    with closing(sqlite3.connect(directory / "spot.db")) as connection:
        rows = connection.execute(
            "SELECT actor, kind, status FROM commands WHERE kind IN"
            " ('create_image', 'launch_instance', 'terminate_instance', 'wait_terminated') ORDER BY issued_at"
        )
        return [(str(actor), str(kind), str(status)) for actor, kind, status in rows]


@pytest.mark.server
def test_the_control_role_carries_out_a_switch_and_the_primary_stands_in_where_it_is_refused(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=(WEB,), aws_role_arn=ROLE_ARN)
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        day.switch("web", "by the role", expected="completed")
        await_retirement(world)
        by_role = finished_acts(tmp_path)
        world.region.post("/faults", {"action": "RunInstances", "code": "UnauthorizedOperation", "count": 1})
        day.switch("web", "the role may not launch", expected="completed")
        await_retirement(world)
        by_both = finished_acts(tmp_path)[len(by_role) :]
        state = world.region.get("/state")
        wrongs = disagreements(read_books(world, day.agents["web"], WEB, state)) + strangers(world, state)
        told = [item["text"] for item in world.server.get("/notifications")["items"] if item["kind"] == "control_role_refused"]
    finally:
        world.processes.stop_all()

    assert {actor for actor, _kind, _status in by_role} == {"control_role"}
    done = [kind for _actor, kind, status in by_role if status == "succeeded"]
    last_image_of_the_first_instance = "create_image"
    assert done == ["create_image", "launch_instance", last_image_of_the_first_instance, "terminate_instance", "wait_terminated"]
    assert [(actor, status) for actor, kind, status in by_both if kind == "launch_instance"] == [
        ("control_role", "failed"),
        ("daemon", "succeeded"),
    ]
    assert len(told) == 1
    assert wrongs == []
