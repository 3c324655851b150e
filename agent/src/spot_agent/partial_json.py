"""Reading a large JSON text in part: what is not asked for never becomes objects, so it leaves no holes in memory behind."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Unread:
    """A value of the text, from its first character on."""

    text: str
    start: int


def opened(text: str, levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """The value of `text` with Unread for all that lies below its first `levels` levels of objects and lists (0: all of it).

    ValueError when `text` is not JSON; it is read to its end, whatever the levels.
    """
    value, end = _Reader(text).value(_after_blanks(text, 0), levels)
    if _after_blanks(text, end) != len(text):
        raise ValueError(f"more than one JSON value: character {end}")
    return value


def whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value` with every Unread in it read. Each call makes objects of its own."""
    if isinstance(value, Unread):
        return json.JSONDecoder().raw_decode(value.text, value.start)[0]
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    return [whole(element) for element in value] if isinstance(value, list) else value


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found is not None  # noqa: S101 - it matches nothing, too
    return found.end()


class _Reader:
    """Each method takes the position of a value's first character and returns the value and where it ends."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._decoder = json.JSONDecoder()

    def value(self, at: int, levels: int) -> tuple[Any, int]:
        opening = self._text[at : at + 1]
        if levels > 0 and opening == "{":
            return self._object(at, levels)
        if levels > 0 and opening == "[":
            return self._list(at, levels)
        _, end = self._decoder.raw_decode(self._text, at)
        return Unread(self._text, at), end

    def _object(self, at: int, levels: int) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = _after_blanks(self._text, at + 1)
        while self._text[at : at + 1] != "}":
            if self._text[at : at + 1] != '"':
                raise ValueError(f"the name of a member expected: character {at}")
            name, at = self._decoder.raw_decode(self._text, at)
            at = self._past(":", at)
            members[name], at = self.value(at, levels - 1)
            at = self._past_comma(at, "}")
        return members, at + 1

    def _list(self, at: int, levels: int) -> tuple[list[Any], int]:
        elements: list[Any] = []
        at = _after_blanks(self._text, at + 1)
        while self._text[at : at + 1] != "]":
            element, at = self.value(at, levels - 1)
            elements.append(element)
            at = self._past_comma(at, "]")
        return elements, at + 1

    def _past(self, sign: str, at: int) -> int:
        at = _after_blanks(self._text, at)
        if self._text[at : at + 1] != sign:
            raise ValueError(f"{sign} expected: character {at}")
        return _after_blanks(self._text, at + 1)

    def _past_comma(self, at: int, closing: str) -> int:
        """To the next element after a comma, or to the closing bracket."""
        at = _after_blanks(self._text, at)
        if self._text[at : at + 1] == closing:
            return at
        at = self._past(",", at)
        if self._text[at : at + 1] == closing:
            raise ValueError(f"an element expected: character {at}")
        return at
