"""The guardian: the process that starts, watches and ends every service process, so that nothing outlives the region.

``python -m spot_simulator.hosting.guardian COMMANDS_FD EVENTS_FD``. One thread, so that a fork is safe and its children's
parent-death signal hangs on this process. A *unit* is one service of one instance; every process of it carries the unit's name
in its environment, which stands in for a control group: when the unit's main process ends, the rest is killed.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from spot_simulator.hosting.namespaces import enter

UNIT_VARIABLE = "SPOT_SIMULATOR_UNIT"
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LARGEST_READ_BYTES = 65536
_LIBC = ctypes.CDLL(None, use_errno=True)

Message = dict[str, Any]


@dataclass(slots=True)
class Unit:
    """A running service: its main process, the pipe of its standard output, its log file, and an unfinished line."""

    name: str
    pid: int
    output_fd: int
    log_fd: int
    rest: bytes = b""


class Guardian:
    """The loop over commands, standard outputs and ended children."""

    def __init__(self, commands: socket.socket, events: socket.socket) -> None:
        """Take over the sockets; children that lose their parent become this process's."""
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._commands, self._events = commands, events
        self._units: dict[int, Unit] = {}
        self._rest = b""
        self._is_running = True
        self._selector = selectors.DefaultSelector()
        wakeup_read, wakeup_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(commands, selectors.EVENT_READ, self._read_commands)
        self._selector.register(wakeup_read, selectors.EVENT_READ, lambda: self._reap(wakeup_read))

    def run(self) -> None:
        """Serve until the region's side closes, then kill everything."""
        while self._is_running:
            for key, _ in self._selector.select():
                key.data()
        for unit in self._units.values():
            _kill_unit(unit.name, unit.pid)
        _kill_marked({unit.name for unit in self._units.values()})

    def _read_commands(self) -> None:
        content = self._commands.recv(_LARGEST_READ_BYTES)
        if not content:
            self._is_running = False
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            message = json.loads(line)
            try:
                answer = self._obey(message)
            except (OSError, KeyError, ValueError) as error:
                answer = {"error": f"{message.get('do')}: {error!r}"}
            self._commands.sendall(json.dumps(answer).encode() + b"\n")

    def _obey(self, message: Message) -> Message:
        if message["do"] == "spawn":
            unit = self._spawn(message)
            self._units[unit.pid] = unit
            return {"pid": unit.pid}
        names = set(message["units"])
        pids = [unit.pid for unit in self._units.values() if unit.name in names]
        for pid in pids:
            if message["do"] == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                _ask_to_end(pid)
        return {"pids": pids}

    def _spawn(self, message: Message) -> Unit:
        log_fd = os.open(message["log_path"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        output_fd, write_fd = os.pipe2(os.O_CLOEXEC)
        env = {**message["env"], UNIT_VARIABLE: message["unit"]}
        pid = os.fork()
        if pid == 0:
            _become(message, env, write_fd, log_fd)
        os.close(write_fd)
        os.set_blocking(output_fd, False)
        unit = Unit(message["unit"], pid, output_fd, log_fd)
        self._selector.register(output_fd, selectors.EVENT_READ, lambda: self._read_output(unit))
        return unit

    def _read_output(self, unit: Unit) -> None:
        """Copy standard output to the log, and pass on the lines that tell an event."""
        try:
            content = os.read(unit.output_fd, _LARGEST_READ_BYTES)
        except (BlockingIOError, OSError):
            return
        if not content:
            if unit.output_fd in self._selector.get_map():
                self._selector.unregister(unit.output_fd)
            return
        os.write(unit.log_fd, content)
        *lines, unit.rest = (unit.rest + content).split(b"\n")
        for line in lines:
            if (told := _event_in(line)) is not None:
                self._tell({"kind": "told", "unit": unit.name, "pid": unit.pid, "told": told})

    def _reap(self, wakeup_fd: int) -> None:
        os.read(wakeup_fd, _LARGEST_READ_BYTES)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if (unit := self._units.pop(pid, None)) is not None:
                self._bury(unit, os.waitstatus_to_exitcode(status))

    def _bury(self, unit: Unit, exit_code: int) -> None:
        _kill_unit(unit.name, unit.pid)
        self._read_output(unit)
        if unit.output_fd in self._selector.get_map():
            self._selector.unregister(unit.output_fd)
        os.close(unit.output_fd)
        os.close(unit.log_fd)
        self._tell({"kind": "exited", "unit": unit.name, "pid": unit.pid, "exit_code": exit_code})

    def _tell(self, event: Message) -> None:
        try:
            self._events.sendall(json.dumps(event).encode() + b"\n")
        except OSError:
            self._is_running = False


def _become(message: Message, env: dict[str, str], output_fd: int, log_fd: int) -> NoReturn:
    """In the child: a session of its own, death with the guardian, the namespaces of its host, and the service's program."""
    argv: list[str] = message["argv"]
    try:
        os.setsid()
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the region blocks SIGTERM to wait for it; a service must get it
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output_fd, 1)
        os.dup2(log_fd, 2)
        # All are opened first: in the mounts of the host the paths of the later ones may lead elsewhere.
        for namespace_fd in [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in message["namespaces"]]:
            enter(namespace_fd)
        os.chdir(message["cwd"])
        os.execvpe(argv[0], argv, env)  # noqa: S606 - an argument list, never a shell line
    except OSError as error:
        os.write(2, f"cannot start {argv}: {error}\n".encode())
    finally:
        os._exit(127)


def _event_in(line: bytes) -> Message | None:
    """Return the JSON object of a line that has an ``event``, else None."""
    if not line.startswith(b"{"):
        return None
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "event" in told else None


def _ask_to_end(main_pid: int) -> None:
    """Send SIGTERM to a unit's session, or to its process alone while that has not made its session yet."""
    try:
        os.killpg(main_pid, signal.SIGTERM)
    except ProcessLookupError:
        os.kill(main_pid, signal.SIGTERM)


def _kill_unit(name: str, main_pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(main_pid, signal.SIGKILL)
    _kill_marked({name})


def _kill_marked(names: set[str]) -> None:
    """Kill every process that carries one of the unit names, until a look around finds none (a fork may race with a look)."""
    marks = {f"{UNIT_VARIABLE}={name}".encode() for name in names}
    for _ in range(10):
        pids = [pid for pid in _pids() if marks & set(_environment(pid))]
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()]


def _environment(pid: int) -> list[bytes]:
    """Return the environment that a process was started with; empty for a dead or foreign one."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def main() -> int:
    """Run on the two sockets whose descriptors are the arguments."""
    commands, events = (socket.socket(fileno=int(argument)) for argument in sys.argv[1:3])
    for inherited in (commands, events):
        inherited.set_inheritable(False)
    Guardian(commands, events).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
