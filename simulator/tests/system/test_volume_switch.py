"""A switch that brings the data volume along: real daemons, a workload that is written to all the time, and EBS as the region has it."""

import sys
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, World
from system.kept_state import data_volumes
from system.retirement import await_retirement
from system.workloads import PLACE, with_volume

TIME_SCALE = 0.02
VOLUME_STEPS = ("unmount", "detach", "attach", "mount")
MOST_OUTAGE_SECONDS = 60.0
"""On a machine that does other things; docs/carries.md has what was measured."""


@pytest.mark.server
def test_a_switch_with_a_data_volume_loses_no_acknowledged_write_and_leaves_nothing_on_the_old_disk(tmp_path: Path) -> None:
    clock = SystemClock()
    shop = with_volume("shop")
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=(shop,))
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        (before,) = data_volumes(world, "shop")
        day.switch("shop", "by volume", expected="completed")
        await_retirement(world)
        state = world.region.get("/state")
        wrongs = disagreements(read_books(world, day.agents["shop"], shop, state)) + strangers(world, state)
        switch = world.server.get(f"/agents/{day.agents['shop']}/switches/{day.moves[0].switch['switch_id']}")
        (after,) = data_volumes(world, "shop")
    finally:
        world.processes.stop_all()

    move = day.moves[0]
    steps = {step["name"]: step["status"] for step in switch["steps"]}
    left = tmp_path / "region/instances" / world.first_instances["shop"] / "disk" / PLACE.lstrip("/")
    sys.stdout.write(f"lost {move.lost_writes}; the prober could not write for {move.prober_downtime_seconds:.2f} s; {switch['timing']}\n")
    assert move.lost_writes == 0
    assert wrongs == []
    assert [steps[name] for name in VOLUME_STEPS] == ["done"] * 4
    assert (before["instance_id"], before["mount_point"]) == (world.first_instances["shop"], PLACE)
    assert (after["volume_id"], after["mount_point"]) == (before["volume_id"], PLACE)
    assert after["instance_id"] == switch["to_instance_id"]
    assert not left.is_symlink()
    assert {file.name for file in left.iterdir()} <= {".keep"}
    assert move.prober_downtime_seconds < MOST_OUTAGE_SECONDS
