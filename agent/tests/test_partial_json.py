"""Reading a JSON text in part gives what reading all of it gives."""

from __future__ import annotations

import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.partial_json import Unread, opened, whole

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.integers(0, 5), st.sampled_from([None, 1]))
def test_what_was_opened_is_whole_again(value: object, levels: int, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)

    assert whole(opened(f" {text}\n", levels)) == value


def test_below_its_levels_nothing_is_read() -> None:
    text = '{"shapes": {"A": {"type": "string"}, "B": [1, 2]}, "list": [{"x": 1}]}'

    found = opened(text, 2)

    assert found["shapes"] == {"A": Unread(text, text.index('{"type"')), "B": Unread(text, text.index("[1"))}
    assert found["list"] == [Unread(text, text.index('{"x"'))]
    assert whole(found["shapes"]["B"]) == [1, 2]


def test_names_with_one_checksum_are_told_apart() -> None:
    text = '{"plumless": 1, "buckeroo": 2, "plum\\u006cess": 3}'

    found = opened(text, 1)

    assert zlib.crc32(b"plumless") == zlib.crc32(b"buckeroo")
    assert whole(found) == {"plumless": 3, "buckeroo": 2}
    assert (len(found), "buckeroo" in found, "plum" in found) == (2, True, False)


@given(VALUES, st.integers(0, 5), st.data())
def test_a_text_that_breaks_off_or_goes_on_is_refused(value: object, levels: int, data: st.DataObject) -> None:
    text = json.dumps([value])
    cut = data.draw(st.integers(0, len(text) - 1))

    with pytest.raises(ValueError, match="char"):
        opened(text[:cut], levels)
    with pytest.raises(ValueError, match="more than one"):
        opened(f"{text} []", levels)


@pytest.mark.parametrize("levels", [0, 1, 2])
@pytest.mark.parametrize("text", ['{"a" 1}', "{1: 2}", '{"a": 1 "b": 2}', '{"a": 1,}', "[1,]", "[1 2]", "[,]", '{"a"}', "", "nothing"])
def test_what_is_no_json_is_refused(text: str, levels: int) -> None:
    with pytest.raises(ValueError, match="char"):
        opened(text, levels)
