"""Reading the JSON bodies of the control API: every refusal names the field, the value and what is right."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar, cast

from spot_simulator.problems import Problem

EnumT = TypeVar("EnumT", bound=StrEnum)
_MISSING = object()


class Fields:
    """A JSON object; each method takes one field, ``finish`` refuses what is left."""

    def __init__(self, body: object) -> None:
        """Raise ``Problem`` unless the body is an object."""
        if not isinstance(body, dict):
            raise Problem(400, "The body must be a JSON object.", value=body, expected="an object")
        self._body: dict[str, object] = dict(body)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._take(name, default)
        if not isinstance(value, str) or not value:
            raise _wrong(name, value, "text that is not empty")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, or None if it is missing or null."""
        value = self._body.pop(name, None)
        if value is not None and not isinstance(value, str):
            raise _wrong(name, value, "text or null")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number of at least 0."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise _wrong(name, value, "a number of at least 0")
        return float(value)

    def count(self, name: str, default: int | None = None, *, least: int = 1) -> int:
        """Return a whole number of at least ``least``."""
        value = self._take(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise _wrong(name, value, f"a whole number of at least {least}")
        return value

    def flag(self, name: str, *, default: bool | None = None) -> bool:
        """Return true or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false")
        return value

    def choice(self, name: str, choices: type[EnumT], default: EnumT | None = None) -> EnumT:
        """Return one of a closed set of texts."""
        value = self._take(name, default)
        try:
            return choices(cast("str", value))
        except ValueError as error:
            raise _wrong(name, value, f"one of {', '.join(choices)}") from error

    def texts(self, name: str, default: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an object whose values are texts."""
        value = self._take(name, default)
        if not isinstance(value, Mapping) or not all(isinstance(part, str) for part in value.values()):
            raise _wrong(name, value, "an object of texts")
        return dict(value)

    def raw(self, name: str) -> object:
        """Return a field as it is, None if it is missing."""
        return self._body.pop(name, None)

    def finish(self) -> None:
        """Refuse fields that nobody took."""
        if self._body:
            name = next(iter(self._body))
            raise Problem(400, f"There is no field {name} here.", field=name, value=self._body[name], expected="no such field")

    def _take(self, name: str, default: object) -> object:
        value = self._body.pop(name, _MISSING)
        if value is _MISSING:
            if default is None:
                raise Problem(400, f"The field {name} is missing.", field=name, expected=f"a field {name}")
            return default
        return value


def _wrong(name: str, value: object, expected: str) -> Problem:
    return Problem(400, f"The field {name} must be {expected}.", field=name, value=value, expected=expected)
