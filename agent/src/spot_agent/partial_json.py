"""Reading a large JSON text in part: what is not asked for never becomes objects, so it leaves no holes in memory behind."""

from __future__ import annotations

import json
import re
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_BLANKS = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Unread:
    """A value of the text, from its first character on."""

    text: str
    start: int


_POSITION_BITS = 32


class UnreadMembers(Mapping[str, Unread]):
    """The members of an object whose values are unread: eight bytes for each, while a name and an Unread take 150."""

    def __init__(self, text: str, positions: array[int]) -> None:
        """`positions` are those of the names. Of two members with one name the last counts, as everywhere in Python."""
        self._text = text
        self._decoder = json.JSONDecoder()
        self._index = array("Q", sorted(_checksum(self._name_at(at)[0]) << _POSITION_BITS | at for at in positions))

    def __getitem__(self, name: str) -> Unread:
        """The member's value. KeyError when there is none."""
        found = bisect_left(self._index, (_checksum(name) + 1) << _POSITION_BITS)
        while found > 0 and self._index[found - 1] >> _POSITION_BITS == _checksum(name):
            found -= 1
            told, end = self._name_at(self._index[found] % (1 << _POSITION_BITS))
            if told == name:
                return Unread(self._text, _after_blanks(self._text, _after_blanks(self._text, end) + 1))
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names as the text has them, each once."""
        return iter(dict.fromkeys(self._name_at(at)[0] for at in sorted(entry % (1 << _POSITION_BITS) for entry in self._index)))

    def __len__(self) -> int:
        """How many names there are."""
        return sum(1 for _ in self)

    def _name_at(self, at: int) -> tuple[str, int]:
        name: tuple[str, int] = self._decoder.raw_decode(self._text, at)
        return name


def _checksum(name: str) -> int:
    return zlib.crc32(name.encode(errors="surrogatepass"))


def opened(text: str, levels: int) -> Any:  # noqa: ANN401 - any JSON value
    """The value of `text` with Unread for all that lies below its first `levels` levels of objects and lists (0: all of it).

    Objects of the last of these levels are UnreadMembers. ValueError when `text` is not JSON; it is read to its end, whatever the levels.
    """
    value, end = _Reader(text).value(_after_blanks(text, 0), levels)
    if _after_blanks(text, end) != len(text):
        raise ValueError(f"more than one JSON value: character {end}")
    return value


def whole(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """`value` with every Unread in it read. Each call makes objects of its own."""
    if isinstance(value, Unread):
        return json.JSONDecoder().raw_decode(value.text, value.start)[0]
    if isinstance(value, Mapping):
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

    def _object(self, at: int, levels: int) -> tuple[Mapping[str, Any], int]:
        members: dict[str, Any] = {}
        positions = array("Q")
        at = _after_blanks(self._text, at + 1)
        while self._text[at : at + 1] != "}":
            if self._text[at : at + 1] != '"':
                raise ValueError(f"the name of a member expected: character {at}")
            positions.append(at)
            name, at = self._decoder.raw_decode(self._text, at)
            value, at = self.value(self._past(":", at), levels - 1)
            if levels > 1:
                members[name] = value
            at = self._past_comma(at, "}")
        return members if levels > 1 else UnreadMembers(self._text, positions), at + 1

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
