"""Things that happen later."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.event_log import EventLog
from spot_simulator.timeline import ThreadTimeline

CLOCK = SystemClock()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    opened = EventLog(tmp_path / "log", CLOCK)
    yield opened
    opened.close()


def test_callbacks_run_in_the_order_in_which_they_are_due(log: EventLog) -> None:
    done, seen = threading.Event(), list[str]()
    timeline = ThreadTimeline(CLOCK, log)
    timeline.after(0.03, done.set)
    timeline.after(0.02, lambda: seen.append("third"))
    timeline.after(0.01, lambda: seen.append("first"))
    timeline.after(0.01, lambda: seen.append("second"))

    timeline.start()

    assert done.wait(5)
    timeline.stop()
    assert seen == ["first", "second", "third"]


def test_a_callback_that_fails_is_logged_and_the_next_one_runs(log: EventLog) -> None:
    done = threading.Event()
    timeline = ThreadTimeline(CLOCK, log)
    timeline.start()

    def fail() -> None:
        raise KeyError("gone")

    timeline.after(0.0, fail)
    timeline.after(0.0, done.set)

    assert done.wait(5)
    timeline.stop()
    assert [event["kind"] for event in log.after(0)] == ["internal-error"]


def test_a_stopped_timeline_runs_nothing_more(log: EventLog) -> None:
    ran = threading.Event()
    timeline = ThreadTimeline(CLOCK, log)
    timeline.start()

    timeline.stop()
    timeline.after(0.0, ran.set)

    assert not ran.wait(0.05)


def test_the_log_is_numbered_and_also_on_disk(tmp_path: Path, log: EventLog) -> None:
    log.append("one", fact=1)
    log.append("two")
    log.close()
    log.append("too late")

    assert [(event["number"], event["kind"]) for event in log.after(0)] == [(1, "one"), (2, "two")]
    assert [event["kind"] for event in log.after(1)] == ["two"]
    assert (tmp_path / "log").read_text().count("\n") == 2
