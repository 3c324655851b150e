"""The processes of the demo: started with their logs in files, stopped in a written order, by the ids that were started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 15.0


class ProcessDied(Exception):
    """A process of the demo ended by itself."""


@dataclass(slots=True)
class Processes:
    """Started in order, stopped in the opposite order."""

    log_dir: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, so that Ctrl-C reaches only the demo, which stops them in order."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.log_dir / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                list(arguments),
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
        for name, process in self.running.items():
            if process.poll() is not None:
                raise ProcessDied(f"{name} ended with code {process.returncode}:\n{self.tail(name)}")

    def tail(self, name: str, line_count: int = 15) -> str:
        """Return the last lines of a process's log."""
        path = self.log_dir / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-line_count:])

    def stop(self, name: str) -> None:
        """Ask a process to end, and kill it if it does not."""
        process = self.running.pop(name, None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def stop_all(self) -> None:
        """Stop everything, the last started first."""
        for name in reversed(list(self.running)):
            self.stop(name)
