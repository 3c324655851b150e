"""Statements that are built once, carried out by SQLite itself: to have SQLAlchemy do it takes several times as long.

SQLAlchemy compiles them, reads their rows, and says what went wrong. What it did for a statement the first time is kept, and is not worked
out again at each execution. All other statements go its usual way: those that are built where they are used, that insert, or that have as
many placeholders as a list that comes with the parameters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from sqlalchemy import Connection, Dialect, Executable, SelectBase, Update
from sqlalchemy.engine import IteratorResult
from sqlalchemy.engine.result import SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one statement is carried out with parameters of certain names."""

    text: str
    binds: list[tuple[str | None, Any]]
    """In order: a parameter's name with what makes SQLite's value of it; or None with a value that is always the same."""
    shape: SimpleResultMetaData | None
    """None where no rows come back."""

    def values(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return what stands for the placeholders."""
        return tuple(
            known if name is None else parameters[name] if known is None else known(parameters[name]) for name, known in self.binds
        )


@dataclass(slots=True)
class _Seen:
    statement: ref[Executable]
    plans: dict[tuple[str, ...], _Plan | None] = field(default_factory=dict)
    """By the names of the parameters; None where it goes the usual way."""


class Changed:
    """What came of a statement that returns no rows."""

    def __init__(self, rowcount: int) -> None:
        """`rowcount` rows were changed."""
        self.rowcount = rowcount


class QuickConnection:
    """In place of a connection to SQLite, for those who execute statements and begin transactions on it."""

    def __init__(self, connection: Connection) -> None:
        """Execute on `connection`, which is kept open."""
        self._connection = connection
        self._raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
        self._seen: dict[int, _Seen] = {}
        self.dialect = connection.dialect
        self.begin = connection.begin

    def execute(self, statement: Executable, parameters: Any = None) -> Any:  # noqa: ANN401 - as SQLAlchemy has it
        """Do as SQLAlchemy does; what comes back has of its results what is asked of the rows, or of the number of those that changed."""
        plan = self._plan_of(statement, parameters) if parameters is None or isinstance(parameters, dict) else None
        if plan is None:
            return self._connection.execute(statement, parameters)
        values = plan.values(parameters)
        try:
            cursor = self._raw.execute(plan.text, values)
        except sqlite3.Error as error:
            raise DBAPIError.instance(plan.text, values, error, sqlite3.Error, dialect=self.dialect) from error
        self._connection.dispatch.after_cursor_execute(self._connection, cursor, plan.text, values, None, False)
        return Changed(cursor.rowcount) if plan.shape is None else IteratorResult(plan.shape, iter(cursor.fetchall()))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a connection has
        return getattr(self._connection, name)

    def _plan_of(self, statement: Executable, parameters: dict[str, Any] | None) -> _Plan | None:
        """None the first time: a statement that is built where it is used does not come again."""
        seen = self._seen.get(id(statement))
        if seen is None or seen.statement() is not statement:
            self._seen[id(statement)] = _Seen(ref(statement))
            return None
        names = tuple(parameters or ())
        if names not in seen.plans:
            seen.plans[names] = _make_plan(statement, parameters or {}, self.dialect)
        return seen.plans[names]


def _make_plan(statement: Executable, parameters: dict[str, Any], dialect: Dialect) -> _Plan | None:
    if not isinstance(statement, SelectBase | Update):
        return None
    compiled = statement.compile(dialect=dialect, column_keys=sorted(parameters))
    assert isinstance(compiled, SQLCompiler)  # noqa: S101 - statements are
    filled_in = compiled.post_compile_params | compiled.literal_execute_params
    if any(bind.key in parameters for bind in filled_in) or compiled.update_prefetch or compiled.effective_returning:
        return None
    values = compiled.construct_params(parameters, escape_names=False)
    names: Sequence[str] = compiled.positiontup or ()
    text, processors = compiled.string, dict(compiled._bind_processors)  # noqa: SLF001 - here and below: what it makes of types
    if filled_in:
        expanded = compiled._process_parameters_for_postcompile(values)  # noqa: SLF001
        text, names = expanded.statement, expanded.positiontup or ()
        processors |= expanded.processors
        values = {**values, **expanded.additional_parameters}
    binds = [_bind(name, name in parameters, processors.get(name), values) for name in names]
    return _Plan(text, binds, None if compiled.isupdate else _shape_of(compiled, dialect))


def _bind(name: str, is_given: bool, processor: Any, values: Mapping[str, Any]) -> tuple[str | None, Any]:  # noqa: ANN401, FBT001 - as SQLAlchemy has it
    if is_given:
        return name, processor
    return None, values[name] if processor is None else processor(values[name])


def _shape_of(compiled: SQLCompiler, dialect: Dialect) -> SimpleResultMetaData:
    columns = compiled._result_columns  # noqa: SLF001
    processors = [column.type._cached_result_processor(dialect, None) for column in columns]  # noqa: SLF001
    return SimpleResultMetaData([column.keyname for column in columns], _processors=processors)
