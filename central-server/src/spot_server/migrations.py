"""Bringing a database to this release's schema, and telling whether it is there.

The Alembic environment lives at the top of the repository (`database/`); the wheel carries it as `spot_server/_database`.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from spot_server.clock import Clock, Sleeper
from spot_server.db.runner import is_sqlite_busy, mysql_code

LOCK_TABLE = "migration_lock"
"""One row, held FOR UPDATE by the process that migrates: MySQL ends a transaction at every CREATE TABLE, so the lock has its own."""

LOCK_PATIENCE_SECONDS = 120.0
LOCK_RETRY_SECONDS = 0.5
MYSQL_LOCK_WAIT_CODE = 1205


class MigrationBusy(Exception):
    """Another process has been migrating this database for longer than we wait."""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The revision that a database has (None: no schema at all) and the one that this release needs."""

    current: str | None
    expected: str

    @property
    def is_current(self) -> bool:
        """Whether the server can work with the database."""
        return self.current == self.expected

    def explain(self) -> str:
        """Return one line that says what to do."""
        if self.current is None:
            return "the database has no schema yet: run `spot-server migrate`"
        return f"the database is at schema {self.current}, this release needs {self.expected}: run `spot-server migrate`"


def migrations_directory() -> Path:
    """Return where the Alembic environment is: in the installed package, else in the checkout."""
    packaged = Path(__file__).parent / "_database"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "database"


@functools.cache
def expected_revision() -> str:
    """Return the newest revision of this release."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        message = f"no migrations in {migrations_directory()}"
        raise RuntimeError(message)
    return head


def schema_state(connection: Connection) -> SchemaState:
    """Compare the database with this release."""
    return SchemaState(MigrationContext.configure(connection).get_current_revision(), expected_revision())


def migrate(engine: Engine, *, clock: Clock, sleeper: Sleeper, revision: str = "head") -> SchemaState:
    """Bring the database to `revision`; several processes may try at once, one does it. Returns what was found before.

    Raises MigrationBusy when another one does not finish within LOCK_PATIENCE_SECONDS.
    """
    deadline_seconds = clock.monotonic_seconds() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            with _alone(engine), engine.connect() as connection:
                return _upgrade(connection, revision)
        except OperationalError as error:
            is_busy = is_sqlite_busy(error) or mysql_code(error) == MYSQL_LOCK_WAIT_CODE
            if not is_busy:
                raise
            if clock.monotonic_seconds() >= deadline_seconds:
                raise MigrationBusy from error
            sleeper.sleep(LOCK_RETRY_SECONDS)


def _upgrade(connection: Connection, revision: str) -> SchemaState:
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        # Batch mode rebuilds tables; foreign keys can only be switched off outside a transaction.
        _sqlite_pragma(connection, "foreign_keys=OFF")
    try:
        with connection.begin():
            before = schema_state(connection)
            if before.current != revision and not (revision == "head" and before.is_current):
                config = alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, revision)
                if is_sqlite:
                    _check_foreign_keys(connection)
        return before
    finally:
        if is_sqlite:
            _sqlite_pragma(connection, "foreign_keys=ON")


def _sqlite_pragma(connection: Connection, pragma: str) -> None:
    raw = connection.connection.dbapi_connection
    if raw is not None:
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    if broken:
        message = f"the migration would leave {len(broken)} rows without what they refer to; nothing was changed"
        raise RuntimeError(message)


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Keep other migrating processes out. SQLite needs nothing: its transaction covers the whole migration."""
    if engine.dialect.name == "sqlite":
        yield
        return
    columns = Column("only_row", Integer, primary_key=True, autoincrement=False)
    lock_table = Table(LOCK_TABLE, MetaData(), columns, mysql_engine="InnoDB", mariadb_engine="InnoDB")
    with engine.connect() as connection:
        connection.execute(CreateTable(lock_table, if_not_exists=True))
        connection.execute(lock_table.insert().prefix_with("IGNORE").values(only_row=1))
        connection.commit()
        connection.execute(select(lock_table.c.only_row).where(lock_table.c.only_row == 1).with_for_update())
        yield
        connection.rollback()


def alembic_config() -> Config:
    """Return Alembic's configuration; `attributes["connection"]` hands a connection to the environment."""
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    return config
