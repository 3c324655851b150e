"""The processes of the demo: started with their logs in files, stopped in a written order, by the ids that were started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spot_simulator.clock import Clock
from spot_simulator.demo import tied

STOP_SECONDS = 10.0
"""For all of them together; what still runs then is killed."""


class ProcessDied(Exception):
    """A process of the demo ended by itself."""


class Interrupted(Exception):
    """A person pressed Ctrl-C, or the demo was told to end."""


@dataclass(slots=True)
class Processes:
    """Started in order, stopped in the opposite order. None outlives this process, however that ends."""

    log_dir: Path
    clock: Clock
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that Ctrl-C reaches only the demo, which stops them in order.

        It is killed when the calling thread ends, so that one should stay.
        """
        self.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.log_dir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(tied.__file__)), str(os.getpid()), *arguments],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def check(self) -> None:
        """Raise ProcessDied, with the end of its log, if one ended by itself."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                raise ProcessDied(f"{name} ended with code {process.returncode}:\n{self.tail(name)}")

    def ended(self, name: str) -> int | None:
        """Return the code with which a process ended by itself; None while it runs, and when it was not started."""
        process = self.running.get(name)
        return None if process is None else process.poll()

    def tail(self, name: str, line_count: int = 15) -> str:
        """Return the last lines of a process's log."""
        path = self.log_dir / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-line_count:])

    def kill(self, name: str, *, whole_session: bool = True) -> None:
        """Kill -9 a process, with everything that it started in its session or alone, and forget it."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            if whole_session:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()

    def stop_all(self) -> None:
        """Ask everything to end, the last started first, each after the one before; kill what is left when the time is over."""
        until_seconds = self.clock.monotonic_seconds() + STOP_SECONDS
        for name in reversed(list(self.running)):
            process = self.running[name]
            process.terminate()
            try:
                process.wait(max(0.1, until_seconds - self.clock.monotonic_seconds()))
            except subprocess.TimeoutExpired:
                self.kill(name)
            else:
                del self.running[name]
