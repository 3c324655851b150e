"""The lines of `spot-agent check`, and when they make a person act."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.check_report import as_json, human_line, human_summary
from spot_agent.rules.checks import Line, Verdict, counted, fail, is_fit, ok, skip, warn

LINES = st.lists(st.builds(Line, st.text(max_size=20), st.sampled_from(Verdict), st.text(max_size=40), st.text(max_size=200)))


@given(LINES)
def test_one_failure_is_enough_and_nothing_else_counts(lines: list[Line]) -> None:
    assert is_fit(lines) is not any(line.verdict is Verdict.FAIL for line in lines)
    assert sum(counted(lines).values()) == len(lines)


@given(LINES)
def test_a_program_reads_what_a_person_reads(lines: list[Line]) -> None:
    told = json.loads(as_json(lines))

    assert told["is_fit"] is is_fit(lines)
    assert [(line["name"], line["found"], line["advice"]) for line in told["lines"]] == [(one.name, one.found, one.advice) for one in lines]


def test_advice_stands_below_its_line_under_what_was_found() -> None:
    first, second = human_line(fail("server", "https://x does not answer", "Is the URL right?")).splitlines()

    assert first.startswith("FAIL  server ")
    assert first.index("https://") == second.index("Is the URL")


def test_the_summary_counts_every_verdict() -> None:
    lines = [ok("a", ""), ok("b", ""), warn("c", "", "x"), skip("d", "")]

    assert human_summary(lines) == "everything that is needed works: 2 ok, 1 to look at, 0 failed, 1 skipped"
    assert human_summary([*lines, fail("e", "", "x")]).startswith("not everything that is needed works")
