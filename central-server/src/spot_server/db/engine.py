"""One engine per process, with the same rules on the three databases: READ COMMITTED, UTC, foreign keys on."""

from __future__ import annotations

import sqlite3
from typing import Any

from pymysql.constants import SERVER_STATUS
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import PoolResetState

from spot_server.db.mysql_connection import RememberingConnection
from spot_server.db.statement_count import count_statements

SQLITE_BUSY_TIMEOUT_MS = 20
"""Short on purpose: waiting inside SQLite blocks the whole process under gevent; the runner waits and repeats instead."""

LOCK_WAIT_SECONDS = 5
"""How long InnoDB waits for a row lock before it reports 1205, which the runner repeats."""

IS_WRITE_OPTION = "spot_is_write"


def create_database_engine(database_url: str, *, pool_size: int = 10) -> Engine:
    """Return an engine for sqlite:///, mysql+pymysql:// or mariadb+pymysql:// URLs; ValueError for any other."""
    url = make_url(database_url)
    match url.get_backend_name():
        case "sqlite":
            engine = _create_sqlite_engine(url)
        case "mysql" | "mariadb":
            engine = _create_mysql_engine(url, pool_size=pool_size)
        case other:
            message = f"database backend {other!r} is not supported; use sqlite, mysql+pymysql or mariadb+pymysql"
            raise ValueError(message)
    count_statements(engine)
    return engine


def _create_sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite_transaction)
    return engine


def _prepare_sqlite_connection(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's own transaction handling would begin late (at the first write), too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite_transaction(connection: Connection) -> None:
    is_write = connection.get_execution_options().get(IS_WRITE_OPTION, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _create_mysql_engine(url: URL, *, pool_size: int) -> Engine:
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": 5,
        "read_timeout": 30,
        "write_timeout": 30,
        "init_command": (
            "SET SESSION time_zone='+00:00', "
            "sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', "
            f"innodb_lock_wait_timeout={LOCK_WAIT_SECONDS}"
        ),
    }
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        connect_args=arguments,
        pool_size=pool_size,
        # Whoever finds all at work waits for one: what opens beyond the pool is closed after its transaction, and opening one takes 30 ms
        # of the processor (PyMySQL reads the machine's certificates for each), as long as several heartbeats.
        max_overflow=0,
        # Its ROLLBACK of what is ended already is a round trip to the server each time; the listener below does without.
        pool_reset_on_return=None,
        pool_timeout=10,
        pool_recycle=1800,
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "reset", _end_open_transaction)
    return engine


def _connect(_dialect: object, _record: object, positional: Any, named: Any) -> RememberingConnection:  # noqa: ANN401 - SQLAlchemy's own
    return RememberingConnection(*positional, **named)


def _end_open_transaction(connection: Any, _record: object, state: PoolResetState) -> None:  # noqa: ANN401 - the driver's own
    """Roll back what was left open in a connection that comes back to the pool: whoever gets it next would commit it.

    The runner ends every transaction itself, and the server says so in the answer to its COMMIT or ROLLBACK: usually there is nothing to
    do. What is left is a Connection that was dropped without `close`. A thread or greenlet that is killed in the middle of a statement
    does not come here: the driver closes its socket, and the pool drops the connection.
    """
    if not state.terminate_only and connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
        connection.rollback()
