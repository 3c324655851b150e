"""What the instances run on: all on this machine as it is, or each on a host of its own, made of kernel namespaces."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Protocol, TypeVar

from spot_simulator.hosting.namespaces import within
from spot_simulator.machine import Machine

T = TypeVar("T")

_SHARED_IMDS_PORT = 1338
_LINK_LOCAL_IMDS = "169.254.169.254"
_BOUND_SECONDS = 20.0
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

_MAKE_HOST = """
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip link add eth0 type veth peer name "$PORT" netns "$REGION_PID"
ip address add "$ADDRESS" dev eth0
ip link set eth0 up
mkdir -p "$INSTANCES/$INSTANCE_ID/disk/srv"
mount --bind "$INSTANCES/$INSTANCE_ID/disk/srv" /srv
mount --bind "$INSTANCES/$INSTANCE_ID" /mnt
mount -t tmpfs -o mode=755 tmpfs "$INSTANCES"
mkdir "$INSTANCES/$INSTANCE_ID"
mount --bind /mnt "$INSTANCES/$INSTANCE_ID"
umount /mnt
echo made
read -r until_held
"""
"""Of the other instances' disks and /run nothing is left to see; /srv is the instance's own, as on a machine."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge of this machine, between the hosts; ``interface`` is this machine's own address on it, and the network's size."""

    name: str
    interface: IPv4Interface


class HostFailed(Exception):
    """A host could not be made."""


class Hosts(Protocol):
    """Every method is called with the region's lock held."""

    def put_up(self, machine: Machine) -> None:
        """Make the host of an instance that begins to run. Raise ``HostFailed``."""
        ...

    def take_down(self, machine: Machine) -> None:
        """End the host of an instance that is off, if it has one."""
        ...

    def namespaces(self, machine: Machine) -> list[str]:
        """Name what a process has to enter to run there, as paths that this machine's root may open."""
        ...

    def metadata_address(self, machine: Machine) -> tuple[str, int]:
        """Say where the instance's metadata service listens."""
        ...

    def on_host(self, machine: Machine, work: Callable[[], T]) -> T:
        """Do something in the network of the host."""
        ...


class SharedHost:
    """This machine, for all: they differ by a loopback address."""

    def put_up(self, machine: Machine) -> None:
        """Nothing is to be made."""

    def take_down(self, machine: Machine) -> None:
        """Nothing was made."""

    def namespaces(self, machine: Machine) -> list[str]:
        """None."""
        return []

    def metadata_address(self, machine: Machine) -> tuple[str, int]:
        """On the instance's own address, for the well-known one is one for all."""
        return machine.private_ip, _SHARED_IMDS_PORT

    def on_host(self, machine: Machine, work: Callable[[], T]) -> T:
        """Do it here."""
        return work()


@dataclass(frozen=True, slots=True)
class _Host:
    port: str
    network_fd: int
    mounts_fd: int


class NamespaceHosts:
    """A network and a mount namespace for each instance, with a veth pair to a bridge; needs root.

    They are held by descriptors of this process alone: the kernel ends them with it, however it ends.
    """

    def __init__(self, bridge: Bridge, instances: Path) -> None:
        """``instances`` holds a folder for each instance, with its disk and its /run."""
        self._bridge, self._instances = bridge, instances
        self._hosts: dict[str, _Host] = {}

    def put_up(self, machine: Machine) -> None:
        """Make its namespaces, and plug it in."""
        self.take_down(machine)
        port = f"{self._bridge.name}p{machine.ordinal}"
        environment = {
            "PATH": _PATH,
            "PORT": port,
            "REGION_PID": str(os.getpid()),
            "ADDRESS": f"{machine.private_ip}/{self._bridge.interface.network.prefixlen}",
            "INSTANCES": str(self._instances),
            "INSTANCE_ID": machine.instance_id,
        }
        command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-euc", _MAKE_HOST]
        try:
            self._hosts[machine.instance_id] = _make(command, environment, port)
            _run(["ip", "link", "set", port, "master", self._bridge.name, "up"])
        except (OSError, subprocess.SubprocessError, HostFailed) as error:
            self.take_down(machine)
            raise HostFailed(f"{machine.instance_id}: {error}") from error

    def take_down(self, machine: Machine) -> None:
        """Unplug it; its namespaces end with the last process that is in them."""
        host = self._hosts.pop(machine.instance_id, None)
        if host is None:
            return
        os.close(host.network_fd)
        os.close(host.mounts_fd)
        _run(["ip", "link", "delete", host.port], must_succeed=False)

    def namespaces(self, machine: Machine) -> list[str]:
        """Its network and its mounts."""
        host = self._host(machine)
        return [f"/proc/{os.getpid()}/fd/{fd}" for fd in (host.network_fd, host.mounts_fd)]

    def metadata_address(self, machine: Machine) -> tuple[str, int]:
        """EC2's own."""
        return _LINK_LOCAL_IMDS, 80

    def on_host(self, machine: Machine, work: Callable[[], T]) -> T:
        """Do it in the instance's network."""
        return within(self._host(machine).network_fd, work)

    def _host(self, machine: Machine) -> _Host:
        try:
            return self._hosts[machine.instance_id]
        except KeyError:
            raise HostFailed(f"{machine.instance_id} has no host") from None


def _make(command: list[str], environment: dict[str, str], port: str) -> _Host:
    """Make the namespaces, and take hold of them before the process that made them ends."""
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as maker:
        if maker.stdout is None or maker.stdout.readline() != "made\n":
            _, said = maker.communicate(timeout=_BOUND_SECONDS)
            raise HostFailed(said.strip() or "the namespaces could not be made")
        opened = [os.open(f"/proc/{maker.pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt")]
        maker.communicate("\n", timeout=_BOUND_SECONDS)
    return _Host(port, *opened)


def _run(command: list[str], *, must_succeed: bool = True) -> None:
    environment = {"PATH": _PATH}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=_BOUND_SECONDS)
    if must_succeed and done.returncode != 0:
        raise HostFailed(f"{' '.join(command)}: {done.stderr.strip()}")
