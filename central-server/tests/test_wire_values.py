"""How values travel: moments, money, numbers, text, cursors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from spot_server.errors import FieldInvalid
from spot_server.http.fields import BoundedText, StrictBoolean, StrictInteger, UsdAmount, UtcMoment
from spot_server.paging import page_of, read_cursor, read_moment_cursor, write_cursor


class Everything(Schema):
    at = UtcMoment()
    usd = UsdAmount()
    balance = UsdAmount(is_signed=True)
    count = StrictInteger(least=1, most=10)
    flag = StrictBoolean()
    name = BoundedText(least=1, most=5)


def load(**values: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = Everything().load(values)
    return loaded


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants naive bounds
def test_a_moment_survives_the_way_to_the_wire_and_back(moment: datetime) -> None:
    assert load(**Everything().dump({"at": moment}))["at"] == moment


def test_a_moment_is_written_in_utc_with_a_z() -> None:
    berlin = datetime(2026, 1, 1, 13, 0, tzinfo=timezone(timedelta(hours=1)))

    assert Everything().dump({"at": berlin}) == {"at": "2026-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:00:00", "2026-01-01", "now", 1, None, "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+99:99", "0001-01-01T00:00:00+14:00"],
)
def test_a_moment_without_zone_or_sense_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        load(at=text)


@given(st.decimals(min_value=0, max_value=999_999_999, places=8))
def test_money_survives_the_way_to_the_wire_and_back(amount: Decimal) -> None:
    assert load(**Everything().dump({"usd": amount}))["usd"] == amount


@pytest.mark.parametrize("value", [0.1, 1, "1e5", "NaN", "Infinity", "", "1,5", " 1", "\u0661", "-1", "1234567890", True])
def test_money_that_is_no_decimal_string_of_zero_or_more_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(usd=value)


def test_money_may_be_below_zero_where_that_is_meant() -> None:
    assert load(balance="-0.5")["balance"] == Decimal("-0.5")


def test_money_is_written_without_exponent_and_idle_zeros() -> None:
    written = [Everything().dump({"usd": Decimal(text)})["usd"] for text in ("0.03510000", "1E+2", "0.00001", "12.0")]

    assert written == ["0.0351", "100", "0.00001", "12"]


@pytest.mark.parametrize("value", [0, 11, 1.0, "5", True, None, 2**80])
def test_a_number_is_a_json_integer_within_its_bounds(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(count=value)


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", None])
def test_a_boolean_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(flag=value)


@pytest.mark.parametrize("value", ["", "sixsix", "a\x00b", 5])
def test_text_is_bounded_and_printable(value: Any) -> None:
    with pytest.raises(ValidationError):
        load(name=value)


@given(st.lists(st.one_of(st.text(max_size=20), st.integers()), min_size=1, max_size=3))
def test_a_cursor_is_read_as_it_was_written(parts: list[str | int]) -> None:
    assert read_cursor(write_cursor(parts), *(type(part) for part in parts)) == parts


@given(st.text(max_size=40))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(FieldInvalid):
        read_cursor(text, str, int, str, int)


def test_a_cursor_with_a_moment_that_is_none_is_refused() -> None:
    for parts in (["yesterday", "id"], ["2026-01-01T00:00:00", "id"]):
        with pytest.raises(FieldInvalid):
            read_moment_cursor(write_cursor(parts))


@given(st.integers(0, 20), st.integers(1, 10))
def test_a_page_has_a_next_one_only_if_there_is_more(count: int, limit: int) -> None:
    page = page_of(list(range(count))[: limit + 1], limit=limit, position=lambda row: (row,))

    assert (len(page.items), page.next_cursor is not None) == (min(count, limit), count > limit)
