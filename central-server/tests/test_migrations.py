"""Guard: the migrations make exactly the tables that the code uses, wherever they run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from server_support.databases import empty_mariadb
from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.tables import metadata
from spot_server.migrations import LOCK_TABLE, alembic_config, expected_revision, migrate, schema_state

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def empty_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine on a database without any table."""
    if request.param == "sqlite":
        engine = create_database_engine(f"sqlite:///{tmp_path}/empty.db")
        yield engine
        engine.dispose()
        return
    with empty_mariadb(request.getfixturevalue("mariadb_name") + "_empty") as url:
        engine = create_database_engine(url)
        yield engine
        engine.dispose()


def run(engine: Engine) -> None:
    migrate(engine, clock=SystemClock(), sleeper=SystemClock())


def leave_the_lock_out(name: str | None, kind: str, _parents: object) -> bool:
    return not (kind == "table" and name == LOCK_TABLE)


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_engine: Engine) -> None:
    run(empty_engine)

    with empty_engine.connect() as connection:
        options = {"compare_type": True, "include_name": leave_the_lock_out}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    assert differences == []


def test_migrating_twice_changes_nothing(empty_engine: Engine) -> None:
    run(empty_engine)

    before = migrate(empty_engine, clock=SystemClock(), sleeper=SystemClock())

    assert before.is_current


def test_several_processes_that_migrate_at_once_make_one_schema(empty_engine: Engine) -> None:
    failures: list[Exception] = []

    def attempt() -> None:
        engine = create_database_engine(empty_engine.url.render_as_string(hide_password=False))
        try:
            run(engine)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with empty_engine.connect() as connection:
        assert (failures, schema_state(connection).is_current) == ([], True)


def test_going_back_leaves_nothing_behind(empty_engine: Engine) -> None:
    run(empty_engine)

    with empty_engine.connect() as connection, connection.begin():
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert set(inspect(empty_engine).get_table_names()) <= {"alembic_version", LOCK_TABLE}


def test_an_empty_database_says_what_to_do(empty_engine: Engine) -> None:
    with empty_engine.connect() as connection:
        state = schema_state(connection)

    assert state.explain() == "the database has no schema yet: run `spot-server migrate`"


def test_an_older_schema_says_what_to_do(empty_engine: Engine) -> None:
    run(empty_engine)

    with empty_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
        state = schema_state(connection)

    assert state.explain() == f"the database is at schema 0000, this release needs {expected_revision()}: run `spot-server migrate`"


def test_schema_sql_is_what_the_tables_say() -> None:
    check = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "write_schema.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert (check.returncode, check.stderr) == (0, "")
