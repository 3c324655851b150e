"""systemd as scripts/setup.sh and the daemon's hooks meet it: a systemctl on the PATH, and units that really start processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from agent_fakes.http_server import Handler, HttpFake

DAEMON_UNIT = "spot-agent.service"
BOUND_SECONDS = 280
SYSTEMCTL = """#!{python} -SE
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=30)
connection.request("POST", "/", json.dumps(sys.argv[1:]))
answer = json.loads(connection.getresponse().read())
sys.stdout.write(answer["output"])
sys.exit(answer["code"])
"""


class _SystemdHandler(Handler):
    fake: "FakeSystemd"

    def do_POST(self) -> None:
        code, output = self.fake.obey(self.body())
        self.answer(200, json.dumps({"code": code, "output": output}))


class FakeSystemd(HttpFake):
    """The units of a root directory. The daemon is a process of ours; the workload is a flag that only its condition lets be set."""

    def __init__(self, root: Path, programs: Path) -> None:
        super().__init__(_SystemdHandler)
        self.root = root
        self.units = root / "etc" / "systemd" / "system"
        self.calls: list[list[str]] = []
        self.enabled: set[str] = set()
        self.active: set[str] = set()
        self.environment = {"PATH": f"{programs}:/usr/bin:/bin"}
        self.systemctl = programs / "systemctl"
        programs.mkdir()
        self.systemctl.write_text(SYSTEMCTL.format(python=sys.executable, port=self.port))
        self.systemctl.chmod(0o755)
        self._daemon: subprocess.Popen[bytes] | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop_daemon()
        super().__exit__(kind, error, trace)

    def obey(self, argv: list[str]) -> tuple[int, str]:
        """What `systemctl ARGV` does: its exit code and output."""
        self.calls.append(argv)
        verb, names = argv[0], [word for word in argv[1:] if not word.startswith("-")]
        if verb == "--no-pager":
            return self.obey(argv[1:])
        if verb in ("show", "cat"):
            return self._shown(verb, names[0])
        if verb == "daemon-reload":
            return 0, ""
        if verb in ("is-active", "is-enabled"):
            return (0 if self._is(verb, names[0]) else 3), ""
        return self._changed(verb, names[0], is_now="--now" in argv), ""

    def _is(self, verb: str, name: str) -> bool:
        if verb == "is-enabled":
            return name in self.enabled
        return self.daemon_runs if name == DAEMON_UNIT else name in self.active

    def _shown(self, verb: str, name: str) -> tuple[int, str]:
        text = self.unit_text(name)
        if verb == "cat":
            return (0, text) if text else (1, "")
        return 0, f"LoadState={'loaded' if text else 'not-found'}\nAfter={' '.join(_values(text, 'After'))}\nTriggeredBy=\n"

    def _changed(self, verb: str, name: str, *, is_now: bool) -> int:
        if verb == "enable":
            self.enabled.add(name)
        if verb == "disable":
            self.enabled.discard(name)
        is_stopped = verb in ("stop", "restart") or (verb == "disable" and is_now)
        if is_stopped:
            self._stop(name)
        if verb in ("start", "restart"):
            self._start(name)
        return 0

    def _stop(self, name: str) -> None:
        if name == DAEMON_UNIT:
            self.stop_daemon()
        self.active.discard(name)

    def _start(self, name: str) -> None:
        if name == DAEMON_UNIT:
            self._start_daemon()
        elif all((self.root / path.lstrip("/")).exists() for path in _values(self.unit_text(name), "ConditionPathExists")):
            self.active.add(name)

    def unit_text(self, name: str) -> str:
        """The unit with its drop-ins; "" when there is none."""
        unit = self.units / name
        if not unit.exists():
            return ""
        return "\n".join(path.read_text() for path in (unit, *sorted((self.units / f"{name}.d").glob("*.conf"))))

    def _start_daemon(self) -> None:
        (line,) = _values(self.unit_text(DAEMON_UNIT), "ExecStart", is_list=False)
        command = [f"{self.root}{word}" if word.startswith("/") else word for word in line.split()]
        folders = {"STATE_DIRECTORY": "var/lib/spot-agent", "RUNTIME_DIRECTORY": "run/spot-optimizer"}
        for folder in folders.values():
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        environment = {**self.environment, **{name: str(self.root / folder) for name, folder in folders.items()}}
        with (self.root / "daemon.log").open("ab") as log:
            self._daemon = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def daemon_runs(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    @property
    def daemon_pid(self) -> int | None:
        return self._daemon.pid if self._daemon is not None and self.daemon_runs else None

    def stop_daemon(self) -> None:
        """As systemd does: SIGTERM to the daemon alone."""
        if self._daemon is not None:
            self._daemon.terminate()
            self._daemon.wait(20)
            self._daemon = None

    def run(self, *command: str | os.PathLike[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a program with this systemctl on its PATH."""
        return subprocess.run(command, capture_output=True, text=True, timeout=BOUND_SECONDS, check=False, **options)


def _values(text: str, key: str, *, is_list: bool = True) -> list[str]:
    found = [line.split("=", 1)[1].strip() for line in text.splitlines() if line.startswith(f"{key}=")]
    return [word for value in found for word in value.split()] if is_list else found
