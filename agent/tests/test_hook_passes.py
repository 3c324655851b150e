"""The carry `hook`: the person's programs as processes, with their bounds, their output, and the daemon's death."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from agent_fakes.process import eventually
from spot_agent.carrying.hook_passes import HookPasses
from spot_agent.carrying.passes import HookOrder, HookRan, Sending
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.errors import ActFailed
from spot_agent.rules.rsync import Pass

pytestmark = pytest.mark.server
CLOCK = SystemClock()


def passes(tmp_path: Path, code: str | None, *, path: str = os.environ["PATH"]) -> HookPasses:
    command = () if code is None else (sys.executable, "-S", "-c", code)
    environment = {"PATH": path, "ENROLMENT_TOKEN": "so_enrol_x"}
    return HookPasses({Pass.FIRST: command, Pass.LAST: command}, environment, tmp_path / "run" / "sync_hook", CLOCK, ThreadStop())


def order(which: Pass = Pass.LAST, *, bound_seconds: float = 30.0) -> HookOrder:
    return HookOrder("move-1", which, "10.0.0.9", "i-new", bound_seconds)


def run(hook: HookPasses, given: HookOrder) -> HookRan:
    while isinstance(ran := hook.run(given), Sending):
        pass
    return ran


def test_a_hook_is_told_the_pass_and_where_to_and_not_our_secrets(tmp_path: Path) -> None:
    names = ("SPOT_HOOK", "SPOT_SYNC_TARGET_HOST", "SPOT_SYNC_TARGET_INSTANCE_ID", "SPOT_MOVE_ID", "ENROLMENT_TOKEN")
    hook = passes(tmp_path, f"import os; print([os.environ.get(name) for name in {names!r}])")

    ran = run(hook, order())

    assert ran.output == "['sync_last', '10.0.0.9', 'i-new', 'move-1', None]"
    assert ran.took_seconds > 0


def test_a_hook_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(ActFailed) as failed:
        run(passes(tmp_path, "print('no space'); raise SystemExit(3)"), order())

    assert (failed.value.error_class.value, failed.value.code, failed.value.message) == ("hook_failed", "exit_3", "no space")


def test_a_hook_that_hangs_is_killed_at_its_bound_with_all_that_it_started_and_its_output_is_kept(tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    code = (
        "import subprocess, time; child = subprocess.Popen(['sleep', '60']);"
        f"open({str(child_file)!r}, 'w').write(str(child.pid)); print('half way', flush=True); time.sleep(60)"
    )
    hook = passes(tmp_path, code)
    assert isinstance(hook.run(order()), Sending)
    eventually(lambda: child_file.exists() and child_file.read_text() != "")

    with pytest.raises(ActFailed) as failed:
        run(hook, order(bound_seconds=0.1))

    assert (failed.value.error_class.value, failed.value.message) == ("hook_timed_out", "half way")
    eventually(
        lambda: (
            not Path(f"/proc/{child_file.read_text()}/cmdline").exists() or not Path(f"/proc/{child_file.read_text()}/cmdline").read_bytes()
        )
    )


def test_a_look_comes_back_within_a_slice_while_the_hook_runs(tmp_path: Path) -> None:
    hook = passes(tmp_path, "import time; time.sleep(60)")
    began_seconds = CLOCK.monotonic_seconds()

    first = hook.run(order())
    took_seconds = CLOCK.monotonic_seconds() - began_seconds
    hook.kill()

    assert isinstance(first, Sending)
    assert took_seconds < 10


def test_another_life_of_the_daemon_ends_what_this_one_left_running_and_begins_again(tmp_path: Path) -> None:
    counter = tmp_path / "runs"
    code = f"import time; open({str(counter)!r}, 'a').write('x'); time.sleep(60 if len(open({str(counter)!r}).read()) == 1 else 0)"
    before = passes(tmp_path, code)
    assert isinstance(before.run(order()), Sending)
    eventually(lambda: counter.exists() and counter.read_text() == "x")
    left = int((tmp_path / "run" / "sync_hook").read_text().split()[0])

    run(passes(tmp_path, code), order())

    assert counter.read_text() == "xx"
    assert not Path(f"/proc/{left}/cmdline").read_bytes()  # a zombie of this test's process: killed, and not reaped by us
    before.kill()


def test_a_first_pass_need_not_be_set_and_a_last_one_must(tmp_path: Path) -> None:
    hook = passes(tmp_path, None)

    assert run(hook, order(Pass.FIRST)) == HookRan("", 0.0)
    with pytest.raises(ActFailed, match="SYNC_LAST_COMMAND is not set"):
        hook.run(order())
    assert hook.problems() == ["SYNC_LAST_COMMAND is not set"]


def test_a_program_that_is_not_there_is_named_by_the_check_and_by_the_pass(tmp_path: Path) -> None:
    hook = HookPasses({Pass.FIRST: (), Pass.LAST: ("/nowhere/sync",)}, {}, tmp_path / "sync_hook", CLOCK, ThreadStop())

    assert hook.problems() == ["/nowhere/sync is not there, or not executable"]
    with pytest.raises(ActFailed, match="No such file or directory"):
        hook.run(order())
