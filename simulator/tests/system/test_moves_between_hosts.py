"""Moves between hosts of their own, by real daemons, rsync and SSH: an application that writes every 10 ms counts what each cost.

Every instance has a network namespace with its own address, metadata service and /srv, and sees no disk but its own; what goes
from one to the other goes over the bridge between them. Repeat with `-s` to read the figures; docs/carries.md has some.
"""

import sys
import uuid
from collections.abc import Iterator

import pytest

from spot_simulator.base_image import default_services
from spot_simulator.clock import SystemClock, parse_time
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.scenes import manual_standby
from spot_simulator.demo.world import Settings, Workload, World
from system import counter
from system.counting import Count, read_count
from system.host_network import host_network

pytestmark = pytest.mark.server

ROLE_ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
TIME_SCALE = 0.02
NOTICE_SECONDS = 60.0
"""Of this machine's clock: rsync and SSH do not run faster because the region does."""
MOST_SILENCE_SECONDS = 60.0
"""On a machine that does other things; docs/carries.md has what was measured."""


def _counting_workload() -> Workload:
    services = default_services()
    services[1]["argv"] = [sys.executable, counter.__file__]
    return Workload(
        "shop",
        "rsync",
        "m5.large",
        ("m5.large", "m5a.large", "m6i.large"),
        starts_on_spot=True,
        daemon_settings={"SYNC_PATHS": "/srv/workload"},  # the same on every host, and on each its own
        services=services,
    )


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """One region for all moves of this file: each begins with whatever instance serves."""
    folder, clock = tmp_path_factory.mktemp("hosts"), SystemClock()
    with host_network() as bridge:
        settings = Settings(
            folder,
            f"sqlite:///{folder}/spot.db",
            TIME_SCALE,
            1,
            workloads=(_counting_workload(),),
            aws_role_arn=ROLE_ARN,
            bridge=bridge,
        )
        world = World(settings, clock, Processes(folder / "logs", clock))
        played = Day(world, lambda _line: None)
        try:
            world.put_up(lambda _line: None)
            played.await_registrations()
            played.await_prices()
            yield played
        finally:
            world.processes.stop_all()


def have_image(day: Day) -> None:
    """See to an image of the agent's own, which what was not planned starts from: the first move makes one."""
    day.await_no_switch(day.agents["shop"])
    if not own_images(day):
        day.switch("shop", "for an image", expected="completed")


def own_images(day: Day) -> list[dict[str, str]]:
    images: list[dict[str, str]] = day.world.region.get("/state")["images"]
    return [image for image in images if image["instance_id"] and image["state"] == "available"]


def count_latest(day: Day, old_id: str) -> Count:
    """Count the latest move by both disks, and say what it cost."""
    counted = read_count(day.world.settings.state_dir / "region" / "instances", old_id, day.primary_id("shop"))
    move = day.moves[-1]
    sys.stdout.write(
        f"\n{move.scene}: {len(counted.lost)} of {len(counted.old)} numbers lost, none written for {counted.silence_seconds:.2f} s; "
        f"the prober outside lost {move.lost_writes}, and could not write for {move.prober_downtime_seconds:.2f} s\n"
    )
    return counted


def assert_nothing_lost(counted: Count) -> None:
    assert len(counted.old) > 100
    assert counted.lost == []
    assert (counted.numbers_missing, counted.numbers_doubled) == ([], [])
    assert 0 < counted.silence_seconds < MOST_SILENCE_SECONDS


def test_a_planned_switch_by_rsync_to_another_host_loses_no_number(day: Day) -> None:
    day.await_no_switch(day.agents["shop"])
    old_id = day.primary_id("shop")

    day.switch("shop", "planned switch, rsync", expected="completed")

    assert_nothing_lost(count_latest(day, old_id))
    assert day.moves[-1].lost_writes == 0


def test_a_notice_with_a_replica_ready_loses_no_number(day: Day) -> None:
    have_image(day)
    old_id = day.primary_id("shop")

    day.recommendation_then_notice("shop", lead_seconds=NOTICE_SECONDS / TIME_SCALE)

    assert_nothing_lost(count_latest(day, old_id))
    assert day.moves[-1].lost_writes == 0


def test_promoting_a_standby_by_hand_loses_no_number(day: Day) -> None:
    agent_id = day.agents["shop"]
    day.await_no_switch(agent_id)
    old_id = day.primary_id("shop")

    manual_standby(day, "shop")

    day.world.server.post(f"/agents/{agent_id}/config", {"request_id": str(uuid.uuid4()), "manual_replica_enabled": False})
    assert_nothing_lost(count_latest(day, old_id))
    assert day.moves[-1].lost_writes == 0


def test_a_loss_without_a_word_loses_what_is_younger_than_the_image_and_no_more(day: Day) -> None:
    agent_id = day.agents["shop"]
    have_image(day)
    old_id = day.primary_id("shop")
    promised = day.world.server.get(f"/agents/{agent_id}")["guarantee"]

    day.loss("shop", "lost without a word")

    counted = count_latest(day, old_id)
    image_id = day.world.instance(day.primary_id("shop"))["image_id"]
    made_at = parse_time(next(image["created_at"] for image in own_images(day) if image["image_id"] == image_id))
    kept = [line.number for line in counted.old if line not in set(counted.lost)]
    assert counted.lost
    assert [line.number for line in counted.lost] == list(range(kept[-1] + 1, counted.old[-1].number + 1))
    assert all(line.written_at >= made_at for line in counted.lost)
    assert all(line.written_at >= parse_time(promised["lost_if_gone_since"]) for line in counted.lost)
    assert (counted.numbers_missing, counted.numbers_doubled) == ([], [])
    assert 0 < counted.silence_seconds < MOST_SILENCE_SECONDS
