"""The loop, and the supervisor over it."""

from __future__ import annotations

import threading

import pytest

from agent_fakes.virtual import CountingBell, LogLines, VirtualClock
from spot_agent.clock import SystemClock, ThreadBell, ThreadStop
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.supervisor import STOP_ORDER, Supervisor
from spot_agent.worker import Pace, Step, Worker


def _worker(step: Step, clock: VirtualClock, lines: LogLines) -> Worker:
    return Worker("test", step, Pace(lambda: 10.0), clock, CountingBell(), lines.log, lambda: 0.0)


def test_a_step_that_takes_time_does_not_lengthen_the_period() -> None:
    clock = VirtualClock()

    def step() -> Outcome:
        clock.advance(4)
        return Did("worked")

    assert _worker(step, clock, LogLines()).cycle() == 6


def test_a_step_that_overruns_is_followed_at_once_and_once() -> None:
    clock = VirtualClock()

    def step() -> Outcome:
        clock.advance(40)
        return Did("worked")

    assert _worker(step, clock, LogLines()).cycle() == 0


def test_a_step_that_raises_is_logged_with_its_traceback_and_survived() -> None:
    lines = LogLines()
    answers = [Did("fine")]

    def step() -> Outcome:
        if answers:
            return answers.pop()
        raise ValueError("so_agent_secret is a bug")

    worker = _worker(step, VirtualClock(), lines)
    worker.cycle()
    delays = [worker.cycle() for _ in range(3)]

    assert delays == [1, 2, 4]
    assert "Traceback" in lines.text
    assert "so_agent_secret" not in lines.text


def test_a_long_outage_is_logged_at_powers_of_two_and_its_end_once() -> None:
    lines = LogLines()
    outcomes: list[Outcome] = [Idle("fine"), *[Failed("server_unreachable") for _ in range(100)]]
    worker = _worker(outcomes.pop, VirtualClock(), lines)

    for _ in range(101):
        worker.cycle()

    assert lines.text.count("server_unreachable") == 7
    assert lines.text.count("worker_recovered") == 1


def test_the_stop_order_names_every_worker_once_and_notices_last() -> None:
    names = [name for stage in STOP_ORDER for name in stage]

    assert sorted(names) == ["cleanup", "commands", "heartbeat", "notices", "pricing", "replica_manager"]
    assert STOP_ORDER[-1] == ("notices",)


class _Signals:
    """Asks to stop once `ready`."""

    def __init__(self, ready: threading.Event) -> None:
        self._ready = ready

    def wait(self, seconds: float) -> bool:
        del seconds
        return self._ready.wait(0.02)


def _supervised(steps: dict[str, Step], ready: threading.Event, lines: LogLines) -> Supervisor:
    names = [name for stage in STOP_ORDER for name in stage]
    clock = SystemClock()
    workers = {
        name: Worker(name, steps.get(name, lambda: Idle("-")), Pace(lambda: 0.01), clock, ThreadBell(), lines.log, lambda: 0.0)
        for name in names
    }
    return Supervisor(workers, ThreadStop(), _Signals(ready), clock, lines.log, is_finished=lambda: False, may_leave=lambda _name: False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_whose_thread_dies_is_started_again() -> None:
    lines, ready, deaths = LogLines(), threading.Event(), [1, 2]

    def step() -> Outcome:
        if deaths:
            deaths.pop()
            raise SystemExit
        ready.set()
        return Idle("alive again")

    _supervised({"pricing": step}, ready, lines).run()

    assert lines.text.count("worker_died") == 2


def test_stopping_goes_by_stages() -> None:
    lines, ready = LogLines(), threading.Event()
    ready.set()

    _supervised({}, ready, lines).run()

    assert '"event": "stopped"' in lines.text
    assert "worker_left_behind" not in lines.text
