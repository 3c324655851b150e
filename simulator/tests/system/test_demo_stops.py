"""However the demo ends, nothing of it goes on."""

import signal
import threading
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from system.running_demo import RunningDemo, processes_of

STOP_BOUND_SECONDS = 40.0
LOOK_EVERY_SECONDS = 0.1
LEAST_PROCESSES = 8  # the demo, the region and its helpers, the server's two, three probers

pytestmark = pytest.mark.server


def seconds_until_nothing_is_left(state_dir: Path) -> float:
    """Return how long it took; AssertionError, naming what is left, after the bound."""
    clock = SystemClock()
    began_seconds = clock.monotonic_seconds()
    while left := processes_of(state_dir):
        took_seconds = clock.monotonic_seconds() - began_seconds
        assert took_seconds < STOP_BOUND_SECONDS, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        threading.Event().wait(LOOK_EVERY_SECONDS)
    return clock.monotonic_seconds() - began_seconds


def await_processes(state_dir: Path, least: int) -> None:
    """Return when so many are there: one that has just been made shows neither its environment nor its command yet."""
    clock = SystemClock()
    until_seconds = clock.monotonic_seconds() + STOP_BOUND_SECONDS
    while len(processes_of(state_dir)) < least:
        assert clock.monotonic_seconds() < until_seconds, f"{len(processes_of(state_dir))} processes, not {least}"
        threading.Event().wait(LOOK_EVERY_SECONDS)


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("region ", signal.SIGINT),
        ("everything is up", signal.SIGINT),
        ("--- a person switches 'reports'", signal.SIGTERM),
        ("--- a person switches 'reports'", signal.SIGKILL),
    ],
)
def test_a_demo_that_is_stopped_leaves_nothing_behind(tmp_path: Path, moment: str, how: signal.Signals) -> None:
    state_dir = tmp_path / "demo"
    with RunningDemo(state_dir, "--once") as demo:
        demo.await_line(moment)
        await_processes(state_dir, 2 if moment == "region " else LEAST_PROCESSES)

        demo.process.send_signal(how)
        seconds_until_nothing_is_left(state_dir)

        code = demo.process.wait(1)
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 130)
