"""What statements read and change: so that whoever looks for changes can tell that there are none."""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Engine, event

from spot_server.db.tables import metadata
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.waiting import VirtualEvent

_WORD = re.compile(r"\w+")
_CHANGING = ("INSERT", "UPDATE", "DELETE")
_ASKING = ("SELECT", "WITH")
_REDELIVERY = "UPDATE commands SET status=?, last_delivered_at=?"
"""Counts no change: commands are delivered again and again, and nothing looks at that. The first time is written down as well."""
_tables_of: dict[str, tuple[str, ...]] = {}
"""The tables that a statement names, in order; the same statements come in every run."""

CLOCKS = frozenset({"clocks"})
"""Stands among the tables for the server's wall clock: it is changed when that is set."""
EC2 = frozenset({"ec2"})
"""Stands among the tables for what EC2 says and for the way to it."""
WEATHER = frozenset({"weather"})
"""Stands among the tables for whether requests are certain to arrive."""

Question = tuple[str, tuple[Any, ...]]
"""A statement that only reads, with its parameters."""


class TableWatch:
    """Counts changes per table, and notes what the statements of the present look name and ask."""

    def __init__(self, engine: Engine) -> None:
        """Watch what `engine` executes from now on."""
        self._engine = engine
        self._changes: Counter[str] = Counter()
        self._touches: Counter[str] = Counter()
        self._named: set[str] = set()
        self._waiting: dict[VirtualEvent, frozenset[str]] = {}
        self._heeding: dict[str, list[Callable[[], None]]] = {}
        self.asked: list[Question] = []
        """Since `begin`, in order."""
        self.has_written_nothing_in_vain = True
        """Whether no statement since `begin` might have changed rows and found none: what it looked for is in no question."""
        self.is_rehearsal = False
        """Whether what is changed now will be rolled back: it counts for `rehearsed_changes`, and wakes nobody."""
        self.rehearsed_changes = 0
        event.listen(engine, "after_cursor_execute", self._note)

    def close(self) -> None:
        """Watch no longer."""
        event.remove(self._engine, "after_cursor_execute", self._note)

    @staticmethod
    def tables_of(statement: str) -> tuple[str, ...]:
        """Return the tables that a statement names, one as often as it does."""
        tables = _tables_of.get(statement)
        if tables is None:
            tables = _tables_of[statement] = tuple(word for word in _WORD.findall(statement) if word in metadata.tables)
        return tables

    def begin(self) -> None:
        """Forget what was named and asked."""
        self._named.clear()
        self.asked = []
        self.has_written_nothing_in_vain = True
        self.rehearsed_changes = 0

    @property
    def named(self) -> frozenset[str]:
        """The tables that were named since `begin`."""
        return frozenset(self._named)

    def version(self, tables: Iterable[str]) -> int:
        """Return a number that rises whenever a statement changed one of the tables."""
        return sum(self._changes[table] + self._touches[table] for table in tables)

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

    def heed(self, table: str, tell: Callable[[], None]) -> None:
        """Call `tell` in the middle of each statement that changes `table`, from now on."""
        self._heeding.setdefault(table, []).append(tell)

    def touch(self, names: frozenset[str]) -> None:
        """Note that what these names stand for has changed."""
        self._touches.update(names)
        self._wake([changed for changed, awaited in self._waiting.items() if awaited & names])

    def _note(self, _connection: object, cursor: sqlite3.Cursor, statement: str, parameters: Any, *others: object) -> None:  # noqa: ANN401 - as SQLAlchemy has them
        tables = self.tables_of(statement)
        self._named.update(tables)
        if statement.startswith(_ASKING):
            self.asked.append((statement, parameters))
        elif statement.startswith(_CHANGING):
            self._note_change(statement, tables[0], has_changed=bool(others[-1] or cursor.rowcount))

    def _note_change(self, statement: str, table: str, *, has_changed: bool) -> None:
        if not has_changed:
            self.has_written_nothing_in_vain = False
        elif self.is_rehearsal:
            self.rehearsed_changes += 1
        elif not statement.startswith(_REDELIVERY):
            self._changes[table] += 1
            for tell in self._heeding.get(table, ()):
                tell()
            self._wake([changed for changed, awaited in self._waiting.items() if table in awaited])

    def _wake(self, waiting: list[VirtualEvent]) -> None:
        for woken in waiting:
            del self._waiting[woken]
            woken.set()
