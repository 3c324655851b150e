"""The server's processes are started again in the demo that stays up, as a service manager would."""

import sys
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.processes import ProcessDied, Processes
from spot_simulator.demo.service_manager import MOST_STARTS, PERIOD_SECONDS, ServiceManager, ending_text, recent_starts

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]
FAILS = [sys.executable, "-c", "raise SystemExit(3)"]


class Started:
    """Processes that end when this is left, and what the manager said of them."""

    def __init__(self, folder: Path) -> None:
        self.processes = Processes(folder, SystemClock())
        self.said: list[str] = []

    def manager(self, command: list[str]) -> ServiceManager:
        """Look after "web", which is started with `command`."""
        return ServiceManager(self.processes, {"web": lambda: self.processes.start("web", command, {})}, self.said.append)


@pytest.mark.server
def test_a_server_process_that_was_killed_is_started_again_and_it_is_said(tmp_path: Path) -> None:
    started = Started(tmp_path)
    try:
        first = started.processes.start("web", SLEEPS, {})
        first.kill()
        first.wait()

        started.manager(SLEEPS).look()

        assert started.processes.running["web"].pid != first.pid
        assert started.processes.ended("web") is None
    finally:
        started.processes.stop_all()
    assert started.said == [f"web was ended by SIGKILL: started again, as a service manager would (1 of {MOST_STARTS} in a minute)"]


@pytest.mark.server
def test_one_that_ends_again_and_again_ends_the_demo(tmp_path: Path) -> None:
    started = Started(tmp_path)
    started.processes.start("web", FAILS, {})
    manager = started.manager(FAILS)

    for _ in range(MOST_STARTS):
        started.processes.running["web"].wait()
        manager.look()
    started.processes.running["web"].wait()

    with pytest.raises(ProcessDied, match=f"web ended more than {MOST_STARTS} times in 60 s"):
        manager.look()
    assert len(started.said) == MOST_STARTS


@pytest.mark.server
def test_what_is_not_the_servers_ends_the_demo_at_once(tmp_path: Path) -> None:
    started = Started(tmp_path)
    started.processes.start("region", FAILS, {}).wait()

    with pytest.raises(ProcessDied, match="region ended with code 3"):
        started.manager(FAILS).look()


def test_only_starts_of_the_last_minute_count() -> None:
    assert recent_starts([10.0, 70.0, 99.0], now_seconds=10.0 + PERIOD_SECONDS) == [70.0, 99.0]


@pytest.mark.parametrize(
    ("code", "text"), [(-9, "was ended by SIGKILL"), (3, "ended with code 3"), (0, "ended with code 0"), (-99, "was ended by signal 99")]
)
def test_how_a_process_ended_is_said_in_words(code: int, text: str) -> None:
    assert ending_text(code) == text
