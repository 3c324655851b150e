"""Column types that mean the same on MySQL, MariaDB and SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, SmallInteger, String, Text
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

USD_SCALE_DIGITS = 8
"""Money is stored as whole 10^-8 USD: EC2 prices have at most ten decimals, spot prices at most six; the product rounds to eight."""

SPOT_USD_SCALE_DIGITS = 6
"""EC2 tells spot prices with six decimals at most, and none is near the 2,147 USD per hour at which four bytes of 10^-6 USD end."""

PRICE_BUCKET = timedelta(minutes=5)
"""The grain of the price tables. Design, section 8."""

E = TypeVar("E", bound=StrEnum)

_parse_json = json.JSONDecoder().decode
"""What `json.loads` does with text, without its look at the type and at the options of each call."""

_USD_SCALE = Decimal(10) ** USD_SCALE_DIGITS
_SPOT_USD_SCALE = Decimal(10) ** SPOT_USD_SCALE_DIGITS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _SqliteUtc(sqlite.DATETIME):
    """SQLAlchemy's own text, "2026-11-21 20:44:37.123456", written and read by the functions that Python has for it in C."""

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], str | None]:
        """Write microseconds always: texts of one length sort as the moments do."""
        return _text_of_moment

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], datetime | None]:
        """Read the zone with the rest: to give it back afterwards takes several times as long."""
        return _moment_of_text


def _text_of_moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat(" ", "microseconds")


def _moment_of_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


def _with_zone(value: datetime | None) -> datetime | None:
    return None if value is None else value.replace(tzinfo=UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment with microseconds. Naive values are refused: MySQL and SQLite would store them silently."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """DATETIME(6) on MySQL and MariaDB; text with microseconds on SQLite."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(_SqliteUtc())  # type: ignore[no-untyped-call]  # sqlite.DATETIME has no annotations

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC and drop the zone, which every column has by definition."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"naive datetime {value!r}: every moment must carry its zone"
            raise ValueError(message)
        return value.astimezone(UTC).replace(tzinfo=None)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Give the zone back where the driver knows none. In one call: half the columns that are read are moments, sets or documents."""
        return _with_zone if dialect.name in {"mysql", "mariadb"} else _moment_of_text


class Usd(TypeDecorator[Decimal]):
    """An amount in USD (or USD per hour) as a scaled integer; SQLite would turn a NUMERIC into a float."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Scale to whole 10^-8 USD, rounding half to even."""
        return None if value is None else int((value * _USD_SCALE).to_integral_value())

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Scale back, without an exponent and without trailing zeros beyond the sixth decimal."""
        return None if value is None else Decimal(value) / _USD_SCALE


class SpotUsd(TypeDecorator[Decimal]):
    """A spot price in USD per hour as whole 10^-6 USD in four bytes: the price tables have millions of rows."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Scale to whole 10^-6 USD. More decimals are refused: rounded here, two keys of a statement could become one."""
        if value is None:
            return None
        scaled = value * _SPOT_USD_SCALE
        if scaled != int(scaled):
            message = f"{value} USD per hour has more than {SPOT_USD_SCALE_DIGITS} decimals"
            raise ValueError(message)
        return int(scaled)

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Scale back."""
        return None if value is None else Decimal(value) / _SPOT_USD_SCALE


class PriceBucket(TypeDecorator[datetime]):
    """The start of five minutes, aligned to the epoch, as their number since then: four bytes that sort as the moments do."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Count the buckets. A moment inside one is refused: which side of it is meant is for the caller to say."""
        if value is None:
            return None
        number, rest = divmod(value - _EPOCH, PRICE_BUCKET)
        if rest:
            message = f"{value.isoformat()} is not the start of five minutes"
            raise ValueError(message)
        return number

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the moment at which the bucket begins."""
        return None if value is None else _EPOCH + value * PRICE_BUCKET


def _document_of_text(value: str | None) -> Any:  # noqa: ANN401 - any JSON value
    return None if value is None else _parse_json(value)


class JsonText(TypeDecorator[Any]):
    """A JSON document kept as text: the three databases share no JSON functions, so none are used."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Up to 16 MiB on MySQL, where TEXT ends at 64 KiB."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.MEDIUMTEXT())
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401 - any JSON value
        """Serialize with sorted keys, so that equal documents are equal text."""
        return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], Any]:
        """Parse the stored text."""
        return _document_of_text


class EnumText(TypeDecorator[E]):
    """A closed set as short text; an unknown word read from the database is an error, not a surprise later."""

    impl = String(32)
    cache_ok = True

    def __init__(self, enum_class: type[E]) -> None:
        """Remember the set that the column draws from."""
        super().__init__()
        self.enum_class = enum_class
        self._members = {member.value: member for member in enum_class}

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Store the member's value; plain text is checked against the set."""
        return None if value is None else self._member(value).value

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], E | None]:
        """Read the member back."""
        return self._read

    def _read(self, value: str | None) -> E | None:
        return None if value is None else self._members.get(value) or self.enum_class(value)

    def _member(self, value: str) -> E:
        # A look in a dictionary takes a fifth of the time of a call of the class, which is for its error.
        return self._members.get(value) or self.enum_class(value)


class EnumCode(TypeDecorator[E]):
    """A closed set as a number in one byte, for tables with millions of rows: a member's place in its class, from 1.

    New members of such a class come last, and none is ever taken out.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, enum_class: type[E]) -> None:
        """Remember the set that the column draws from."""
        super().__init__()
        self.enum_class = enum_class
        self._member_of = dict(enumerate(enum_class, start=1))
        self._code_of = {member: code for code, member in self._member_of.items()}

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TINYINT on MySQL and MariaDB; SQLite's integers are as long as their value."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.TINYINT())
        return dialect.type_descriptor(SmallInteger())

    def process_bind_param(self, value: E | None, dialect: Dialect) -> int | None:
        """Store the member's place; plain text is checked against the set."""
        return None if value is None else self._code_of[self.enum_class(value)]

    def process_result_value(self, value: int | None, dialect: Dialect) -> E | None:
        """Read the member back; KeyError for a number that no member has."""
        return None if value is None else self._member_of[value]


class TinyCount(TypeDecorator[int]):
    """A small count in one byte: what is more than it holds is stored as the most that it holds, 127."""

    impl = SmallInteger
    cache_ok = True
    MOST = 127

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """TINYINT on MySQL and MariaDB."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.TINYINT())
        return dialect.type_descriptor(SmallInteger())

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        """Cut off at MOST."""
        return None if value is None else min(value, self.MOST)
