"""Holds the workload still by the person's own programs, with a thaw that happens whatever becomes of this process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping

from spot_agent import thaw_watch
from spot_agent.hooks import kill_group
from spot_agent.logs import mask_tokens
from spot_agent.ports import HookName, HookResult, Hooks, Thawed
from spot_agent.settings import HookCommands
from spot_agent.settings_reader import SECRETS

WATCH_START_SECONDS = 15.0
ANSWER_MARGIN_SECONDS = 5.0


class ProcessFreezer:
    """One freeze at a time. `thaw_bound_seconds` bounds each try of THAW_COMMAND."""

    def __init__(self, commands: HookCommands, environment: Mapping[str, str], hooks: Hooks, thaw_bound_seconds: float) -> None:
        self._commands = commands
        self._environment = {name: value for name, value in environment.items() if name not in SECRETS}
        self._hooks = hooks
        self._thaw_bound_seconds = thaw_bound_seconds
        self._lock = threading.Lock()
        self._watch: subprocess.Popen[bytes] | None = None

    def is_set(self) -> bool:
        """Whether there is a freeze to run."""
        return bool(self._commands.freeze)

    def freeze(self, bound_seconds: float) -> HookResult:
        """Have the thaw watched over, then freeze. Whatever the result, `thaw` is to follow."""
        with self._lock:
            problem = self._begin_watch(bound_seconds)
        if problem is not None:
            return HookResult(thaw_watch.EXIT_CODE_NOT_STARTED, problem)
        return self._hooks.run(HookName.FREEZE, bound_seconds) or HookResult(0, "")

    def thaw(self) -> Thawed | None:
        """End it now; None when nothing is frozen."""
        with self._lock:
            watch, self._watch = self._watch, None
            if watch is None:
                return None
            assert watch.stdin is not None  # noqa: S101 - begun with a pipe
            with contextlib.suppress(OSError):
                watch.stdin.write(thaw_watch.TOLD)
                watch.stdin.flush()
            return self._answer(watch)

    def thaw_again(self) -> HookResult:
        """Thaw what an earlier process may have left frozen."""
        return self._hooks.run(HookName.THAW, self._thaw_bound_seconds) or HookResult(0, "")

    def _begin_watch(self, bound_seconds: float) -> str | None:
        """What went wrong; None when the watch stands."""
        command = [sys.executable, "-m", thaw_watch.__name__, str(bound_seconds), str(self._thaw_bound_seconds), *self._commands.thaw]
        try:
            watch = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**self._environment, "SPOT_HOOK": HookName.THAW.value},
                start_new_session=True,
                close_fds=True,
            )
        except OSError as error:
            return f"cannot begin the watch over the thaw: {error.strerror or error}"
        line = _read_line(watch, WATCH_START_SECONDS)
        if line != thaw_watch.READY.strip():
            kill_group(watch)
            _close(watch)
            return "the watch over the thaw did not begin"
        self._watch = watch
        return None

    def _answer(self, watch: subprocess.Popen[bytes]) -> Thawed:
        line = _read_line(watch, thaw_watch.TRIES * self._thaw_bound_seconds + ANSWER_MARGIN_SECONDS)
        if line is None:
            kill_group(watch)
        _close(watch)
        with contextlib.suppress(subprocess.TimeoutExpired):
            watch.wait(ANSWER_MARGIN_SECONDS)
        try:
            body = json.loads(line or b"")
        except ValueError:
            return Thawed(HookResult(None, "the watch over the thaw gave no answer"), was_held=False)
        return Thawed(HookResult(body["exit_code"], mask_tokens(body["output"])), was_held=body["was_told"] is True)


def _read_line(watch: subprocess.Popen[bytes], bound_seconds: float) -> bytes | None:
    """One line without its end, which comes in one piece; None when it does not come in time."""
    assert watch.stdout is not None  # noqa: S101 - begun with a pipe
    descriptor = watch.stdout.fileno()
    readable, _, _ = select.select([descriptor], [], [], bound_seconds)
    line = os.read(descriptor, 65_536) if readable else b""
    return line.strip() if line.endswith(b"\n") else None


def _close(watch: subprocess.Popen[bytes]) -> None:
    for pipe in (watch.stdin, watch.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
