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


class TableWatch:
    """Counts changes per table, and notes the tables that the statements of the present transaction name."""

    def __init__(self, engine: Engine) -> None:
        """Watch what `engine` executes from now on."""
        self._changes: Counter[str] = Counter()
        self._tables_of: dict[str, frozenset[str]] = {}
        self._named: set[str] = set()
        self._waiting: list[VirtualEvent] = []
        event.listen(engine, "after_cursor_execute", self._note)

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

    def wait_for_change(self, process: Process) -> None:
        """Let time pass for the task that calls until any table was changed."""
        changed = VirtualEvent(process)
        self._waiting.append(changed)
        changed.wait()

    def _note(self, _connection: Any, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own arguments
        tables = self._tables_of.get(statement)
        if tables is None:
            tables = self._tables_of[statement] = frozenset(set(_WORD.findall(statement)) & set(metadata.tables))
        self._named |= tables
        if statement.startswith(_CHANGING) and cursor.rowcount:
            target = next(word for word in _WORD.findall(statement) if word in metadata.tables)
            self._changes[target] += 1
            waiting, self._waiting = self._waiting, []
            for woken in waiting:
                woken.set()
