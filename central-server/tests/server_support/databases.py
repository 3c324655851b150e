"""Real databases for tests: made by the migrations once per worker, emptied or copied for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, exists, literal, make_url, select, text, union_all

from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.tables import metadata
from spot_server.migrations import migrate

MARIADB_VARIABLE = "SPOT_TEST_MARIADB_URL"


def make_sqlite_template(directory: Path) -> Path:
    """Return a migrated SQLite file that tests copy."""
    path = directory / "template.db"
    engine = create_database_engine(f"sqlite:///{path}")
    migrate(engine, clock=SystemClock(), sleeper=SystemClock())
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    engine.dispose()
    return path


@contextmanager
def sqlite_engine(template: Path, path: Path) -> Iterator[Engine]:
    """Lend an engine on a fresh copy of the template."""
    shutil.copyfile(template, path)
    engine = create_database_engine(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def empty_mariadb(name: str) -> Iterator[str]:
    """Lend the URL of a new, empty database on the server that SPOT_TEST_MARIADB_URL names; it is dropped afterwards."""
    server = make_url(os.environ[MARIADB_VARIABLE])
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
        yield server.set(database=name).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
    finally:
        admin.dispose()


@contextmanager
def migrated_mariadb(name: str) -> Iterator[Engine]:
    """Lend an engine on a new database with the present schema."""
    with empty_mariadb(name) as url:
        engine = create_database_engine(url)
        migrate(engine, clock=SystemClock(), sleeper=SystemClock())
        try:
            yield engine
        finally:
            engine.dispose()


def begin_anew(engine: Engine, template: Path) -> None:
    """Put a fresh copy of the template where the engine looks for its file. What a test left open keeps the file that it had.

    The engine itself is kept for the statements that it has compiled, which cost more than all else of a new one.
    """
    engine.dispose()
    path = str(engine.url.database)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    shutil.copyfile(template, path)


_EMPTYING = tuple(reversed(metadata.sorted_tables))
"""Every table, those that refer to others first."""
_WHICH_HAVE_ROWS = union_all(*(select(literal(number)).where(exists(select(table))) for number, table in enumerate(_EMPTYING)))


def delete_all_rows(engine: Engine) -> None:
    """Empty every table; one question tells which have rows."""
    with engine.begin() as connection:
        for number in sorted(connection.execute(_WHICH_HAVE_ROWS).scalars()):
            connection.execute(_EMPTYING[number].delete())
