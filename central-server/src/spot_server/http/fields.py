"""How values travel: moments as RFC 3339 UTC, money as decimal strings, bounded text and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

from spot_server.moments import FIRST_YEAR, LAST_YEAR, is_believable

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DECIMAL = re.compile(r"-?\d{1,9}(\.\d{1,10})?", re.ASCII)
_RATIO = re.compile(r"0|0\.\d{1,6}|1|1\.0{1,6}", re.ASCII)

LARGEST_INTEGER = 2**31 - 1
"""What an INT column holds on every database."""

METADATA_TEXT_LENGTH = 128


class UtcMoment(fields.Field[datetime]):
    """An aware moment as RFC 3339 text; always written in UTC with a `Z`."""

    default_error_messages = {
        "invalid": "expected a time such as 2026-01-01T00:00:00Z",
        "year": f"expected a time in the years {FIRST_YEAR} to {LAST_YEAR}",
    }

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **_kwargs: Any) -> str | None:  # noqa: ANN401
        return None if value is None else moment_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any) -> datetime:  # noqa: ANN401
        if not isinstance(value, str) or _RFC3339.fullmatch(value) is None:
            raise self.make_error("invalid")
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error
        if not is_believable(moment):
            raise self.make_error("year")
        return moment


class UsdAmount(fields.Field[Decimal]):
    """USD, or USD per hour, as a decimal string. Numbers are refused: JSON numbers pass through floats on the way."""

    default_error_messages = {"invalid": 'expected a decimal string of USD such as "0.0351"', "sign": "expected an amount of 0 or more"}

    def __init__(self, *, is_signed: bool = False, **kwargs: Any) -> None:  # noqa: ANN401
        """Allow amounts below zero only if `is_signed`."""
        super().__init__(**kwargs)
        self.is_signed = is_signed

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **_kwargs: Any) -> str | None:  # noqa: ANN401
        return None if value is None else usd_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any) -> Decimal:  # noqa: ANN401
        if not isinstance(value, str) or _DECIMAL.fullmatch(value) is None:
            raise self.make_error("invalid")
        amount = Decimal(value)
        if amount < 0 and not self.is_signed:
            raise self.make_error("sign")
        return amount


class RatioText(fields.Field[Decimal]):
    """A share from 0 to 1 as a decimal string with at most six decimals."""

    default_error_messages = {"invalid": 'expected a decimal string from "0" to "1" with at most six decimals, such as "0.28"'}

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **_kwargs: Any) -> str | None:  # noqa: ANN401
        return None if value is None else usd_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any) -> Decimal:  # noqa: ANN401
        if not isinstance(value, str) or _RATIO.fullmatch(value) is None:
            raise self.make_error("invalid")
        return Decimal(value)


class DateText(fields.Date):
    """A date such as 2026-01-05, and no other way to write one."""

    default_error_messages = {"invalid": "expected a date such as 2026-01-05"}

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Take the one format."""
        super().__init__(format="%Y-%m-%d", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:  # noqa: ANN401
        # The format alone would let 2026-1-5 pass.
        if not isinstance(value, str) or _DATE.fullmatch(value) is None:
            raise self.make_error("invalid")
        return super()._deserialize(value, attr, data, **kwargs)


def moment_text(value: datetime) -> str:
    """Write an aware moment as the wire has it: RFC 3339, UTC, with a `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def usd_text(value: Decimal) -> str:
    """Write an amount without exponent and without zeros that say nothing: 0.0351, 12, 0.00001."""
    plain = format(value, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


class StrictInteger(fields.Integer):
    """A whole number as a JSON number: no text, no true or false, no 1.0."""

    default_error_messages = {"invalid": "expected a whole number"}

    def __init__(self, *, least: int = 0, most: int = LARGEST_INTEGER, **kwargs: Any) -> None:  # noqa: ANN401
        """Bound the number; both bounds are allowed values."""
        bounds = validate.Range(min=least, max=most, error=f"expected a whole number from {least} to {most}")
        super().__init__(strict=True, validate=bounds, **kwargs)

    def _validated(self, value: Any) -> int:  # noqa: ANN401
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        return value


class StrictBoolean(fields.Boolean):
    """true or false; not "yes", not 1."""

    default_error_messages = {"invalid": "expected true or false"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **_kwargs: Any) -> bool:  # noqa: ANN401
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class BoundedText(fields.String):
    """Text of `least` to `most` characters, without control characters other than line breaks and tabs."""

    default_error_messages = {"invalid": "expected text"}

    def __init__(self, *, least: int = 0, most: int = METADATA_TEXT_LENGTH, **kwargs: Any) -> None:  # noqa: ANN401
        """Bound the length; `most` is that of the column behind it."""
        length = validate.Length(min=least, max=most, error=f"expected text of {least} to {most} characters")
        super().__init__(validate=[length, _printable], **kwargs)


def _printable(value: str) -> None:
    if any(character < " " and character not in "\t\r\n" for character in value):
        raise ValidationError("expected text without control characters")


class ChoiceText(fields.String):
    """One word of a closed set, read as its member."""

    default_error_messages = {"invalid": "expected text"}

    def __init__(self, members: Iterable[StrEnum], **kwargs: Any) -> None:  # noqa: ANN401 - marshmallow's own options
        """Draw from `members`: a StrEnum class, or some of its members."""
        allowed = tuple(members)
        super().__init__(
            validate=validate.OneOf([member.value for member in allowed], error=f"expected one of {', '.join(allowed)}"), **kwargs
        )
        self._members = {member.value: member for member in allowed}

    def deserialize(self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:  # noqa: ANN401
        """Check the word, then return the member."""
        word = super().deserialize(value, attr, data, **kwargs)
        return self._members.get(word, word) if isinstance(word, str) else word
