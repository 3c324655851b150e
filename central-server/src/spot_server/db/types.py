"""Column types that mean the same on MySQL, MariaDB and SQLite."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import BigInteger, DateTime, Dialect, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine

USD_SCALE_DIGITS = 8
"""Money is stored as whole 10^-8 USD: EC2 prices have at most ten decimals, spot prices at most six; the product rounds to eight."""

E = TypeVar("E", bound=StrEnum)

_USD_SCALE = Decimal(10) ** USD_SCALE_DIGITS


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC moment with microseconds. Naive values are refused: MySQL and SQLite would store them silently."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """DATETIME(6) on MySQL and MariaDB; SQLite keeps microseconds on its own."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC and drop the zone, which every column has by definition."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"naive datetime {value!r}: every moment must carry its zone"
            raise ValueError(message)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


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

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401 - any JSON value
        """Parse the stored text."""
        return None if value is None else json.loads(value)


class EnumText(TypeDecorator[E]):
    """A closed set as short text; an unknown word read from the database is an error, not a surprise later."""

    impl = String(32)
    cache_ok = True

    def __init__(self, enum_class: type[E]) -> None:
        """Remember the set that the column draws from."""
        super().__init__()
        self.enum_class = enum_class

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        """Store the member's value; plain text is checked against the set."""
        return None if value is None else self.enum_class(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> E | None:
        """Read the member back."""
        return None if value is None else self.enum_class(value)
