"""The demo as a person starts it, and every process that belongs to it."""

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

LINE_BOUND_SECONDS = 200.0


def processes_of(state_dir: Path) -> list[int]:
    """Return every other process whose environment or command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            text = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(state_dir).encode() in text and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


class RunningDemo:
    """`python -m spot_simulator.demo` with its output read line by line."""

    def __init__(self, state_dir: Path, *arguments: str) -> None:
        self.state_dir = state_dir
        command = [sys.executable, "-u", "-m", "spot_simulator.demo", "--state-dir", str(state_dir), "--time-scale", "0.02", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.lines: list[str] = []
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)

    def await_line(self, beginning: str) -> str:
        """Return the first line that begins so; AssertionError when it does not come."""
        while True:
            line = self._arrived.get(timeout=LINE_BOUND_SECONDS)
            assert line is not None, "the demo ended:\n" + "\n".join(self.lines[-20:])
            self.lines.append(line)
            if line.startswith(beginning):
                return line

    def rest(self) -> list[str]:
        """Return the lines up to the end of the output."""
        lines = []
        while (line := self._arrived.get(timeout=LINE_BOUND_SECONDS)) is not None:
            lines.append(line)
        return lines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()
