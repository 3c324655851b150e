"""What spotctl prints: one line for each problem, nothing that drives a terminal, and exit codes that are documented."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click import Group
from hypothesis import given
from hypothesis import strategies as st

from spotctl.cli import group
from spotctl.exits import ExitCode
from spotctl.problems import refusal_of
from spotctl.texts import age, clean, span, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda below: st.lists(below) | st.dictionaries(st.text(), below), max_leaves=8
)
MEMBERS = st.dictionaries(st.sampled_from(["title", "detail", "errors", "refused", "field", "status", "type"]), JSON)


@given(st.integers(min_value=400, max_value=599), MEMBERS)
def test_whatever_a_server_answers_becomes_a_text_and_a_known_code(status: int, problem: dict[str, Any]) -> None:
    refused = refusal_of(status, problem)

    assert str(refused).strip()
    assert refused.exit_code in ExitCode
    assert refused.exit_code is not ExitCode.DONE


def test_places_that_were_refused_are_named_up_to_a_few() -> None:
    refused = [
        {"mode": "spot", "instance_type": "m5.large", "az_id": f"use1-az{number}", "reason": "no price was reported"} for number in range(7)
    ]

    text = str(refusal_of(409, {"title": "This move cannot be made.", "detail": "no place fits this request", "refused": refused}))

    assert text.startswith("This move cannot be made: no place fits this request (spot/m5.large/use1-az0: no price was reported; ")
    assert text.endswith("; and 2 more)")


def test_every_wrong_field_is_named_with_its_value_and_what_would_be_right() -> None:
    errors = [
        {"field": "target.mode", "value": "sport", "reason": "expected one of spot, on_demand"},
        {"field": "dry_run", "value": 1, "reason": "expected true or false"},
    ]

    refused = refusal_of(422, {"title": "A field has a value that cannot be used.", "detail": "...", "errors": errors})

    expected = (
        "target.mode: 'sport' cannot be used; expected one of spot, on_demand; dry_run: 1 cannot be used; expected true or false",
        ExitCode.USAGE,
    )
    assert (str(refused), refused.exit_code) == expected


@pytest.mark.parametrize(("status", "code"), [(401, 3), (403, 3), (404, 4), (409, 1), (410, 1), (422, 2), (500, 5), (503, 5)])
def test_every_kind_of_refusal_has_its_exit_code(status: int, code: int) -> None:
    assert refusal_of(status, {"title": "No."}).exit_code == code


@given(st.text())
def test_nothing_that_a_server_says_can_drive_a_terminal(text: str) -> None:
    assert clean(text).isprintable()


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5))
def test_a_table_has_one_line_for_each_row_and_its_columns_below_each_other(rows: list[list[str]]) -> None:
    header, *lines = table(["A", "B"], rows)

    assert len(lines) == len(rows)
    assert all(line[header.index("B") - 2 : header.index("B")].strip() == "" for line in lines)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-3, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, expected: str) -> None:
    assert span(seconds) == expected


def test_what_never_was_is_not_told_as_an_age() -> None:
    assert age(None, NOW) == "never"
    assert age((NOW - timedelta(minutes=9)).isoformat(), NOW) == "9 min ago"


def test_every_exit_code_and_every_command_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "spotctl.md").read_text(encoding="utf-8")
    assert isinstance(group, Group)

    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}

    assert documented == {int(code) for code in ExitCode}
    assert [name for name in group.commands if f"`spotctl {name}" not in text] == []
