"""How many transactions and statements a piece of work costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

from spot_server.db.engine import IS_WRITE_OPTION
from spot_server.db.statement_count import begin_count


@dataclass
class Cost:
    """What was begun and executed. `statements` are those of the thread that counts; BEGIN and COMMIT are left out."""

    reads: int = 0
    writes: int = 0
    statements: int = 0


@contextmanager
def counted(engine: Engine) -> Iterator[Cost]:
    """Count until the end of the block."""
    cost = Cost()
    listener = _beginning(cost)
    statements = begin_count()
    event.listen(engine, "begin", listener)
    try:
        yield cost
    finally:
        event.remove(engine, "begin", listener)
        cost.statements = statements.statements
        begin_count()


def _beginning(cost: Cost) -> Callable[[Connection], None]:
    def note(connection: Connection) -> None:
        if connection.get_execution_options().get(IS_WRITE_OPTION, True):
            cost.writes += 1
        else:
            cost.reads += 1

    return note


@contextmanager
def deletions(engine: Engine) -> Iterator[list[tuple[str, int]]]:
    """List the table and the number of rows of every DELETE until the end of the block."""
    found: list[tuple[str, int]] = []

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        words = statement.split()
        if words[:2] == ["DELETE", "FROM"]:
            found.append((words[2], cursor.rowcount))

    event.listen(engine, "after_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "after_cursor_execute", note)
