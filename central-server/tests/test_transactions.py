"""The runner of transactions: whole or not at all, repeated when the database asks for it, events numbered in the order of commits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert, select, update

from server_support.builders import create_client
from server_support.clock import FakeClock
from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import SQLITE_BUSY_DEADLINE_SECONDS, Database, Transaction
from spot_server.db.tables import clients, event_cursors, events
from spot_server.errors import DatabaseUnavailable

PATIENCE_SECONDS = 30.0


@pytest.fixture
def real_database(engine: Engine) -> Database:
    """On the wall clock, for tests in which threads really wait for each other."""
    return Database(engine, clock=SystemClock(), sleeper=SystemClock())


def run_together(*acts: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def guarded(act: Callable[[], object]) -> None:
        try:
            act()
        except BaseException as failure:  # noqa: BLE001 - raised again below
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    if failures:
        raise failures[0]


def name_of(database: Database, client_id: str) -> str:
    statement = select(clients.c.name).where(clients.c.client_id == client_id)
    return database.read(lambda tx: str(tx.execute(statement).scalar_one()))


def rename(tx: Transaction, client_id: str, name: str) -> None:
    tx.execute(update(clients).where(clients.c.client_id == client_id).values(name=name))


def test_events_are_told_once_they_are_committed_and_never_of_what_failed(database: Database) -> None:
    client_id, told = create_client(database, "before"), []
    database.on_commit = lambda seen: told.append(([event.kind for event in seen], name_of(database, client_id)))

    def fail(tx: Transaction) -> None:
        tx.emit("renamed", client_id=client_id)
        raise ValueError

    def rename_and_tell(tx: Transaction) -> None:
        rename(tx, client_id, "after")
        tx.emit("renamed", client_id=client_id)

    with pytest.raises(ValueError):  # noqa: PT011 - our own, from just above
        database.write(fail)
    database.write(lambda tx: rename(tx, client_id, "quietly"))
    database.write(rename_and_tell)

    assert told == [(["renamed"], "after")]


def test_what_fails_leaves_nothing_behind(database: Database) -> None:
    client_id = create_client(database, "before")

    def fail(tx: Transaction) -> None:
        rename(tx, client_id, "after")
        tx.emit("renamed", client_id=client_id)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fail)

    assert name_of(database, client_id) == "before"
    assert database.read(lambda tx: tx.execute(select(events)).all()) == []


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_deadlock_repeats_the_whole_use_case(real_database: Database) -> None:
    first, second = create_client(real_database), create_client(real_database)
    both_hold_one = threading.Barrier(2)
    attempts: list[str] = []

    def cross(name: str, own: str, other: str) -> None:
        def use_case(tx: Transaction) -> None:
            attempts.append(name)
            rename(tx, own, f"{name} own")
            if attempts.count(name) == 1:
                both_hold_one.wait(PATIENCE_SECONDS)
            rename(tx, other, f"{name} other")

        real_database.write(use_case)

    run_together(lambda: cross("a", first, second), lambda: cross("b", second, first))

    assert len(attempts) == 3
    assert {name_of(real_database, first), name_of(real_database, second)} in [{"a own", "a other"}, {"b own", "b other"}]


def test_writers_that_meet_all_get_through(real_database: Database) -> None:
    client_id = create_client(real_database, "0")

    def add_one() -> None:
        def use_case(tx: Transaction) -> None:
            statement = select(clients.c.name).where(clients.c.client_id == client_id).with_for_update()
            rename(tx, client_id, str(int(tx.execute(statement).scalar_one()) + 1))

        real_database.write(use_case)

    run_together(*[add_one] * 12)

    assert name_of(real_database, client_id) == "12"


def test_two_processes_write_to_one_sqlite_file(real_database: Database, engine: Engine) -> None:
    other = Database(create_database_engine(engine.url.render_as_string(hide_password=False)), clock=SystemClock(), sleeper=SystemClock())

    run_together(*[partial(create_client, database) for database in (real_database, other) * 6])

    other.engine.dispose()
    assert len(real_database.read(lambda tx: tx.execute(select(clients)).all())) == 12


class SleeperThatFrees(FakeClock):
    """Ends another process's transaction as soon as somebody waits for it."""

    def __init__(self, holder: sqlite3.Connection) -> None:
        super().__init__()
        self._holder = holder

    def sleep(self, duration_seconds: float) -> None:
        super().sleep(duration_seconds)
        self._holder.rollback()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_long_queue_before_it_costs_a_writer_none_of_its_attempts(engine: Engine) -> None:
    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database, check_same_thread=False)) as other_process:
        clock = SleeperThatFrees(other_process)
        database = Database(engine, clock=clock, sleeper=clock)
        with database._writer_lock:
            last_in_the_queue = threading.Thread(target=create_client, args=[database])
            last_in_the_queue.start()
            last_in_the_queue.join(0.2)
            clock.advance(2 * SQLITE_BUSY_DEADLINE_SECONDS)
            other_process.execute("BEGIN IMMEDIATE")

        last_in_the_queue.join(PATIENCE_SECONDS)

    assert len(database.read(lambda tx: tx.execute(select(clients)).all())) == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_writer_that_another_process_never_lets_in_is_told_to_try_again(engine: Engine, database: Database, clock: FakeClock) -> None:
    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database)) as other_process:
        other_process.execute("BEGIN IMMEDIATE")

        with pytest.raises(DatabaseUnavailable):
            create_client(database)

    assert clock.monotonic_seconds() == pytest.approx(SQLITE_BUSY_DEADLINE_SECONDS, abs=0.5)


