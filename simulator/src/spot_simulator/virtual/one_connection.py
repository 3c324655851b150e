"""The one connection of a run's database, lent to each transaction in turn: to open and give back another costs a tenth of a transaction.

Nothing waits inside a transaction, so there is never more than one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event

from spot_server.db import engine as server_engine
from spot_server.db.engine import IS_WRITE_OPTION
from spot_simulator.virtual.quick_connection import QuickConnection


class OneConnection:
    """In place of an engine, for those who only connect to it."""

    def __init__(self, engine: Engine) -> None:
        """Keep a connection of `engine`, which is for SQLite, open for good."""
        event.remove(engine, "begin", server_engine._begin_sqlite_transaction)  # noqa: SLF001 - what takes its place is below
        event.listen(engine, "begin", _begin)
        self.dialect = engine.dialect
        self._connection = engine.connect()
        self._quick = QuickConnection(self._connection)

    def connect(self) -> _Lent:
        """Lend the connection."""
        return _Lent(self._connection, self._quick)


class _Lent:
    def __init__(self, connection: Connection, quick: QuickConnection) -> None:
        self._connection, self._quick = connection, quick

    def execution_options(self, **options: Any) -> _Lent:  # noqa: ANN401 - as SQLAlchemy has it
        self._connection.execution_options(**options)
        return self

    def __enter__(self) -> QuickConnection:
        return self._quick

    def __exit__(self, *_error: object) -> None:
        """It is not closed."""


def _begin(connection: Connection) -> None:
    """Begin as the server does, past the layers that turn errors into SQLAlchemy's: nobody else has a lock that could be in the way."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("BEGIN IMMEDIATE" if connection.get_execution_options().get(IS_WRITE_OPTION, True) else "BEGIN")
