"""Which tables statements read and change: so that whoever looks for changes can tell that there are none."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, event

from spot_server.db.tables import metadata
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.waiting import VirtualEvent

_WORD = re.compile(r"\w+")
_CHANGING = ("INSERT", "UPDATE", "DELETE")
_REDELIVERY = "UPDATE commands SET status=?, last_delivered_at=?"
"""Counts no change: commands are delivered again and again, and nothing looks at that. The first time is written down as well."""
_tables_of: dict[str, tuple[str, ...]] = {}
"""The tables that a statement names, in order; the same statements come in every run."""


class TableWatch:
    """Counts changes per table, and notes the tables that the statements of the present transaction name."""

    def __init__(self, engine: Engine) -> None:
        """Watch what `engine` executes from now on."""
        self._engine = engine
        self._changes: Counter[str] = Counter()
        self._named: set[str] = set()
        self._waiting: dict[VirtualEvent, frozenset[str]] = {}
        event.listen(engine, "after_cursor_execute", self._note)

    def close(self) -> None:
        """Watch no longer."""
        event.remove(self._engine, "after_cursor_execute", self._note)

    def begin(self) -> None:
        """Forget which tables were named."""
        self._named.clear()

    @property
    def named(self) -> frozenset[str]:
        """The tables that were named since `begin`."""
        return frozenset(self._named)

    def version(self, tables: Iterable[str]) -> int:
        """Return a number that rises whenever a statement changed one of the tables."""
        return sum(self._changes[table] for table in tables)

    @property
    def changes(self) -> int:
        """How many statements changed something, other than the lease."""
        return self._changes.total() - self._changes["leases"]

    def wait_for_change(self, process: Process, tables: frozenset[str], timeout_seconds: float) -> None:
        """Let time pass for the task that calls until one of the tables is changed, at most `timeout_seconds`."""
        changed = VirtualEvent(process)
        self._waiting[changed] = tables
        try:
            changed.wait(timeout_seconds)
        finally:
            self._waiting.pop(changed, None)

    def _note(self, _connection: Any, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own arguments
        tables = _tables_of.get(statement)
        if tables is None:
            tables = _tables_of[statement] = tuple(word for word in _WORD.findall(statement) if word in metadata.tables)
        self._named.update(tables)
        if statement.startswith(_CHANGING) and cursor.rowcount and not statement.startswith(_REDELIVERY):
            self._changes[tables[0]] += 1
            for woken in [changed for changed, awaited in self._waiting.items() if tables[0] in awaited]:
                del self._waiting[woken]
                woken.set()
