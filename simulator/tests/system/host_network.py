"""A bridge of this machine's own, for hosts made of namespaces to be plugged into; gone when the test is over, however it ends."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface, IPv4Network

import pytest

from spot_simulator.hosting.hosts import Bridge
from spot_simulator.network.slot import claim_number

PROGRAMS = ("ip", "unshare", "nsenter", "mount", "rsync", "ssh", "sshd")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NETWORK = IPv4Network("198.18.0.0/16")
"""Set aside for measurements between devices (RFC 2544): no network that this machine is in has them."""


def run(*command: str) -> str:
    """Run a program and return why it failed; empty when it did not."""
    done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False, timeout=20)
    return "" if done.returncode == 0 else f"{' '.join(command)}: {done.stderr.strip() or done.returncode}"


def obstacle() -> str:
    """Say why there can be no hosts here; empty when there can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if missing:
        return f"needs {', '.join(missing)}: scripts/test_programs.sh install"
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    trial = "ip link add name one type veth peer name two; ip link add name three type bridge; mount -t tmpfs none /mnt"
    return run("unshare", "--net", "--mount", "sh", "-ec", trial)


@contextmanager
def host_network() -> Iterator[Bridge]:
    """Put up a bridge. Where the kernel or the rights forbid it: skip here, fail in CI."""
    if why := obstacle():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{why}; CI runs every test")
        pytest.skip(why)
    number, hold = claim_number("spot-test-bridge")
    bridge = Bridge(f"spot{number}", IPv4Interface((next(list(NETWORK.subnets(new_prefix=20))[number].hosts()), 20)))
    try:
        run("ip", "link", "delete", bridge.name)  # of a test that was killed: its number was free, so nobody uses it
        for command in (
            ("ip", "link", "add", bridge.name, "type", "bridge", "forward_delay", "0"),
            ("ip", "address", "add", str(bridge.interface), "dev", bridge.name),
            ("ip", "link", "set", bridge.name, "up"),
        ):
            assert run(*command) == ""
        yield bridge
    finally:
        run("ip", "link", "delete", bridge.name)
        hold.close()
