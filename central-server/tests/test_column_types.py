"""What is written to a column is read from it again, on every database; what it cannot hold is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import leases, pricing_canonical, spot_pools
from spot_server.db.types import EnumCode, EnumText, JsonText, TinyCount, UtcDateTime
from spot_server.words import PriceSource, Role

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

    assert [column.result_processor(sqlite.dialect(), None)(member.value) for member in Role] == list(Role)
    assert column.result_processor(sqlite.dialect(), None)(None) is None


def test_a_closed_set_takes_members_and_their_text() -> None:
    column = EnumText(Role)

    written = [column.process_bind_param(value, sqlite.dialect()) for value in (Role.PRIMARY, "PRIMARY", None)]  # type: ignore[arg-type]

    assert written == ["PRIMARY", "PRIMARY", None]


def test_a_word_outside_a_closed_set_is_an_error_both_ways() -> None:
    column = EnumText(Role)

    with pytest.raises(ValueError, match="primry"):
        column.result_processor(sqlite.dialect(), None)("primry")
    with pytest.raises(ValueError, match="primry"):
        column.process_bind_param("primry", sqlite.dialect())  # type: ignore[arg-type]  # what a mistyped row would hold


@pytest.mark.parametrize("document", [{}, [], "", 0, {"b": [1.5, None, {"a": "ä"}], "a": True}])
def test_a_document_is_read_as_it_was_written(document: Any) -> None:
    column = JsonText()

    text = column.process_bind_param(document, sqlite.dialect())

    assert column.result_processor(sqlite.dialect(), None)(text) == document


@pytest.mark.parametrize("text", ["", "{", "{} {}", "none"])
def test_text_that_is_no_document_is_an_error(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        JsonText().result_processor(sqlite.dialect(), None)(text)


def _store_price(tx: Transaction, bucket_at: datetime, usd_per_hour: Decimal, count: int = 1) -> None:
    pool = {"region": "us-east-1", "az_id": "use1-az1", "instance_type": "m5.large", "product": "Linux/UNIX", "first_seen_at": NEW_YEAR}
    tx.execute(insert(spot_pools).values(pool))
    pool_id = tx.execute(select(spot_pools.c.pool_id)).scalar_one()
    row = {"pool_id": pool_id, "bucket_at": bucket_at, "usd_per_hour": usd_per_hour, "source": PriceSource.SERVER}
    tx.execute(insert(pricing_canonical).values(**row, is_interpolated=False, distinct_price_count=count))


def test_a_price_row_is_read_as_it_was_written(database: Database) -> None:
    database.write(lambda tx: _store_price(tx, NEW_YEAR, Decimal("0.035101"), count=1000))

    row = database.read(lambda tx: tx.execute(select(pricing_canonical)).one())

    assert (row.bucket_at, row.usd_per_hour, row.source) == (NEW_YEAR, Decimal("0.035101"), PriceSource.SERVER)
    assert row.distinct_price_count == TinyCount.MOST


@pytest.mark.parametrize(
    ("bucket_at", "usd_per_hour"), [(NEW_YEAR + timedelta(seconds=1), Decimal("0.03")), (NEW_YEAR, Decimal("0.0351234"))]
)
def test_a_moment_within_a_bucket_and_a_part_of_a_millionth_are_refused(
    database: Database, bucket_at: datetime, usd_per_hour: Decimal
) -> None:
    with pytest.raises(StatementError):
        database.write(lambda tx: _store_price(tx, bucket_at, usd_per_hour))


def test_a_closed_set_as_numbers_is_read_as_its_members() -> None:
    column = EnumCode(PriceSource)

    codes = [column.process_bind_param(member, sqlite.dialect()) for member in PriceSource]

    assert codes == [1, 2, 3]
    assert [column.process_result_value(code, sqlite.dialect()) for code in codes] == list(PriceSource)
    with pytest.raises(KeyError):
        column.process_result_value(0, sqlite.dialect())
