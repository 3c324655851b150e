"""Statements that are built once, at import: what is bound later is written as its column has it, on every database."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from sqlalchemy import Delete, Dialect, Insert, SelectBase, Update
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import NullType

import spot_server

Statement = SelectBase | Insert | Update | Delete


def _statements() -> Iterator[tuple[str, Statement]]:
    for found in pkgutil.walk_packages(spot_server.__path__, "spot_server."):
        for name, value in vars(import_module(found.name)).items():
            for statement in value if isinstance(value, tuple) else (value,):
                if isinstance(statement, Statement):
                    yield f"{found.name}.{name}", statement


def _untyped(statement: Statement, dialect: Dialect) -> list[str]:
    """The values of a statement that would go to the database as they are: an enumeration's member, or a time with its zone."""
    binds = statement.compile(dialect=dialect).binds
    return [name for name, bind in binds.items() if isinstance(bind.type, NullType)]


@pytest.mark.parametrize("dialect", [sqlite.dialect(), mysql.dialect()], ids=["sqlite", "mysql"])
def test_every_value_that_is_bound_later_has_the_type_of_its_column(dialect: Dialect) -> None:
    statements = dict(_statements())

    untyped = {name: _untyped(statement, dialect) for name, statement in statements.items()}

    assert len(statements) > 50, "the statements are not found where they were"
    assert {name: values for name, values in untyped.items() if values} == {}
