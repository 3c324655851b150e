"""The region as a process: how it starts, how it ends, and that nothing outlives it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conformance.behaviour import Behaviour
from conformance.http_region import HttpRegion
from conformance.world import World, service, shell

pytestmark = pytest.mark.server


def processes_of(state_dir: Path) -> list[int]:
    """Return every process whose environment or command line names the state directory."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(state_dir).encode() in text and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_nothing_outlives_the_region(tmp_path: Path, how: str) -> None:
    state_dir = tmp_path / "state"
    with HttpRegion(state_dir) as region:
        world = World(region)
        daemon = shell("daemon", 'trap "" TERM; setsid sleep 1000 & sleep 1000')
        instance_id = world.launch_and_boot(service("workload", Behaviour.SERVES), daemon)
        world.wait_for_answer(world.seen(instance_id)["private_ip"], instance_id)
        before = processes_of(state_dir)

        getattr(region.process, how)()
        region.process.wait(60)

        region.eventually(lambda: not processes_of(state_dir))
    assert len(before) >= 4


def test_two_regions_on_one_machine_do_not_meet(tmp_path: Path) -> None:
    with HttpRegion(tmp_path / "one") as one, HttpRegion(tmp_path / "other") as other:
        addresses = [region.ec2.allocate_address(Domain="vpc")["PublicIp"] for region in (one, other)]
        networks = [region.ec2.describe_vpcs()["Vpcs"][0]["CidrBlock"] for region in (one, other)]

    assert len(set(addresses)) == 2
    assert len(set(networks)) == 2


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    command = [sys.executable, "-m", "spot_simulator.cli", "region", "--state-dir", str(tmp_path)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "not empty" in ended.stderr


def test_an_address_forwards_while_ec2_is_being_asked(tmp_path: Path) -> None:
    with HttpRegion(tmp_path / "state") as region:
        world = World(region)
        instance_id = world.launch_and_boot(service("workload", Behaviour.SERVES))
        address = region.ec2.allocate_address(Domain="vpc")
        region.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)
        world.wait_for_answer(address["PublicIp"], instance_id)

        with ThreadPoolExecutor(max_workers=1) as reader:
            reading = reader.submit(lambda: [region.ec2.describe_instances() for _ in range(100)])
            answers = [world.ask(address["PublicIp"]).text for _ in range(60)]
            reading.result()

    assert answers == [instance_id] * 60
