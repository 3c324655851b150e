"""Statements that go past SQLAlchemy say, change and refuse what they do through it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, and_, bindparam, func, select, update
from sqlalchemy.exc import IntegrityError

from spot_server.db.tables import instances, leases
from spot_server.words import Role
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.quick_connection import QuickConnection

NOW = datetime(2026, 1, 5, 12, 0, 0, 250_000, tzinfo=UTC)

LEASE = select(leases).where(leases.c.name == bindparam("name"))
LATE = select(leases.c.name, leases.c.expires_at).where(leases.c.expires_at < bindparam("now"), leases.c.name.in_(("jobs", "others")))
SOME = select(leases.c.epoch).where(leases.c.name.in_(bindparam("names", expanding=True)))
HOW_MANY = select(func.count()).select_from(leases)
NOBODY = select(instances.c.instance_id).where(and_(instances.c.role.in_((Role.PRIMARY, Role.REPLICA)), instances.c.version > 3))
RENAMED = update(leases).where(leases.c.name == bindparam("this_name"))

QUESTIONS: list[tuple[Executable, dict[str, Any] | None]] = [
    (LEASE, {"name": "jobs"}),
    (LEASE, {"name": "nobody's"}),
    (LATE, {"now": NOW.replace(year=2027)}),
    (SOME, {"names": ["jobs", "others"]}),
    (SOME, {"names": []}),
    (HOW_MANY, None),
    (NOBODY, {}),
]


@pytest.fixture
def server() -> Iterator[DatabaseServer]:
    server = DatabaseServer()
    for name in ("jobs", "others"):
        server.raw.execute("INSERT INTO leases (name, holder, epoch, expires_at) VALUES (?, 'a', 7, '2026-01-05 12:00:00.250000')", (name,))
    yield server
    server.close()


@pytest.fixture
def quick(server: DatabaseServer) -> Iterator[QuickConnection]:
    with server.one_connection.connect() as connection, connection.begin() as transaction:
        assert isinstance(connection, QuickConnection)
        yield connection
        transaction.rollback()


def usual(quick: QuickConnection) -> Connection:
    return quick._connection


def again_and_again(quick: QuickConnection, statement: Executable, parameters: dict[str, Any] | None) -> list[list[Any]]:
    return [quick.execute(statement, parameters).all() for _ in range(4)]


@pytest.mark.parametrize(("statement", "parameters"), QUESTIONS)
def test_rows_are_those_that_sqlalchemy_reads(quick: QuickConnection, statement: Executable, parameters: dict[str, Any] | None) -> None:
    expected = usual(quick).execute(statement, parameters).all()

    answers = again_and_again(quick, statement, parameters)

    assert answers == [expected] * 4
    assert [row._asdict() for row in answers[-1]] == [row._asdict() for row in expected]


def test_values_have_the_types_of_their_columns(quick: QuickConnection) -> None:
    row = [quick.execute(LEASE, {"name": "jobs"}).one() for _ in range(3)][-1]

    assert (row.name, row.epoch, row.expires_at) == ("jobs", 7, NOW)
    assert row.expires_at.tzinfo is UTC


def test_the_values_of_this_time_are_used_and_not_those_of_the_first(quick: QuickConnection) -> None:
    names = [quick.execute(LEASE, {"name": name}).one().name for name in ("jobs", "jobs", "jobs", "others", "jobs")]

    assert names == ["jobs", "jobs", "jobs", "others", "jobs"]


def test_a_statement_with_other_parameters_is_another(quick: QuickConnection) -> None:
    for epoch in (1, 2, 3):
        quick.execute(RENAMED, {"this_name": "jobs", "epoch": epoch})
    changed = [quick.execute(RENAMED, {"this_name": "jobs", "holder": name}).rowcount for name in "bcd"]

    row = quick.execute(LEASE, {"name": "jobs"}).one()
    assert ((row.epoch, row.holder), changed) == ((3, "d"), [1, 1, 1])


def test_what_changes_rows_is_watched_as_ever(server: DatabaseServer, quick: QuickConnection) -> None:
    before = server.watch.version({"leases"})
    server.watch.begin()
    for epoch in (1, 2, 3):
        quick.execute(RENAMED, {"this_name": "jobs", "epoch": epoch})
        quick.execute(LEASE, {"name": "jobs"})

    assert server.watch.version({"leases"}) - before == 3
    assert [parameters for _, parameters in server.watch.asked] == [("jobs",)] * 3
    assert len({text for text, _ in server.watch.asked}) == 1


def test_a_refusal_is_sqlalchemys_error(quick: QuickConnection) -> None:
    refused = []
    for _ in range(3):
        with pytest.raises(IntegrityError) as caught:
            quick.execute(RENAMED, {"this_name": "jobs", "name": "others"})
        refused.append(str(caught.value.orig))

    assert refused == ["UNIQUE constraint failed: leases.name"] * 3


def test_a_statement_that_is_built_where_it_is_used_goes_the_usual_way(quick: QuickConnection) -> None:
    def built(epoch: int) -> Executable:
        return select(leases.c.name).where(leases.c.epoch == epoch).order_by(leases.c.name)

    found = [quick.execute(built(epoch)).scalars().all() for epoch in (7, 8, 7, 8)]

    assert found == [["jobs", "others"], [], ["jobs", "others"], []]
