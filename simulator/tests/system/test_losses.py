"""An instance that is lost without a word is rescued; a daemon alone that dies moves nothing. Real processes, and an outside prober."""

import uuid
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.books import disagreements, stillness_disagreements
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.reading import read_books, strangers
from spot_simulator.demo.scenes import lost_with_a_standby
from spot_simulator.demo.stillness import dead_daemon
from spot_simulator.demo.world import Settings, Workload, World

ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
WEB = Workload("web", "stateless", "m5.large", ("m5.large", "m5a.large", "m6i.large"))
"""Its first instance is on demand: no spot request tells of its loss, only EC2's answer about its silence."""
TIME_SCALE = 0.02


@pytest.mark.server
def test_losses_are_rescued_with_and_without_a_replica_and_a_dead_daemon_moves_nothing(tmp_path: Path) -> None:
    clock = SystemClock()
    settings = Settings(tmp_path, f"sqlite:///{tmp_path}/spot.db", TIME_SCALE, 1, workloads=(WEB,), aws_role_arn=ROLE_ARN)
    world = World(settings, clock, Processes(tmp_path / "logs", clock))
    day = Day(world, lambda _line: None)
    try:
        world.put_up(lambda _line: None)
        day.await_registrations()
        day.await_prices()
        dead_daemon(day, "web", "daemon alone dies")
        alone = day.loss("web", "no replica")
        turned_on = {"request_id": str(uuid.uuid4()), "manual_replica_enabled": True, "replica_count": 1}
        world.server.post(f"/agents/{day.agents['web']}/config", turned_on)
        lost_with_a_standby(day, "web")
        day.await_retirements()
        state = world.region.get("/state")
        wrongs = disagreements(read_books(world, day.agents["web"], WEB, state)) + strangers(world, state)
        [still] = day.stills
    finally:
        world.processes.stop_all()

    assert still.silent_seconds > 10
    assert stillness_disagreements(still) == []
    assert (alone["from_instance_id"], alone["trigger"]) == (world.first_instances["web"], "failover")
    assert wrongs == []
