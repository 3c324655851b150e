"""Virtual time: order, waiting, and death at any wait."""

from datetime import UTC, datetime

import pytest

from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import ProcessKilled, Scheduler
from spot_simulator.virtual.waiting import VirtualBell, VirtualEvent, VirtualLock, VirtualStop

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(START)


def test_what_is_due_together_happens_in_the_order_it_was_asked_for(scheduler: Scheduler) -> None:
    seen: list[str] = []
    scheduler.after(2, lambda: seen.append("late"))
    scheduler.after(1, lambda: seen.append("first"))
    scheduler.after(1, lambda: seen.append("second"))

    scheduler.run_until(1)

    assert (seen, scheduler.monotonic_seconds()) == (["first", "second"], 1)


def test_a_timer_that_was_cancelled_does_not_happen(scheduler: Scheduler) -> None:
    seen: list[str] = []
    scheduler.after(1, lambda: seen.append("cancelled")).cancel()
    scheduler.after(2, lambda: seen.append("kept"))

    next_due_seconds = scheduler.next_due_seconds()
    scheduler.run_until(5)

    assert (next_due_seconds, seen) == (2, ["kept"])


def test_running_stops_at_its_bound_when_what_is_wanted_does_not_come(scheduler: Scheduler) -> None:
    scheduler.after(3, lambda: None)

    assert not scheduler.run_while(lambda: True, until_seconds=10)
    assert scheduler.monotonic_seconds() == 10


def test_nobody_but_a_task_may_wait(scheduler: Scheduler) -> None:
    with pytest.raises(RuntimeError, match="only a task may wait"):
        scheduler.sleep(1)


def test_tasks_take_turns_where_they_wait(scheduler: Scheduler) -> None:
    process, seen = Process(scheduler, "p"), []

    def count(name: str, period_seconds: float) -> None:
        for _ in range(2):
            process.sleep(period_seconds)
            seen.append((name, scheduler.monotonic_seconds()))

    process.spawn(lambda: count("quick", 1))
    process.spawn(lambda: count("slow", 1.5))
    scheduler.run_until(10)

    assert seen == [("quick", 1), ("slow", 1.5), ("quick", 2), ("slow", 3)]


def test_a_killed_process_does_nothing_more_and_its_cleanup_reaches_nothing(scheduler: Scheduler) -> None:
    ended: list[str] = []
    process = Process(scheduler, "p", on_end=lambda: ended.append("end"))
    seen: list[str] = []

    def work() -> None:
        try:
            process.sleep(10)
            seen.append("after the wait")
        finally:
            process.check()
            seen.append("cleaned up")

    process.spawn(work)
    scheduler.run_until(1)
    process.kill()
    process.kill()
    scheduler.run_until(20)

    assert (seen, ended, process.is_alive) == ([], ["end"], False)


def test_a_process_that_kills_itself_goes_no_further(scheduler: Scheduler) -> None:
    process, seen = Process(scheduler, "p"), []

    def suicide() -> None:
        process.sleep(1)
        process.kill()
        seen.append("beyond")

    def other() -> None:
        process.sleep(5)
        seen.append("other")

    process.spawn(suicide)
    process.spawn(other)
    scheduler.run_until(20)

    assert seen == []


def test_a_kill_by_another_process_returns_to_the_killer(scheduler: Scheduler) -> None:
    victim, killer, seen = Process(scheduler, "victim"), Process(scheduler, "killer"), []
    victim.spawn(lambda: victim.sleep(100), on_killed=lambda: seen.append("noticed"))

    def kill() -> None:
        killer.sleep(1)
        victim.kill()
        killer.sleep(1)
        seen.append("killer goes on")

    killer.spawn(kill)
    scheduler.run_until(10)

    assert seen == ["noticed", "killer goes on"]


def test_a_task_that_was_not_begun_dies_too(scheduler: Scheduler) -> None:
    process, seen = Process(scheduler, "p"), []
    process.spawn(lambda: seen.append("ran"))
    process.kill()

    scheduler.run_until(1)

    assert seen == []


def test_the_end_of_the_main_task_is_the_end_of_the_process(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    seen: list[str] = []

    def outlive() -> None:
        process.sleep(2)
        seen.append("outlived")

    process.spawn(lambda: process.sleep(1), is_main=True)
    process.spawn(outlive)

    scheduler.run_until(5)

    assert (process.is_alive, seen) == (False, [])


def test_an_error_of_a_task_ends_the_run(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")

    def fail() -> None:
        raise ValueError("a bug")

    process.spawn(fail)

    with pytest.raises(ValueError, match="a bug"):
        scheduler.run_until(1)


def test_an_event_wakes_its_waiters_or_lets_them_time_out(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    event, seen = VirtualEvent(process), []

    def wait(timeout_seconds: float | None) -> None:
        seen.append((event.wait(timeout_seconds), scheduler.monotonic_seconds()))

    process.spawn(lambda: wait(1))
    process.spawn(lambda: wait(None))
    scheduler.after(3, event.set)
    scheduler.run_until(10)
    process.spawn(lambda: wait(5))
    scheduler.run_until(10)

    assert seen == [(False, 1), (True, 3), (True, 10)]


def test_a_bell_rung_before_the_wait_counts_once(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    bell, seen = VirtualBell(process), []

    def work() -> None:
        bell.ring()
        for _ in range(2):
            bell.wait(4)
            seen.append(scheduler.monotonic_seconds())
        bell.close()
        bell.wait(4)
        seen.append(scheduler.monotonic_seconds())

    process.spawn(work)
    scheduler.run_until(20)

    assert (seen, bell.is_closed()) == ([0, 4, 4], True)


def test_a_stop_ends_every_wait(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    stop, seen = VirtualStop(process), []
    process.spawn(lambda: seen.append((stop.wait(100), scheduler.monotonic_seconds())))
    scheduler.after(2, stop.set)

    scheduler.run_until(200)

    assert (seen, stop.is_set()) == ([(True, 2)], True)


def test_a_lock_is_held_over_waits_and_may_be_taken_again_by_its_holder(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    lock, seen = VirtualLock(process), []

    def work(name: str) -> None:
        with lock, lock:
            seen.append((name, "in", scheduler.monotonic_seconds()))
            process.sleep(2)
        seen.append((name, "out", scheduler.monotonic_seconds()))

    process.spawn(lambda: work("one"))
    process.spawn(lambda: work("two"))
    scheduler.run_until(10)

    assert seen == [("one", "in", 0), ("one", "out", 2), ("two", "in", 2), ("two", "out", 4)]


def test_a_lock_is_not_left_held_by_the_dead(scheduler: Scheduler) -> None:
    process = Process(scheduler, "p")
    lock = VirtualLock(process)

    def work() -> None:
        with lock:
            process.sleep(10)

    process.spawn(work)
    scheduler.run_until(1)
    process.kill()

    def take() -> None:
        with lock:
            pass

    with pytest.raises(ProcessKilled):
        take()
