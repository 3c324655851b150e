"""Two instances on loopback addresses, with real directories, rsync and SSH servers, and a workload that writes all the time."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from agent_fakes.process import eventually
from agent_fakes.world import settings_for
from spot_agent.carrying import programs
from spot_agent.carrying.machine_carrier import MachineCarrier
from spot_agent.carrying.passes import Order, Sending, Sent
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.rules.rsync import Door, Pass

CLOCK = SystemClock()
MOVE = "move-1"
SESSION_SECONDS = 60.0

COUNTER = """
import mmap, os, signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
folder, number = sys.argv[1], int(sys.argv[2])
log = open(folder + "/log", "a")
cell = os.open(folder + "/cell", os.O_RDWR | os.O_CREAT)
mapped_file = os.open(folder + "/mapped", os.O_RDWR | os.O_CREAT)
os.ftruncate(mapped_file, 4096)
mapped = mmap.mmap(mapped_file, 4096)
while not asked:
    log.write("%d\\n" % number)
    log.flush()
    os.pwrite(cell, b"%016d" % number, 0)
    mapped[0:16] = b"%016d" % number
    print("%d %.6f" % (number, time.time()), flush=True)
    number += 1
    time.sleep(0.01)
"""
"""Writes a number every 10 ms in three ways: at the end of a file, in place, and through a memory mapping; then it acknowledges it.
Told to stop, it ends between two."""


def require_programs() -> None:
    missing = programs.missing_programs()
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {', '.join(missing)}: scripts/test_programs.sh install")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: scripts/test_programs.sh install")


class RsyncHost:
    """One instance; `restart` is a new life of its daemon on the same disk and the same /run."""

    def __init__(self, directory: Path, address: str) -> None:
        self.directory, self.address = directory, address
        self.data = directory / "srv" / "data"
        self.data.parent.mkdir(parents=True, exist_ok=True)
        with socket.create_server((address, 0)) as probe:
            port = probe.getsockname()[1]
        self.settings = settings_for(directory, SYNC_PATHS=str(self.data), SYNC_PORT=str(port))
        self.stop = ThreadStop()
        self._lives: list[MachineCarrier] = []
        self.restart()

    def restart(self) -> None:
        self.carrier = MachineCarrier(self.settings, {}, CLOCK, self.stop)
        self._lives.append(self.carrier)

    def end(self) -> None:
        """Close, and reap what earlier lives had started: here they all are children of one process."""
        self.carrier.close()
        for life in self._lives:
            running = life._sender._running
            for process in (life._receiver._server, life._receiver._sweeper, None if running is None else running.process):
                if process is not None:
                    process.wait(10)
            if running is not None:
                running.output.close()

    def fill(self, count: int, size_bytes: int = 1_000) -> None:
        self.data.mkdir(exist_ok=True)
        for number in range(count):
            folder = self.data / f"folder-{number % 7}"
            folder.mkdir(exist_ok=True)
            (folder / f"file-{number}").write_bytes(os.urandom(size_bytes))

    def tree(self) -> dict[str, str]:
        """What is in the data directory: a digest by path."""
        return {
            str(path.relative_to(self.data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.data.rglob("*"))
            if path.is_file()
        }

    def run_folders(self) -> list[str]:
        """What is left of a move in /run."""
        folder = self.settings.runtime_directory
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def connect(old: RsyncHost, new: RsyncHost, move_id: str = MOVE) -> Door:
    public_key = old.carrier.make_key(move_id, SESSION_SECONDS)
    return new.carrier.open_receiver(move_id, public_key, new.address, SESSION_SECONDS)


def order(door: Door, which: Pass, *, bound_seconds: float = 60.0, trusted_before_seconds: float | None = None) -> Order:
    return Order(MOVE, which, door, bound_seconds, trusted_before_seconds)


def send(host: RsyncHost, given: Order, meanwhile: Callable[[], None] = lambda: None) -> Sent:
    """Ask until the pass is over, as the slow lane does; `meanwhile` is done between two looks."""
    while isinstance(sent := host.carrier.send(given), Sending):
        meanwhile()
    return sent


class Counter:
    """The workload of a host. `acknowledged` holds (number, when) once it was stopped."""

    def __init__(self, host: RsyncHost, first: int) -> None:
        self._lines = host.directory / f"acknowledged-{first}"
        with self._lines.open("wb") as output:
            self._process = subprocess.Popen([sys.executable, "-S", "-c", COUNTER, str(host.data), str(first)], stdout=output)
        eventually(lambda: self._lines.stat().st_size > 0)

    def stop(self) -> list[tuple[int, datetime]]:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        lines = (line.split() for line in self._lines.read_text().splitlines())
        return [(int(number), datetime.fromtimestamp(float(when)).astimezone()) for number, when in lines]


def held_numbers(host: RsyncHost) -> tuple[list[int], int, int]:
    """What a host's disk holds of a counter: the numbers of its log, the one in place, and the mapped one."""
    numbers = [int(line) for line in (host.data / "log").read_text().splitlines()]
    return numbers, int((host.data / "cell").read_bytes()), int((host.data / "mapped").read_bytes()[:16])


def processes_with(mark: str) -> list[str]:
    """Command lines of processes that mention `mark`, but for this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except OSError:
                continue
            if mark in line:
                found.append(line)
    return found
