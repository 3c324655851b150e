"""Freezing and thawing as processes: whatever ends, the thaw is run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agent_fakes.process import eventually
from spot_agent.clock import SystemClock, ThreadStop
from spot_agent.freezer import ProcessFreezer
from spot_agent.hooks import ProcessHooks
from spot_agent.settings import HookCommands

pytestmark = pytest.mark.server
LONG_SECONDS = 60.0
SHORT_SECONDS = 1.0


def _freezer(commands: HookCommands, thaw_bound_seconds: float = 10.0) -> ProcessFreezer:
    environment = dict(os.environ)
    return ProcessFreezer(commands, environment, ProcessHooks(commands, environment, SystemClock(), ThreadStop()), thaw_bound_seconds)


def _commands(flag: Path, freeze: str = "", thaw: str = "") -> HookCommands:
    """What is frozen is a file; more words of shell may come after the one that makes or removes it."""
    return HookCommands(
        freeze=("sh", "-c", f"touch {flag}; {freeze or 'true'}"), thaw=("sh", "-c", f"{thaw or 'true'} && rm -f {flag} && echo thawed")
    )


def test_it_is_frozen_from_the_freeze_to_the_thaw(tmp_path: Path) -> None:
    flag = tmp_path / "frozen"
    freezer = _freezer(_commands(flag))

    frozen = freezer.freeze(LONG_SECONDS)
    was_there = flag.exists()
    thawed = freezer.thaw()

    assert (frozen.passed, was_there, flag.exists()) == (True, True, False)
    assert thawed is not None
    assert (thawed.result.exit_code, thawed.result.output, thawed.was_held) == (0, "thawed", True)
    assert freezer.thaw() is None


def test_at_the_bound_the_thaw_comes_by_itself_and_is_said_to_have_come_early(tmp_path: Path) -> None:
    flag = tmp_path / "frozen"
    freezer = _freezer(_commands(flag))

    freezer.freeze(SHORT_SECONDS)
    eventually(lambda: not flag.exists())
    thawed = freezer.thaw()

    assert thawed is not None
    assert (thawed.result.passed, thawed.was_held) == (True, False)


def test_a_freeze_that_hangs_is_killed_at_its_bound_and_thawed(tmp_path: Path) -> None:
    flag = tmp_path / "frozen"
    freezer = _freezer(_commands(flag, freeze="echo waiting; sleep 60"))

    frozen = freezer.freeze(SHORT_SECONDS)
    thawed = freezer.thaw()

    assert (frozen.timed_out, frozen.output) == (True, "waiting")
    assert thawed is not None
    assert not flag.exists()


def test_a_thaw_that_fails_is_tried_again_at_once(tmp_path: Path) -> None:
    flag, tries = tmp_path / "frozen", tmp_path / "tries"
    freezer = _freezer(_commands(flag, thaw=f"echo x >> {tries}; [ $(wc -l < {tries}) -ge 3 ]"))

    freezer.freeze(LONG_SECONDS)
    thawed = freezer.thaw()

    assert thawed is not None
    assert thawed.result.passed
    assert tries.read_text().count("x") == 3


def test_a_thaw_that_hangs_is_killed_and_its_output_kept(tmp_path: Path) -> None:
    freezer = _freezer(_commands(tmp_path / "frozen", thaw="echo stuck; sleep 60"), thaw_bound_seconds=0.3)

    freezer.freeze(LONG_SECONDS)
    thawed = freezer.thaw()

    assert thawed is not None
    assert (thawed.result.timed_out, thawed.result.output) == (True, "stuck")


def test_a_thaw_that_is_not_there_says_so(tmp_path: Path) -> None:
    commands = HookCommands(freeze=("touch", str(tmp_path / "frozen")), thaw=("/nowhere/thaw",))
    freezer = _freezer(commands)

    freezer.freeze(LONG_SECONDS)
    thawed = freezer.thaw()

    assert thawed is not None
    assert thawed.result.output == "cannot run /nowhere/thaw: No such file or directory"


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_a_daemon_that_is_killed_in_the_freeze_leaves_nothing_frozen(tmp_path: Path, how: str) -> None:
    flag = tmp_path / "frozen"
    program = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_freezer import _commands, _freezer
        assert _freezer(_commands(Path({str(flag)!r}))).freeze(60).passed
        assert Path({str(flag)!r}).exists()
        os.kill(os.getpid(), signal.{how})
    """)

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)

    assert ended.returncode == -signal.Signals[how], ended.stderr.decode()
    eventually(lambda: not flag.exists())


def test_a_signal_that_reaches_the_watch_itself_thaws(tmp_path: Path) -> None:
    flag = tmp_path / "frozen"
    freezer = _freezer(_commands(flag))
    freezer.freeze(LONG_SECONDS)
    (watch,) = _children_named("thaw_watch")

    os.kill(watch, signal.SIGTERM)

    eventually(lambda: not flag.exists())
    thawed = freezer.thaw()
    assert thawed is not None
    assert not thawed.was_held


def _children_named(word: str) -> list[int]:
    """The child processes of this one with `word` on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_text()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and word in words:
            found.append(int(entry.name))
    return found
