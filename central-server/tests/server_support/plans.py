"""How the database goes about the statements that a piece of work executes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, RowMapping, event

from spot_server.db.runner import Database, Transaction


def plans_of(database: Database, act: Callable[[Transaction], object]) -> list[str]:
    """Run `act` and return the plan of each of its SELECTs: a line for each table, `SCAN` first where it is read from end to end."""
    seen = _selects_of(database, act)
    is_sqlite = database.engine.dialect.name == "sqlite"
    explain, describe = ("EXPLAIN QUERY PLAN", _sqlite_line) if is_sqlite else ("EXPLAIN", _mysql_line)
    with database.engine.begin() as connection:
        found = [connection.exec_driver_sql(f"{explain} {statement}", parameters).mappings().all() for statement, parameters in seen]
    return ["\n".join(describe(row) for row in rows) for rows in found]


def _sqlite_line(row: RowMapping) -> str:
    return str(row["detail"])


def _mysql_line(row: RowMapping) -> str:
    return f"{'SCAN' if row['type'] in {'ALL', 'index'} else 'SEARCH'} {row['table']} USING {row['key']} ({row['rows']} rows)"


def gather_statistics(engine: Engine) -> None:
    """Let the optimizer know what is in the tables by now; without it small tests are planned as if every table were empty."""
    is_sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE" if is_sqlite else "ANALYZE TABLE commands")


def _selects_of(database: Database, act: Callable[[Transaction], object]) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        database.read(act)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
    return seen
