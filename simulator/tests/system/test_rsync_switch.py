"""A switch that brings the state along by rsync: real daemons, rsync and SSH servers, and a workload that is written to all the time."""

import sys
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.world import Settings, World
from system.retirement import await_retirement
from system.workloads import missing_sync_programs, with_rsync

TIME_SCALE = 0.02
MOST_OUTAGE_SECONDS = 60.0
"""On a machine that does other things; docs/carries.md has what was measured."""


def processes_with(mark: str) -> list[str]:
    """Command lines of the SSH and rsync processes that mention `mark`."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_text(errors="replace").split("\0") if entry.name.isdigit() else [""]
        except OSError:
            continue
        if Path(words[0]).name.startswith(("ssh", "rsync")) and mark in " ".join(words):
            found.append(" ".join(words))
    return found


@pytest.mark.server
def test_a_switch_by_rsync_loses_no_acknowledged_write_and_leaves_no_key_behind(tmp_path: Path) -> None:
    if missing := missing_sync_programs():
        pytest.skip(f"needs {', '.join(missing)}: scripts/test_programs.sh install")
    clock = SystemClock()
    shop = with_rsync("shop")
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=(shop,))
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        day.switch("shop", "by rsync", expected="completed")
        await_retirement(world)
        state = world.region.get("/state")
        wrongs = disagreements(read_books(world, day.agents["shop"], shop, state)) + strangers(world, state)
        switch = world.server.get(f"/agents/{day.agents['shop']}/switches/{day.moves[0].switch['switch_id']}")
        left = processes_with(str(tmp_path))
    finally:
        world.processes.stop_all()

    move = day.moves[0]
    steps = {step["name"]: step for step in switch["steps"]}
    sys.stdout.write(
        f"lost {move.lost_writes}; the prober could not write for {move.prober_downtime_seconds:.2f} s; "
        f"copy {steps['copy']['outcome']}; sync {steps['sync']['outcome']}\n"
    )
    assert move.lost_writes == 0
    assert wrongs == []
    assert steps["copy"]["outcome"]["bytes_sent"] > 0
    assert steps["sync"]["outcome"]["bytes_sent"] > 0
    assert move.prober_downtime_seconds < MOST_OUTAGE_SECONDS
    assert left == []
    assert list(tmp_path.glob("region/instances/*/run/spot-optimizer/*coming")) == []
    assert list(tmp_path.glob("region/instances/*/run/spot-optimizer/outgoing/key")) == []
