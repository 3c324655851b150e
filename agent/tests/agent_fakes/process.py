"""A real daemon process, with a real (small) workload behind its hooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spot_agent.clock import SystemClock

CLOCK = SystemClock()

HOOK = """
import json, os, pathlib, sys, time
root, what = pathlib.Path(sys.argv[1]), sys.argv[2]
with (root / "hooks.log").open("a") as log:
    log.write(what + "\\n")
if (root / ("hang-" + what)).exists():
    time.sleep(60)
if (root / ("fail-" + what)).exists():
    print("the test wants it so")
    sys.exit(3)
flag = root / "serving"
if what == "start":
    if not (root / "run" / "serve").exists():
        sys.exit("no start guard")
    flag.touch()
elif what == "stop":
    flag.unlink(missing_ok=True)
elif what == "serving_check":
    sys.exit(0 if flag.exists() else 1)
"""


class DaemonProcess:
    """`spot-agent run` with its own directories under `root`."""

    def __init__(self, root: Path, server_url: str, imds_url: str, ec2_url: str, **environment: str) -> None:
        self.root = root
        (root / "hook.py").write_text(HOOK)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "SPOT_SERVER_URL": server_url,
            "LOGICAL_AGENT_ID": "web-1",
            "ENROLMENT_TOKEN": "so_enrol_test",
            "IMDS_ENDPOINT": imds_url,
            "AWS_ENDPOINT_URL": ec2_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "STATE_DIRECTORY": str(root / "state"),
            "RUNTIME_DIRECTORY": str(root / "run"),
            "HEARTBEAT_INTERVAL": "0.3",
            "PENDING_COMMANDS_CHECK_INTERVAL": "0.2",
            "COMMAND_WAIT": "20",
            "NOTICE_POLL_INTERVAL": "0.2",
            "LOG_LEVEL": "DEBUG",
            "HOOK_BOUND_SECONDS": "20",
            **{f"{name.upper()}_COMMAND": self._hook(name) for name in ("start", "stop", "serving_check")},
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log_path = root / "daemon.log"

    def _hook(self, name: str) -> str:
        return f"{sys.executable} -S {self.root / 'hook.py'} {self.root} {name}"

    def start(self) -> DaemonProcess:
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-m", "spot_agent", "run"], env=self.environment, stdout=log, stderr=log)
        return self

    def status(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spot_agent", "status", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=20, check=False)

    def kill(self) -> None:
        """Kill -9, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> tuple[int, float]:
        """SIGTERM. (exit code, seconds it took)."""
        assert self._process is not None
        began = CLOCK.monotonic_seconds()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=20), CLOCK.monotonic_seconds() - began

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def exit_code(self, within_seconds: float = 10) -> int:
        assert self._process is not None
        return self._process.wait(timeout=within_seconds)

    def journal(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads((self.root / "state" / "journal.json").read_text())["journal"]
        return body

    def hooks_run(self) -> list[str]:
        path = self.root / "hooks.log"
        return path.read_text().split() if path.exists() else []

    @property
    def serves(self) -> bool:
        return (self.root / "serving").exists()

    @property
    def log(self) -> str:
        return self.log_path.read_text()


def eventually(is_so: Callable[[], bool], within_seconds: float = 15.0, why: Callable[[], str] = str) -> None:
    """Wait for another process; what it did shows in files and in what the fakes were sent."""
    ends = CLOCK.monotonic_seconds() + within_seconds
    while not is_so():
        assert CLOCK.monotonic_seconds() < ends, f"not so within {within_seconds} s: {why()}"
        threading.Event().wait(0.03)
