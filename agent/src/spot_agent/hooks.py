"""Runs the workload's hooks as processes: without a shell, bounded, their output kept."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from typing import IO

from spot_agent.clock import Clock, Stop
from spot_agent.errors import Stopping
from spot_agent.logs import mask_tokens
from spot_agent.ports import HookName, HookResult
from spot_agent.settings import HookCommands
from spot_agent.settings_reader import SECRETS

OUTPUT_KEPT_BYTES = 4_096
POLL_SECONDS = 0.02
STOP_GRACE_SECONDS = 2.0
KILL_WAIT_SECONDS = 2.0
"""For a process that was killed to be gone: it takes milliseconds, or for ever."""
EXIT_CODE_NOT_STARTED = 127


class ProcessHooks:
    """Each hook runs in its own session, so that it can be killed with all that it started.

    Output goes to a file: a hook that leaves a service behind must not keep us waiting for the end of a pipe.
    """

    def __init__(self, commands: HookCommands, environment: Mapping[str, str], clock: Clock, stop: Stop) -> None:
        self._commands = {HookName(name): command for name, command in commands.by_name().items()}
        self._environment = {name: value for name, value in environment.items() if name not in SECRETS}
        self._clock = clock
        self._stop = stop

    def run(self, name: HookName, bound_seconds: float, variables: Mapping[str, str] | None = None) -> HookResult | None:
        """Run a hook as a process and wait for it, at most `bound_seconds`."""
        command = self._commands[name]
        if not command:
            return None
        with _output_of(name) as output:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**self._environment, **(variables or {}), "SPOT_HOOK": name.value},
                    start_new_session=True,
                    close_fds=True,
                )
            except OSError as error:
                return HookResult(EXIT_CODE_NOT_STARTED, f"cannot run {command[0]}: {error.strerror or error}")
            return self._watch(process, output, bound_seconds)

    def _watch(self, process: subprocess.Popen[bytes], output: IO[bytes], bound_seconds: float) -> HookResult:
        ends_seconds = self._clock.monotonic_seconds() + bound_seconds
        is_stopping = False
        while (exit_code := process.poll()) is None:
            now_seconds = self._clock.monotonic_seconds()
            if now_seconds >= ends_seconds:
                has_ended = kill_group(process)
                if is_stopping:
                    raise Stopping
                return HookResult(None, say_killed(process, tail(output), has_ended=has_ended))
            if self._stop.is_set() and not is_stopping:
                is_stopping = True
                ends_seconds = min(ends_seconds, now_seconds + STOP_GRACE_SECONDS)
            self._pause(process)
        return HookResult(exit_code, tail(output))

    @staticmethod
    def _pause(process: subprocess.Popen[bytes]) -> None:
        """Returns at once when the process ends, so that a short hook costs no more than it takes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)


def _output_of(name: HookName) -> IO[bytes]:
    """A file without a name; around a freeze one that no file system is behind, as writing to one that is frozen would not return."""
    if name in (HookName.FREEZE, HookName.THAW):
        return os.fdopen(os.memfd_create(name.value), "w+b")
    return tempfile.TemporaryFile()


def kill_group(process: subprocess.Popen[bytes]) -> bool:
    """SIGKILL for the process and all that it started in its session, then reap it; whether it has ended.

    The kernel holds one that waits for a device or a file server, whatever it is sent: that is not waited for, and reaped when it ends.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        process.wait(KILL_WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, name="reap-held-program", daemon=True).start()
        return False
    return True


def say_killed(process: subprocess.Popen[bytes], output: str, *, has_ended: bool) -> str:
    """Return what is known of a program that was killed at its bound: what it wrote, and that the kernel holds it, if it does."""
    if has_ended:
        return output
    held = f"killed at its bound, and process {process.pid} has not ended: the kernel holds it, most likely for a disk or a file server"
    return f"{output}\n{held}" if output else held


def tail(output: IO[bytes]) -> str:
    """The end of what a hook wrote, without tokens."""
    size_bytes = output.seek(0, os.SEEK_END)
    output.seek(max(0, size_bytes - OUTPUT_KEPT_BYTES))
    return mask_tokens(output.read(OUTPUT_KEPT_BYTES).decode("utf-8", errors="replace")).strip()
