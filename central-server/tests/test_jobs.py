"""The jobs process: one leader, a hot standby, writes only while leading, and failures that stay where they are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import structlog
from sqlalchemy import Engine, insert, select

from server_support.clock import FakeClock
from spot_server.clock import SystemClock
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import clients
from spot_server.errors import DatabaseUnavailable
from spot_server.jobs.lease import Lease, LeaseLost, database_now
from spot_server.jobs.leased_database import LeasedDatabase
from spot_server.jobs.process import JobsProcess
from spot_server.jobs.registry import Job, JobContext
from spot_server.jobs.running import JobRunner
from spot_server.metrics import Metrics
from spot_server.settings import Settings

PATIENCE_SECONDS = 30.0
DURATION_SECONDS = 10.0


def read_fake_now(tx: Transaction) -> datetime:
    """The database's clock as the test sees it: the runner's own, which the test moves."""
    return tx.now


@pytest.fixture
def make_lease(database: Database) -> Callable[[str], Lease]:
    return lambda holder: Lease(database, holder=holder, duration_seconds=DURATION_SECONDS, read_now=read_fake_now)


def add_client(tx: Transaction) -> None:
    tx.execute(insert(clients).values(client_id="c", name="acme", created_at=tx.now))


def job_context(database: Database, clock: FakeClock | SystemClock, settings: Settings) -> JobContext:
    return JobContext(database, clock, settings, Metrics(), structlog.get_logger())


def test_the_first_to_ask_leads_and_the_second_stands_by(make_lease: Callable[[str], Lease]) -> None:
    first, second = make_lease("a"), make_lease("b")

    assert (first.acquire(), second.acquire(), first.epoch, second.epoch) == (True, False, 1, None)


def test_a_lease_that_ran_out_is_taken_with_a_new_epoch(make_lease: Callable[[str], Lease], clock: FakeClock) -> None:
    first, second = make_lease("a"), make_lease("b")
    first.acquire()

    clock.advance(DURATION_SECONDS)

    assert (second.acquire(), second.epoch, first.renew(), first.epoch) == (True, 2, False, None)


def test_a_renewed_lease_is_not_taken(make_lease: Callable[[str], Lease], clock: FakeClock) -> None:
    first, second = make_lease("a"), make_lease("b")
    first.acquire()
    clock.advance(DURATION_SECONDS - 1)
    first.renew()

    clock.advance(DURATION_SECONDS - 1)

    assert not second.acquire()


def test_a_lease_that_was_given_back_is_taken_at_once(make_lease: Callable[[str], Lease]) -> None:
    first, second = make_lease("a"), make_lease("b")
    first.acquire()

    first.release()

    assert (first.epoch, second.acquire()) == (None, True)


def test_two_that_ask_at_once_never_both_lead(database: Database) -> None:
    together = threading.Barrier(8)
    leases = [Lease(database, holder=str(number), duration_seconds=60) for number in range(8)]

    def ask(lease: Lease) -> None:
        together.wait(PATIENCE_SECONDS)
        lease.acquire()

    threads = [threading.Thread(target=ask, args=[lease]) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    assert sum(lease.epoch is not None for lease in leases) == 1


def test_the_databases_clock_is_close_to_ours_and_in_utc(database: Database) -> None:
    difference = database.read(database_now) - SystemClock().now()

    assert abs(difference) < timedelta(seconds=10)


def test_a_job_writes_nothing_once_another_process_leads(database: Database, make_lease: Callable[[str], Lease], clock: FakeClock) -> None:
    old, new = make_lease("a"), make_lease("b")
    old.acquire()
    clock.advance(DURATION_SECONDS)
    new.acquire()

    with pytest.raises(LeaseLost):
        LeasedDatabase(database, old).write(add_client)

    assert database.read(lambda tx: tx.execute(select(clients)).all()) == []


def test_a_job_writes_while_its_process_leads(database: Database, make_lease: Callable[[str], Lease]) -> None:
    lease = make_lease("a")
    lease.acquire()

    LeasedDatabase(database, lease).write(add_client)

    assert database.read(lambda tx: len(tx.execute(select(clients)).all())) == 1


def test_nobody_writes_before_anybody_led(database: Database, make_lease: Callable[[str], Lease]) -> None:
    with pytest.raises(LeaseLost):
        LeasedDatabase(database, make_lease("a")).write(add_client)


def test_a_failure_that_repeats_is_logged_once_and_its_end_too(database: Database, clock: FakeClock, settings: Settings) -> None:
    failures = [DatabaseUnavailable(), DatabaseUnavailable(), None, ValueError("new")]

    def run(_context: JobContext) -> str:
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        return "did it"

    runner = JobRunner(job_context(database, clock, settings), on_lease_lost=lambda: None)
    with structlog.testing.capture_logs() as lines:
        for _ in range(4):
            runner.run(Job("mend", 1.0, run))

    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("job_failed", "warning"),
        ("job_recovered", "info"),
        ("job_done", "info"),
        ("job_failed", "error"),
    ]


def test_a_run_that_did_nothing_says_nothing(database: Database, clock: FakeClock, settings: Settings) -> None:
    runner = JobRunner(job_context(database, clock, settings), on_lease_lost=lambda: None)

    with structlog.testing.capture_logs() as lines:
        runner.run(Job("idle", 1.0, lambda _context: ""))

    assert lines == []


@pytest.fixture
def quick_settings() -> Settings:
    return Settings(lease_seconds=2.0, lease_renew_period_seconds=0.05)


def start_process(
    database: Database, settings: Settings, name: str, ran: list[str]
) -> tuple[JobsProcess, threading.Thread, threading.Event]:
    """A jobs process in a thread; the event tells that its job ran."""
    has_run = threading.Event()

    def run(_context: JobContext) -> str:
        ran.append(name)
        has_run.set()
        return ""

    lease = Lease(database, holder=name, duration_seconds=settings.lease_seconds)
    context = job_context(LeasedDatabase(database, lease), SystemClock(), settings)
    process = JobsProcess(context, lease, [Job("tick", 0.02, run)])
    thread = threading.Thread(target=process.run)
    thread.start()
    return process, thread, has_run


def test_a_second_process_stands_by_and_takes_over_when_the_first_is_told_to_stop(engine: object, quick_settings: Settings) -> None:
    database = Database(engine, clock=SystemClock(), sleeper=SystemClock())  # type: ignore[arg-type]
    ran: list[str] = []
    first, first_thread, first_ran = start_process(database, quick_settings, "first", ran)
    first_ran.wait(PATIENCE_SECONDS)
    second, second_thread, second_ran = start_process(database, quick_settings, "second", ran)
    stood_by = not second_ran.wait(0.2)

    first.stop()
    first_thread.join(PATIENCE_SECONDS)
    took_over = second_ran.wait(PATIENCE_SECONDS)
    second.stop()
    second_thread.join(PATIENCE_SECONDS)

    assert (stood_by, took_over, second_thread.is_alive()) == (True, True, False)
    assert "first" not in ran[ran.index("second") :]


def test_a_process_whose_lease_was_taken_stops_its_jobs(engine: object, quick_settings: Settings) -> None:
    database = Database(engine, clock=SystemClock(), sleeper=SystemClock())  # type: ignore[arg-type]
    ran: list[str] = []
    process, thread, has_run = start_process(database, quick_settings, "first", ran)
    has_run.wait(PATIENCE_SECONDS)
    far_ahead = lambda tx: database_now(tx) + timedelta(hours=1)  # noqa: E731 - a clock that says that the lease ran out
    usurper = Lease(database, holder="usurper", duration_seconds=60, read_now=far_ahead)

    usurper.acquire()
    while process._term is not None and not process._term._ending.wait(0.01):
        pass
    ending = len(ran)
    has_run.clear()
    ran_again = has_run.wait(0.3)
    process.stop()
    thread.join(PATIENCE_SECONDS)

    assert (usurper.epoch, ran_again and len(ran) > ending + 1) == (2, False)


def test_what_a_job_left_under_way_is_settled_while_its_process_may_still_write(engine: Engine, quick_settings: Settings) -> None:
    database = Database(engine, clock=SystemClock(), sleeper=SystemClock())
    lease = Lease(database, holder="first", duration_seconds=quick_settings.lease_seconds)
    leased = LeasedDatabase(database, lease)
    has_run = threading.Event()

    def run(_context: JobContext) -> str:
        has_run.set()
        return ""

    def settle() -> None:
        leased.write(add_client)

    process = JobsProcess(job_context(leased, SystemClock(), quick_settings), lease, [Job("tick", 0.02, run, settle=settle)])
    thread = threading.Thread(target=process.run)
    thread.start()
    has_run.wait(PATIENCE_SECONDS)

    process.stop()
    thread.join(PATIENCE_SECONDS)

    assert database.read(lambda tx: len(tx.execute(select(clients)).all())) == 1
