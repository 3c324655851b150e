"""A day's account against the region's bill: every amount that is wrong is found, and the seconds that both see differently are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import recompute_day


def at(seconds: int) -> str:
    return f"2026-11-22T20:{seconds // 60:02}:{seconds % 60:02}Z"


def line(name: str, purpose: str, since: int, until: int, usd: str | None, **more: str) -> dict[str, Any]:
    priced = {} if usd is None else {"usd": usd}
    return {"what": name, "purpose": purpose, "since": at(since), "until": at(until), **priced, **more}


def span(since: int, until: int, usd_per_hour: str) -> dict[str, str]:
    return {"from": at(since), "to": at(until), "usd_per_hour": usd_per_hour}


BILL = {
    "instances": [
        {"instance_id": "i-1", "spans": [span(0, 120, "0.036"), span(120, 310, "0.072")]},
        {"instance_id": "i-2", "spans": [span(280, 600, "0.036")]},
        {"instance_id": "i-other", "spans": [span(0, 600, "9")]},
    ]
}
STATE = {
    "instances": [
        {"instance_id": "i-1", "tags": {"spot-optimizer:logical-agent-id": "web"}},
        {"instance_id": "i-2", "tags": {"spot-optimizer:logical-agent-id": "web"}},
        {"instance_id": "i-other", "tags": {"spot-optimizer:logical-agent-id": "shop"}},
    ]
}
LINES = [
    line("i-1", "primary", 5, 120, "0.00115"),
    line("i-1", "primary", 120, 300, "0.0036"),
    line("i-1", "overlap", 300, 312, "0.00024"),
    line("i-2", "replica", 282, 300, "0.00018"),
    line("i-2", "primary", 300, 600, "0.003"),
    line("i-1", "comparison", 5, 600, "1"),
]
DAY = {"logical_agent_id": "web", "day": "2026-11-22", "since": at(0), "until": at(600), "lines": LINES}


def with_lines(lines: list[dict[str, Any]]) -> dict[str, Any]:
    return {**DAY, "lines": lines}


def test_an_account_at_the_regions_prices_adds_up() -> None:
    assert recompute_day.differences(BILL, STATE, DAY) == []


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("usd", ["0", None])
def test_a_line_that_is_zeroed_or_has_no_price_is_found_however_small_the_day_is(index: int, usd: str | None) -> None:
    """The whole day costs less than a cent."""
    told = LINES[index]
    doctored = {name: value for name, value in {**told, "usd": usd}.items() if value is not None}

    (found,) = recompute_day.differences(BILL, STATE, with_lines([*LINES[:index], doctored, *LINES[index + 1 :]]))

    assert found.startswith(f"{told['what']}: from ")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([one for one in LINES if one["what"] != "i-2"], ["i-2: billed 0.003200 USD, not in the account"]),
        ([*LINES, line("i-9", "overlap", 0, 60, "0.0006")], ["i-9: the region billed nothing, account 0.000600 USD"]),
        ([LINES[0], *LINES[2:]], ["i-1: the account has 180.000 s between "]),
        ([*LINES, line("i-2", "primary", 500, 600, "0.001")], ["i-2: the account has -100.000 s between "]),
        ([*LINES[:2], line("i-1", "overlap", 300, 500, "0.004"), *LINES[3:]], ["i-1: ends at 2026-11-22T20:05:10+00:00 on the bill"]),
        ([*LINES[:3], *LINES[4:], line("i-2", "replica", 100, 300, "0.002")], ["i-2: begins at 2026-11-22T20:04:40+00:00 on the bill"]),
    ],
)
def test_what_is_left_out_or_paid_twice_is_named(lines: list[dict[str, Any]], words: list[str]) -> None:
    found = recompute_day.differences(BILL, STATE, with_lines(lines))

    assert [text.startswith(word) for text, word in zip(found, words, strict=True)] == [True] * len(words)


def test_how_far_the_edges_may_lie_apart_is_asked_for() -> None:
    assert recompute_day.differences(BILL, STATE, DAY, 5.0) == []
    told = [text.split(" at ")[0] for text in recompute_day.differences(BILL, STATE, DAY, 1.5)]

    assert told == [
        "i-1: begins",
        "i-1: ends",
        "i-2: begins",
    ]


def test_an_instance_that_ended_with_the_day_before_by_our_books_may_have_seconds_on_the_bill() -> None:
    late = {"instances": [*BILL["instances"], {"instance_id": "i-3", "spans": [span(0, 4, "0.036")]}]}
    state = {"instances": [*STATE["instances"], {"instance_id": "i-3", "tags": {"spot-optimizer:logical-agent-id": "web"}}]}

    assert recompute_day.differences(late, state, DAY) == []
    assert recompute_day.differences(late, state, DAY, 3.0)[-1] == "i-3: billed 0.000040 USD, not in the account"


@pytest.mark.parametrize(("day", "code"), [(DAY, 0), (with_lines([]), 1)])
def test_both_sums_are_printed_whatever_comes_of_it(
    day: dict[str, Any], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = {"--bill": BILL, "--state": STATE, "--day": day}
    arguments: list[str] = []
    for name, document in paths.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document))
        arguments += [name, str(path)]

    assert recompute_day.main(arguments) == code
    told = {0: "0.00817000", 1: "0.00000000"}[code]
    assert capsys.readouterr().out.splitlines()[-1] == f"web on 2026-11-22: bill 0.00820000 USD, account {told} USD for instances"
