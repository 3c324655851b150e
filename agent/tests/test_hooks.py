"""Hooks as processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent_fakes.process import eventually
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.errors import Stopping
from spot_agent.hooks import OUTPUT_KEPT_BYTES, ProcessHooks, kill_group, say_killed
from spot_agent.ports import HookName
from spot_agent.settings import HookCommands

pytestmark = pytest.mark.server
CLOCK = SystemClock()


def _hooks(code: str, asked_to_stop: ThreadStop | None = None) -> ProcessHooks:
    split = HookCommands(start=(sys.executable, "-S", "-c", code))
    environment = {**os.environ, "ENROLMENT_TOKEN": "so_enrol_x", "WORKLOAD": "shop"}
    return ProcessHooks(split, environment, CLOCK, asked_to_stop or ThreadStop())


def test_a_hook_that_is_not_set_is_told_apart_from_one_that_fails() -> None:
    hooks = _hooks("raise SystemExit(3)")

    assert hooks.run(HookName.STOP, 5) is None
    result = hooks.run(HookName.START, 5)
    assert result is not None
    assert (result.exit_code, result.passed) == (3, False)


def test_both_outputs_are_kept_and_only_their_end() -> None:
    result = _hooks("import sys; print('x' * 9000); sys.stderr.write('the end')").run(HookName.START, 5)

    assert result is not None
    assert result.output.endswith("the end")
    assert len(result.output) <= OUTPUT_KEPT_BYTES


def test_a_command_that_is_not_there_fails_with_a_reason() -> None:
    hooks = ProcessHooks(HookCommands(start=("/nowhere/start",)), {}, CLOCK, ThreadStop())

    result = hooks.run(HookName.START, 5)

    assert result is not None
    assert result.output == "cannot run /nowhere/start: No such file or directory"


def test_a_hook_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '60']);"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid)); print('waiting', flush=True); time.sleep(60)"
    )

    result = _hooks(code).run(HookName.START, 1)

    assert result is not None
    assert (result.timed_out, result.output) == (True, "waiting")
    child = int(pid_file.read_text())
    eventually(lambda: _is_gone(child))


class HeldByTheKernel(subprocess.Popen[bytes]):
    """A process that waits for a dead disk or file server: no signal ends it, and who waits for it without a bound waits for ever."""

    let_go = threading.Event()

    def wait(self, timeout: float | None = None) -> int:
        if not self.let_go.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return super().wait(timeout)


def test_a_program_that_the_kernel_holds_is_not_waited_for_and_reaped_when_it_is_let_go() -> None:
    process = HeldByTheKernel(["sleep", "60"], start_new_session=True)

    has_ended = kill_group(process)
    said = say_killed(process, "half way", has_ended=has_ended)
    process.let_go.set()

    assert not has_ended
    assert said.startswith("half way\n")
    assert f"process {process.pid} has not ended: the kernel holds it" in said
    eventually(lambda: process.returncode is not None)


def test_a_service_that_a_hook_leaves_behind_is_neither_waited_for_nor_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import subprocess; open({str(pid_file)!r}, 'w').write(str(subprocess.Popen(['sleep', '30']).pid))"
    began_seconds = CLOCK.monotonic_seconds()

    result = _hooks(code).run(HookName.START, 10)

    assert result is not None
    assert result.passed
    assert CLOCK.monotonic_seconds() - began_seconds < 20
    child = int(pid_file.read_text())
    assert not _is_gone(child)
    os.kill(child, 9)


def test_hooks_see_the_environment_without_the_enrolment_token() -> None:
    result = _hooks("import os; print(os.environ['WORKLOAD'], os.environ.get('ENROLMENT_TOKEN'))").run(HookName.START, 5)

    assert result is not None
    assert result.output == "shop None"


def test_a_stopping_daemon_does_not_wait_for_a_hook_that_hangs() -> None:
    stop = ThreadStop()
    hooks = _hooks("import time; time.sleep(60)", stop)
    threading.Timer(0.2, stop.set).start()
    began_seconds = CLOCK.monotonic_seconds()

    with pytest.raises(Stopping):
        hooks.run(HookName.START, 60)

    assert CLOCK.monotonic_seconds() - began_seconds < 40


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except FileNotFoundError:
        return True
