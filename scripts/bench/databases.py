"""The databases of a measurement: a new SQLite file, or a new database on the server that SPOT_TEST_MARIADB_URL names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server_support.databases import MARIADB_VARIABLE, empty_mariadb
from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Database
from spot_server.migrations import migrate
from spot_server.settings import Settings

SQLITE, MARIADB = "sqlite", "mariadb"


@contextmanager
def lend_database(kind: str, directory: Path) -> Iterator[tuple[str, Database]]:
    """Lend the URL of an empty database with the present schema, and the means to use it from this process."""
    if kind == SQLITE:
        with _migrated(f"sqlite:///{directory}/bench.db") as database:
            yield f"sqlite:///{directory}/bench.db", database
        return
    with empty_mariadb(f"spot_bench_{os.getpid()}") as url, _migrated(url) as database:
        yield url, database


@contextmanager
def _migrated(url: str) -> Iterator[Database]:
    clock = SystemClock()
    database = build_database(Settings(database_url=url), clock)
    migrate(database.engine, clock=clock, sleeper=clock)
    try:
        yield database
    finally:
        database.engine.dispose()


def has_mariadb() -> bool:
    """Whether a MariaDB server was named."""
    return bool(os.environ.get(MARIADB_VARIABLE))
