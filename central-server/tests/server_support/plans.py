"""How the database goes about the statements that a piece of work executes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, RowMapping, event

from spot_server.db.tables import metadata


def plans_of(engine: Engine, act: Callable[[], object]) -> list[str]:
    """Run `act` and return the plan of each of its SELECTs: a line for each table, `SCAN` first where it is read from end to end."""
    seen = _selects_of(engine, act)
    is_sqlite = engine.dialect.name == "sqlite"
    explain, describe = ("EXPLAIN QUERY PLAN", _sqlite_line) if is_sqlite else ("EXPLAIN", _mysql_line)
    with engine.begin() as connection:
        found = [connection.exec_driver_sql(f"{explain} {statement}", parameters).mappings().all() for statement, parameters in seen]
    return ["\n".join(describe(row) for row in rows) for rows in found]


def _sqlite_line(row: RowMapping) -> str:
    return str(row["detail"])


def _mysql_line(row: RowMapping) -> str:
    return f"{'SCAN' if row['type'] in {'ALL', 'index'} else 'SEARCH'} {row['table']} USING {row['key']} ({row['rows']} rows)"


def gather_statistics(engine: Engine) -> None:
    """Let the optimizer know what is in the tables by now, as MariaDB does by itself after a while; SQLite never does."""
    if engine.dialect.name == "sqlite":
        return
    names = [table.name for table in metadata.sorted_tables]
    with engine.begin() as connection:
        for name in names:
            # Nor shall what it gathers in the background, at any moment and of half of the rows, take its place.
            connection.exec_driver_sql(f"ALTER TABLE {name} STATS_AUTO_RECALC=0")
        connection.exec_driver_sql(f"ANALYZE TABLE {', '.join(names)}")


def _selects_of(engine: Engine, act: Callable[[], object]) -> list[tuple[str, Any]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        act()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen
