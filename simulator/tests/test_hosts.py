"""Hosts made of namespaces: each has its own network and disk, they reach each other over the bridge, and nothing of them stays."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.hosting.hosts import Bridge, HostFailed, NamespaceHosts
from spot_simulator.machine import Machine
from spot_simulator.model.capacity import Mode
from spot_simulator.network.imds import ImdsServer
from system.host_network import host_network

pytestmark = pytest.mark.server

GREETS = """
import socket, sys
with socket.create_server((sys.argv[1], 7022)) as server:
    print("listening", flush=True)
    server.accept()[0].sendall(sys.argv[2].encode())
"""
ASKS = "import socket, sys; print(socket.create_connection((sys.argv[1], 7022), timeout=5).makefile().read())"
MAKES_ONE_AND_WAITS = """
import sys
from ipaddress import IPv4Interface
from pathlib import Path
import test_hosts
hosts = test_hosts.NamespaceHosts(test_hosts.Bridge(sys.argv[1], IPv4Interface(sys.argv[2])), Path(sys.argv[3]))
hosts.put_up(test_hosts.machine(9, sys.argv[4]))
print("up", flush=True)
sys.stdin.read()
"""


def machine(ordinal: int, private_ip: str) -> Machine:
    return Machine(
        instance_id=f"i-{ordinal}",
        ordinal=ordinal,
        instance_type="m5.large",
        az_id="use1-az1",
        az_name="us-east-1a",
        mode=Mode.SPOT,
        private_ip=private_ip,
        image_id="ami-1",
        launched_at=datetime(2026, 1, 1, tzinfo=UTC),
        account_id="123456789012",
        region="us-east-1",
        architecture="x86_64",
        user_data=None,
        mac="02:00:00:00:00:01",
    )


def address(bridge: Bridge, number: int) -> str:
    return str(bridge.interface.ip + number)


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with host_network() as made:
        yield made


@contextmanager
def two_hosts(bridge: Bridge, folder: Path) -> Iterator[tuple[NamespaceHosts, Machine, Machine]]:
    hosts, one, other = NamespaceHosts(bridge, folder), machine(1, address(bridge, 3)), machine(2, address(bridge, 4))
    for each in (one, other):
        (folder / each.instance_id / "disk").mkdir(parents=True)
    try:
        for each in (one, other):
            hosts.put_up(each)
        yield hosts, one, other
    finally:
        for each in (one, other):
            hosts.take_down(each)


def on_host(hosts: NamespaceHosts, of: Machine, *command: str) -> list[str]:
    network, mounts = hosts.namespaces(of)
    return ["nsenter", f"--net={network}", f"--mount={mounts}", "--", *command]


def says(hosts: NamespaceHosts, of: Machine, *command: str) -> str:
    done = subprocess.run(on_host(hosts, of, *command), capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


def ports(bridge: Bridge) -> str:
    listed = subprocess.run(["ip", "-brief", "link", "show", "master", bridge.name], capture_output=True, text=True, check=True)
    return listed.stdout


def test_a_host_sees_its_own_disk_and_no_other(bridge: Bridge, tmp_path: Path) -> None:
    with two_hosts(bridge, tmp_path) as (hosts, one, other):
        says(hosts, one, "sh", "-c", "echo mine > /srv/note")

        seen = [says(hosts, each, "ls", "/srv") for each in (one, other)]
        folders = [says(hosts, each, "ls", str(tmp_path)) for each in (one, other)]

    assert seen == ["note", ""]
    assert folders == ["i-1", "i-2"]
    assert (tmp_path / "i-1" / "disk" / "srv" / "note").read_text() == "mine\n"


def test_hosts_reach_each_other_at_their_addresses_and_their_loopbacks_are_their_own(bridge: Bridge, tmp_path: Path) -> None:
    with two_hosts(bridge, tmp_path) as (hosts, one, other):
        command = on_host(hosts, one, sys.executable, "-c", GREETS, one.private_ip, "hello")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "listening\n"
            with pytest.raises(subprocess.CalledProcessError):
                says(hosts, other, sys.executable, "-c", ASKS, "127.0.0.1")
            heard = says(hosts, other, sys.executable, "-c", ASKS, one.private_ip)

    assert heard == "hello"


def test_each_host_has_a_metadata_service_at_the_well_known_address(bridge: Bridge, tmp_path: Path) -> None:
    clock = SystemClock()

    def asks() -> int:
        try:
            urllib.request.urlopen("http://169.254.169.254/latest/meta-data/instance-id", timeout=5)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    with two_hosts(bridge, tmp_path) as (hosts, one, other):
        servers = [hosts.on_host(each, partial(ImdsServer, each, hosts.metadata_address(each), clock)) for each in (one, other)]
        codes = [hosts.on_host(each, asks) for each in (one, other)]
        for server in servers:
            server.close()

    assert [server.machine.instance_id for server in servers] == ["i-1", "i-2"]
    assert codes == [401, 401]  # without a token


def test_a_host_that_is_taken_down_is_unplugged_and_can_be_put_up_again(bridge: Bridge, tmp_path: Path) -> None:
    with two_hosts(bridge, tmp_path) as (hosts, one, _other):
        hosts.take_down(one)
        left = ports(bridge)
        with pytest.raises(HostFailed, match="i-1 has no host"):
            hosts.namespaces(one)
        hosts.put_up(one)
        again = says(hosts, one, "ls", str(tmp_path))

    assert (f"{bridge.name}p1@" in left, f"{bridge.name}p2@" in left) == (False, True)
    assert again == "i-1"
    assert ports(bridge) == ""


def test_a_bridge_that_is_not_there_is_named(tmp_path: Path, bridge: Bridge) -> None:
    nowhere = NamespaceHosts(Bridge("spotnone", bridge.interface), tmp_path)
    (tmp_path / "i-1").mkdir()

    with pytest.raises(HostFailed, match="spotnone"):
        nowhere.put_up(machine(1, address(bridge, 3)))


def test_nothing_of_a_host_outlives_the_process_that_made_it(bridge: Bridge, tmp_path: Path) -> None:
    (tmp_path / "i-9").mkdir()
    arguments = [bridge.name, str(bridge.interface), str(tmp_path), address(bridge, 9)]
    command = [sys.executable, "-c", MAKES_ONE_AND_WAITS, *arguments]
    paths = {"PYTHONPATH": str(Path(__file__).parent), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(command, env=paths, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "up\n"
        plugged = ports(bridge)

        maker.send_signal(signal.SIGKILL)
        maker.wait()

    clock = SystemClock()
    until_seconds = clock.monotonic_seconds() + 20
    while (left := ports(bridge)) and clock.monotonic_seconds() < until_seconds:
        clock.sleep(0.05)
    assert f"{bridge.name}p9@" in plugged
    assert left == ""
