"""What is written to a column is read from it again, on every database; what it cannot hold is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.dialects import sqlite

from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import leases
from spot_server.db.types import EnumText, JsonText, UtcDateTime
from spot_server.words import Role

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
MOMENTS = [
    datetime(1970, 1, 1, tzinfo=UTC),
    NEW_YEAR - timedelta(microseconds=1),
    NEW_YEAR,
    NEW_YEAR + timedelta(microseconds=1),
    (NEW_YEAR + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=-5))),
]
"""In order; the third has no microseconds, the last is of another zone."""


def _store(tx: Transaction, moments: list[datetime]) -> None:
    rows = [{"name": f"lease-{number}", "holder": "", "epoch": 1, "expires_at": moment} for number, moment in enumerate(moments)]
    tx.execute(insert(leases), rows)


def test_moments_are_read_as_they_were_written_in_utc_and_in_their_order(database: Database) -> None:
    database.write(lambda tx: _store(tx, MOMENTS[::-1]))

    read = database.read(lambda tx: list(tx.execute(select(leases.c.expires_at).order_by(leases.c.expires_at)).scalars()))

    assert read == MOMENTS
    assert {moment.tzinfo for moment in read} == {UTC}


def test_a_moment_is_found_by_the_same_moment_of_another_zone(database: Database) -> None:
    database.write(lambda tx: _store(tx, MOMENTS))
    elsewhere = NEW_YEAR.astimezone(timezone(timedelta(hours=9)))

    found = database.read(lambda tx: list(tx.execute(select(leases.c.name).where(leases.c.expires_at == elsewhere)).scalars()))

    assert found == ["lease-2"]


def test_a_moment_without_its_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="must carry its zone"):
        UtcDateTime().process_bind_param(NEW_YEAR.replace(tzinfo=None), sqlite.dialect())


def test_a_closed_set_is_read_as_its_members() -> None:
    column = EnumText(Role)

    assert [column.process_result_value(member.value, sqlite.dialect()) for member in Role] == list(Role)
    assert column.process_result_value(None, sqlite.dialect()) is None


def test_a_closed_set_takes_members_and_their_text() -> None:
    column = EnumText(Role)

    written = [column.process_bind_param(value, sqlite.dialect()) for value in (Role.PRIMARY, "PRIMARY", None)]  # type: ignore[arg-type]

    assert written == ["PRIMARY", "PRIMARY", None]


def test_a_word_outside_a_closed_set_is_an_error_both_ways() -> None:
    column = EnumText(Role)

    with pytest.raises(ValueError, match="primry"):
        column.process_result_value("primry", sqlite.dialect())
    with pytest.raises(ValueError, match="primry"):
        column.process_bind_param("primry", sqlite.dialect())  # type: ignore[arg-type]  # what a mistyped row would hold


@pytest.mark.parametrize("document", [{}, [], "", 0, {"b": [1.5, None, {"a": "ä"}], "a": True}])
def test_a_document_is_read_as_it_was_written(document: Any) -> None:
    column = JsonText()

    text = column.process_bind_param(document, sqlite.dialect())

    assert column.process_result_value(text, sqlite.dialect()) == document


@pytest.mark.parametrize("text", ["", "{", "{} {}", "none"])
def test_text_that_is_no_document_is_an_error(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        JsonText().process_result_value(text, sqlite.dialect())
