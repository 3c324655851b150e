"""The carry `hook`: the person's own programs for the two passes, each looked at in slices, and killed at its bound."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from spot_agent.carrying import programs
from spot_agent.carrying.passes import HookOrder, HookRan, Sending
from spot_agent.clock import Clock, Stop, since_boot_seconds
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.hooks import kill_group, say_killed, tail
from spot_agent.rules.rsync import Counted, Pass
from spot_agent.settings_reader import SECRETS

SLICE_SECONDS = 0.5


@dataclass(slots=True)
class _Running:
    order: HookOrder
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    began_seconds: float


class HookPasses:
    """One pass at a time. `note` holds the process that runs, for another life of the daemon to end it."""

    def __init__(
        self, commands: Mapping[Pass, tuple[str, ...]], environment: Mapping[str, str], note: Path, clock: Clock, stop: Stop
    ) -> None:
        self._commands = commands
        self._environment = {name: value for name, value in environment.items() if name not in SECRETS}
        self._note = note
        self._clock = clock
        self._stop = stop
        self._running: _Running | None = None

    def run(self, order: HookOrder) -> HookRan | Sending:
        """Begin a pass, or look at it for up to SLICE_SECONDS. ActFailed, with the end of its output, when it failed or was killed."""
        command = self._commands[order.which]
        if not command:
            return self._without_command(order.which)
        running = self._running
        if running is None or (running.order.move_id, running.order.which) != (order.move_id, order.which):
            self.kill()
            running = self._begin(order, command)
        running.order = order
        return self._look(running)

    def kill(self) -> bool:
        """End what runs, with all that it started; also what an earlier life of the daemon left running. Whether this one's has ended."""
        has_ended = True
        if self._running is not None:
            has_ended = kill_group(self._running.process)
            self._running.output.close()
            self._running = None
        with contextlib.suppress(OSError, ValueError):
            pid, _, mark = self._note.read_text().partition(" ")
            programs.end_program(int(pid), self._stop, mark, with_group=True)
        self._note.unlink(missing_ok=True)
        return has_ended

    def problems(self) -> list[str]:
        """Say what is missing for this carry."""
        last = self._commands[Pass.LAST]
        if not last:
            return ["SYNC_LAST_COMMAND is not set"]
        return [] if programs.can_run(last[0], self._environment.get("PATH")) else [f"{last[0]} is not there, or not executable"]

    @staticmethod
    def _without_command(which: Pass) -> HookRan:
        if which is Pass.LAST:
            raise ActFailed(ErrorClass.REFUSED, "no_sync_command", "SYNC_LAST_COMMAND is not set: nothing would come along")
        return HookRan("", 0.0)

    def _begin(self, order: HookOrder, command: tuple[str, ...]) -> _Running:
        output = tempfile.TemporaryFile()  # noqa: SIM115 - it is read until the pass is over
        told = {
            "SPOT_HOOK": f"sync_{order.which.value}",
            "SPOT_MOVE_ID": order.move_id,
            "SPOT_SYNC_TARGET_HOST": order.host,
            "SPOT_SYNC_TARGET_INSTANCE_ID": order.instance_id,
        }
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self._environment, **told},
                start_new_session=True,
            )
        except OSError as error:
            output.close()
            raise ActFailed(ErrorClass.HOOK_FAILED, "exit_127", f"cannot run {command[0]}: {error.strerror or error}") from error
        self._note.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(f"{process.pid} {command[-1]}")
        self._running = _Running(order, process, output, since_boot_seconds(self._clock))
        return self._running

    def _look(self, running: _Running) -> HookRan | Sending:
        ends_seconds = self._clock.monotonic_seconds() + SLICE_SECONDS
        while running.process.poll() is None:
            if since_boot_seconds(self._clock) - running.began_seconds >= running.order.bound_seconds:
                said = tail(running.output) or f"it did not end within {running.order.bound_seconds:g} s"
                message = say_killed(running.process, said, has_ended=self.kill())
                raise ActFailed(ErrorClass.HOOK_TIMED_OUT, "pass_bound", message)
            if self._clock.monotonic_seconds() >= ends_seconds:
                return Sending(Counted(0))
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(0.02)
        said, exit_code = tail(running.output), running.process.returncode
        took_seconds = round(since_boot_seconds(self._clock) - running.began_seconds, 3)
        running.output.close()
        self._running = None
        self._note.unlink(missing_ok=True)
        if exit_code != os.EX_OK:
            raise ActFailed(
                ErrorClass.HOOK_FAILED, f"exit_{exit_code}", said or f"the {running.order.which.value} pass ended with {exit_code}"
            )
        return HookRan(said, took_seconds)
