"""The way to the server, judged."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_fakes.virtual import START
from spot_agent.ports import Readiness
from spot_agent.rules.checks import Verdict
from spot_agent.rules.server_checks import (
    CLOCK_FAIL_SECONDS,
    CLOCK_WARN_SECONDS,
    Refused,
    Released,
    ServerAnswer,
    TokenTrial,
    Unheard,
    Unregistered,
    Welcome,
    judge_clock,
    judge_server,
    judge_token,
)


def answer(page: Readiness, took_seconds: float = 0.02) -> ServerAnswer:
    return ServerAnswer(page, START, START + timedelta(seconds=took_seconds))


@pytest.mark.parametrize(
    ("url", "page", "verdict", "word"),
    [
        ("https://s.test", Readiness(200, "ok", is_ours=True), Verdict.OK, "ready (20 ms)"),
        ("http://127.0.0.1:8080", Readiness(200, "ok", is_ours=True), Verdict.OK, "ready"),
        ("http://s.test", Readiness(200, "ok", is_ours=True), Verdict.WARN, "without TLS"),
        ("https://s.test", Readiness(503, "no database", is_ours=True), Verdict.FAIL, "not ready: no database"),
        ("https://s.test", Readiness(200, ""), Verdict.FAIL, "not as a central server does"),
        ("https://s.test", Readiness(None, "Connection refused"), Verdict.FAIL, "does not answer: Connection refused"),
    ],
)
def test_a_server_is_there_and_ready_or_the_line_says_what_is_wrong(url: str, page: Readiness, verdict: Verdict, word: str) -> None:
    line = judge_server(url, answer(page))

    assert line.verdict is verdict
    assert word in line.found
    assert url in line.found


@given(st.floats(-600, 600), st.floats(0, 9), st.floats(0, 1), st.floats(0, 0.999))
def test_a_clock_is_never_blamed_for_the_way_or_for_whole_seconds(off: float, took: float, share: float, cut: float) -> None:
    """`off`: how far this clock really is ahead; `share`: where on its way the server read its own, cut to a second by `cut`."""
    true_time = START + timedelta(seconds=took * share - off)
    line = judge_clock(answer(Readiness(200, "ok", is_ours=True, server_time=true_time - timedelta(seconds=cut)), took))

    if abs(off) < CLOCK_WARN_SECONDS:
        assert line.verdict is Verdict.OK
    if abs(off) > CLOCK_FAIL_SECONDS + took + 1:
        assert line.verdict is Verdict.FAIL
        assert ("ahead" in line.found) is (off > 0)


def test_a_server_that_tells_no_time_leaves_the_clock_alone() -> None:
    assert judge_clock(answer(Readiness(None, "refused"))).verdict is Verdict.SKIP


@pytest.mark.parametrize(
    ("trial", "verdict", "word"),
    [
        (Welcome("agent-1", "running_primary", 3), Verdict.OK, "running_primary of web-1 (agent-1), epoch 3"),
        (Refused(401, "token-invalid", "expired"), Verdict.FAIL, "401 token-invalid expired"),
        (Unheard("Connection refused"), Verdict.SKIP, "Connection refused"),
        (Released(), Verdict.FAIL, "released"),
        (Unregistered(has_enrolment_token=True, has_nonce=False), Verdict.FAIL, "an enrolment token"),
        (Unregistered(has_enrolment_token=False, has_nonce=True), Verdict.FAIL, "a launch nonce"),
        (Unregistered(has_enrolment_token=False, has_nonce=False), Verdict.FAIL, "neither"),
    ],
)
def test_only_a_token_that_the_server_took_is_a_good_one(trial: TokenTrial, verdict: Verdict, word: str) -> None:
    line = judge_token(trial, "web-1")

    assert line.verdict is verdict
    assert word in line.found
    assert (line.advice != "") is (verdict is Verdict.FAIL)
