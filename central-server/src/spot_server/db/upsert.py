"""Insert-or-update and insert-or-ignore, the one thing that the databases spell differently.

Rows are passed as parameters: a statement that holds them would be compiled for each number of rows, which takes longer than the
insertion. PyMySQL makes one INSERT of many rows of them, sqlite3 repeats a prepared one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, TableClause
from sqlalchemy.dialects import mysql, sqlite


def insert_or_ignore(connection: Connection, table: TableClause, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> None:
    """Insert `rows`, all with the same members, leaving out those whose `key` columns (a unique key of the table) are taken.

    MySQL's INSERT IGNORE would also swallow truncation and foreign key errors, hence the update of a key column to itself.
    """
    if not rows:
        return
    if _is_mysql(connection):
        connection.execute(mysql.insert(table).on_duplicate_key_update({key[0]: table.c[key[0]]}), list(rows))
        return
    connection.execute(sqlite.insert(table).on_conflict_do_nothing(index_elements=list(key)), list(rows))


def insert_or_update(
    connection: Connection,
    table: TableClause,
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    add: Sequence[str] = (),
    replace: Sequence[str] = (),
) -> None:
    """Insert `rows`, all with the same members; where `key` is taken, add to the `add` columns and overwrite the `replace` columns."""
    if not rows:
        return
    statement: Insert
    if _is_mysql(connection):
        statement = mysql.insert(table)
        connection.execute(statement.on_duplicate_key_update(_changes(table, statement.inserted, add, replace)), list(rows))
        return
    statement = sqlite.insert(table)
    changes = _changes(table, statement.excluded, add, replace)
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changes), list(rows))


def _changes(table: TableClause, new: Any, add: Sequence[str], replace: Sequence[str]) -> dict[str, ColumnElement[Any]]:  # noqa: ANN401 - a namespace of columns
    changes: dict[str, ColumnElement[Any]] = {name: table.c[name] + new[name] for name in add}
    changes.update({name: new[name] for name in replace})
    return changes


def _is_mysql(connection: Connection) -> bool:
    return connection.dialect.name in {"mysql", "mariadb"}