def test_events_are_numbered_without_gaps_in_the_order_of_commits(real_database: Database) -> None:
    client_id = create_client(real_database)
    seen: list[int] = []

    def emit() -> None:
        real_database.write(lambda tx: tx.emit("ticked", client_id=client_id))
        numbers = real_database.read(lambda tx: list(tx.execute(select(events.c.sequence).order_by(events.c.sequence)).scalars()))
        seen.append(len(numbers))
        assert numbers == list(range(1, len(numbers) + 1))

    run_together(*[emit] * 10)

    last = real_database.read(lambda tx: tx.execute(select(event_cursors.c.last_sequence)).scalar_one())
    assert (last, max(seen)) == (10, 10)


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_when_all_connections_are_in_use_the_caller_is_told_to_try_again(engine: Engine, clock: FakeClock) -> None:
    small = create_engine(engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    database = Database(small, clock=clock, sleeper=clock)

    with small.connect(), pytest.raises(DatabaseUnavailable, match="in use"):
        database.read(lambda tx: tx.execute(select(clients)).all())

    small.dispose()


def test_a_database_that_cannot_be_reached_is_told_as_such(clock: FakeClock) -> None:
    engine = create_database_engine("mysql+pymysql://nobody@127.0.0.1:1/spot")

    with pytest.raises(DatabaseUnavailable):
        Database(engine, clock=clock, sleeper=clock).read(lambda tx: None)


def test_a_statement_that_is_refused_is_no_outage(database: Database) -> None:
    client_id = create_client(database)
    twice = insert(clients).values(client_id=client_id, name="again", created_at=database.read(lambda tx: tx.now))

    def use_case(tx: Transaction) -> Any:
        return tx.execute(twice).rowcount

    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        database.write(use_case)


def test_a_connection_comes_back_without_a_transaction_and_without_locks(engine: Engine) -> None:
    client_id = create_client(Database(engine, clock=SystemClock(), sleeper=SystemClock()), "before")
    narrow = create_database_engine(engine.url.render_as_string(hide_password=False), pool_size=1)
    first = Database(narrow, clock=SystemClock(), sleeper=SystemClock())

    def fail(tx: Transaction) -> None:
        rename(tx, client_id, "never")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        first.write(fail)
    other = Database(engine, clock=SystemClock(), sleeper=SystemClock())
    other.write(partial(rename, client_id=client_id, name="after"))

    assert name_of(first, client_id) == "after"
    narrow.dispose()
