"""What PyMySQL is told once of a column need not be read again, and reads the same."""

from __future__ import annotations

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from sqlalchemy import Engine, text

from spot_server.db import mysql_connection
from spot_server.db.mysql_connection import RememberingConnection
from spot_server.db.tables import metadata

pytestmark = [pytest.mark.mariadb, pytest.mark.parametrize("engine", ["mariadb"], indirect=True)]

OF_EVERY_KIND = (
    "SELECT 1 AS one, -1.5 AS half, 'ä' AS letters, x'00ff' AS raw, NULL AS nothing, JSON_OBJECT() AS document, "
    "TIMESTAMP '2026-01-02 03:04:05.678901' AS moment"
)


def read(connection: Connection[Cursor], statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.description, cursor.fetchall()


def lend(engine: Engine, kind: type[Connection[Cursor]]) -> Connection[Cursor]:
    _positional, named = engine.dialect.create_connect_args(engine.url)
    return kind(**named)


def test_every_table_and_every_type_reads_as_with_the_driver_s_own_connection(engine: Engine) -> None:
    statements = [OF_EVERY_KIND, *(f"SELECT * FROM {table.name}" for table in metadata.sorted_tables)]  # noqa: S608 - names of our own
    plain, remembering = lend(engine, Connection), lend(engine, RememberingConnection)

    expected = [read(plain, statement) for statement in statements]
    first = [read(remembering, statement) for statement in statements]
    again = [read(remembering, statement) for statement in statements]
    plain.close()
    remembering.close()

    assert first == expected
    assert again == expected


def test_a_column_is_described_once(engine: Engine) -> None:
    described_before = mysql_connection._describe.cache_info().misses
    with engine.connect() as connection:
        for _ in range(3):
            connection.execute(text("SELECT 1 AS asked_for_here_only"))

    assert mysql_connection._describe.cache_info().misses == described_before + 1


def test_a_column_that_changed_its_type_is_described_anew(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE changed (told INT)")
        connection.exec_driver_sql("INSERT INTO changed VALUES (7)")
        before = connection.exec_driver_sql("SELECT told FROM changed").scalar_one()
        connection.exec_driver_sql("ALTER TABLE changed MODIFY told VARCHAR(9)")
        after = connection.exec_driver_sql("SELECT told FROM changed").scalar_one()
        connection.exec_driver_sql("DROP TEMPORARY TABLE changed")

    assert (before, after) == (7, "7")


def test_an_error_in_place_of_a_result_is_still_an_error(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(Exception, match="no_such_table"):
        connection.exec_driver_sql("SELECT * FROM no_such_table")
