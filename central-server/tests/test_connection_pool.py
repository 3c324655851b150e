"""What the pool takes back: connections without a transaction, however their use ended, and without a round trip where it ended well."""

from __future__ import annotations

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select, text, update

from server_support.builders import create_client
from server_support.clock import FakeClock
from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import clients

KILLED_IN_A_STATEMENT = Path(__file__).parent / "server_support" / "killed_in_a_statement.py"
PATIENCE_SECONDS = 60.0


def url_of(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def narrow(engine: Engine) -> Engine:
    """A pool of one connection: who comes next gets the same one."""
    return create_database_engine(url_of(engine), pool_size=1)


def names_in(engine: Engine) -> list[str]:
    with engine.begin() as connection:
        return list(connection.execute(select(clients.c.name)).scalars())


def store(tx: Transaction) -> None:
    tx.execute(insert(clients).values(client_id="c", name="acme", created_at=tx.now))


def test_a_transaction_that_nobody_ended_is_not_finished_by_who_gets_the_connection_next(
    engine: Engine, narrow: Engine, clock: FakeClock
) -> None:
    connection = narrow.connect()
    connection.begin()
    connection.execute(insert(clients).values(client_id="c", name="abandoned", created_at=clock.now()))
    del connection
    gc.collect()

    with narrow.begin() as next_user:
        next_user.execute(text("SELECT 1"))
    names = names_in(engine)
    narrow.dispose()

    assert names == []


def test_a_failure_outside_of_every_statement_leaves_no_transaction(engine: Engine, narrow: Engine, clock: FakeClock) -> None:
    def fail(tx: Transaction) -> None:
        store(tx)
        raise KeyboardInterrupt

    database = Database(narrow, clock=clock, sleeper=clock)
    with pytest.raises(KeyboardInterrupt):
        database.write(fail)

    database.read(lambda tx: tx.execute(text("SELECT 1")).all())
    names = names_in(engine)
    narrow.dispose()

    assert names == []


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_what_ended_well_costs_no_rollback(narrow: Engine, clock: FakeClock) -> None:
    database = Database(narrow, clock=clock, sleeper=clock)

    def rollbacks(tx: Transaction) -> int:
        return int(tx.execute(text("SHOW SESSION STATUS LIKE 'Com_rollback'")).one().Value)

    before = database.read(rollbacks)
    client_id = create_client(database)
    for number in range(3):
        database.write(lambda tx, number=number: tx.execute(update(clients).values(name=f"name {number}")))  # type: ignore[misc]
        database.read(lambda tx: tx.execute(select(clients).where(clients.c.client_id == client_id)).all())
    after = database.read(rollbacks)
    narrow.dispose()

    assert after == before


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_more_threads_than_connections_open_no_more_of_them(engine: Engine) -> None:
    opened: list[object] = []
    small = create_database_engine(url_of(engine), pool_size=3)
    event.listen(small, "connect", lambda connection, _record: opened.append(connection))
    database = Database(small, clock=SystemClock(), sleeper=SystemClock())

    def take_a_while(_number: int) -> int:
        # Long enough for the other threads to come meanwhile.
        return database.read(lambda tx: int(tx.execute(text("SELECT SLEEP(0.01)")).scalar_one()))

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(take_a_while, range(60)))
    small.dispose()

    assert (answers, len(opened)) == ([0] * 60, 3)


@pytest.mark.mariadb
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_lock_of_a_transaction_that_nobody_ended_is_let_go(engine: Engine, narrow: Engine) -> None:
    database = Database(engine, clock=SystemClock(), sleeper=SystemClock())
    client_id = create_client(database, "before")
    connection = narrow.connect()
    connection.begin()
    connection.execute(update(clients).values(name="abandoned"))
    del connection
    gc.collect()

    database.write(lambda tx: tx.execute(update(clients).where(clients.c.client_id == client_id).values(name="after")))
    names = names_in(engine)
    narrow.dispose()

    assert names == ["after"]


@pytest.mark.mariadb
@pytest.mark.server
@pytest.mark.parametrize("engine", ["mariadb"], indirect=True)
def test_a_greenlet_that_is_killed_in_a_statement_takes_its_connection_with_it(engine: Engine) -> None:
    ended = subprocess.run(
        [sys.executable, str(KILLED_IN_A_STATEMENT), url_of(engine)], check=False, capture_output=True, timeout=PATIENCE_SECONDS, text=True
    )

    assert (ended.stdout, ended.stderr) == ("ended with GreenletExit, then answered 1\n", "")
    assert names_in(engine) == []
