"""How many statements a piece of work costs: counted where they are executed, read by who began the count."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event


@dataclass(slots=True)
class StatementCount:
    """Statements executed since the count began; BEGIN and COMMIT are left out."""

    statements: int = 0


_present: ContextVar[StatementCount | None] = ContextVar("spot_statement_count", default=None)
"""Of this thread or greenlet; None where nobody counts, as in the poller."""


def count_statements(engine: Engine) -> None:
    """Count what `engine` executes from now on."""
    event.listen(engine, "before_cursor_execute", _note)


def begin_count() -> StatementCount:
    """Begin to count for this thread or greenlet; an earlier count ends."""
    count = StatementCount()
    _present.set(count)
    return count


def _note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own arguments
    count = _present.get()
    if count is not None and not statement.startswith("BEGIN"):
        count.statements += 1
