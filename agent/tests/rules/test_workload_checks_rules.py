"""What keeps the workload where it belongs, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.model import Role
from spot_agent.ports import HookResult
from spot_agent.rules.checks import Verdict
from spot_agent.rules.workload_checks import (
    Permission,
    Unit,
    guards_of,
    judge_missing_hooks,
    judge_permission,
    judge_program,
    judge_serving,
    judge_standby,
    judge_unit,
)

GUARD = "/run/spot-optimizer/serve"
DAEMON = "spot-agent.service"
GUARDED = Unit("web.service", f"[Unit]\nConditionPathExists={GUARD}\n", after=("network.target", DAEMON))
COMMAND = ("check", "it")


@given(st.sampled_from([None, *Role]), st.booleans(), st.booleans(), st.booleans())
def test_journal_and_guard_must_say_the_same_while_a_daemon_runs(role: Role | None, may: bool, granted: bool, running: bool) -> None:
    line = judge_permission(Permission(role, may_serve=may, is_granted=granted, guard_path=GUARD), running=running)

    if may is granted:
        assert line.verdict is Verdict.OK
    else:
        assert line.verdict is (Verdict.FAIL if running else Verdict.SKIP)


@pytest.mark.parametrize(
    ("unit", "verdict", "word"),
    [
        (GUARDED, Verdict.OK, "starts only while"),
        (replace(GUARDED, text="[Unit]\n"), Verdict.FAIL, "does not wait"),
        (replace(GUARDED, text="[Unit]\nConditionPathExists=/run/other\n"), Verdict.FAIL, "does not wait"),
        (replace(GUARDED, after=()), Verdict.WARN, "not ordered after"),
        (replace(GUARDED, triggered_by=("web.socket",)), Verdict.WARN, "web.socket also starts it"),
        (Unit("web.service", problem="not loaded"), Verdict.SKIP, "not loaded"),
        (None, Verdict.WARN, "not set"),
    ],
)
def test_a_workload_unit_must_wait_for_the_guard(unit: Unit | None, verdict: Verdict, word: str) -> None:
    line = judge_unit(unit, GUARD, DAEMON)

    assert line.verdict is verdict
    assert word in line.found


def test_an_empty_condition_takes_back_those_before_it_as_systemd_does() -> None:
    text = f"# a comment\nConditionPathExists={GUARD}\nConditionPathExists=\nConditionPathExists = /run/b\n"

    assert guards_of(text) == ("/run/b",)


@given(st.text())
def test_no_unit_text_is_too_odd_to_be_read(text: str) -> None:
    assert all(path == path.strip() != "" for path in guards_of(text))


def test_a_hook_whose_program_is_missing_fails_and_one_that_is_there_is_not_run() -> None:
    assert judge_program("STOP_COMMAND", ("no-such", "x"), None).verdict is Verdict.FAIL
    assert "not run" in judge_program("STOP_COMMAND", ("systemctl", "stop"), "/usr/bin/systemctl").found


@given(st.dictionaries(st.sampled_from(["START_COMMAND", "STOP_COMMAND", "SERVING_CHECK_COMMAND", "STANDBY_CHECK_COMMAND"]), st.booleans()))
def test_without_a_stop_and_without_a_check_no_silence_can_be_confirmed(given_hooks: dict[str, bool]) -> None:
    names = dict.fromkeys(("START_COMMAND", "STOP_COMMAND", "SERVING_CHECK_COMMAND", "STANDBY_CHECK_COMMAND"), False) | given_hooks

    lines = judge_missing_hooks(names)

    failed = [line.name for line in lines if line.verdict is Verdict.FAIL]
    assert failed == ([] if names["STOP_COMMAND"] or names["SERVING_CHECK_COMMAND"] else ["STOP_COMMAND"])
    assert not [line for line in lines if names[line.name]]


@pytest.mark.parametrize(
    ("result", "may_serve", "verdict", "word"),
    [
        (HookResult(0, ""), True, Verdict.OK, "serving, as it should be"),
        (HookResult(1, ""), False, Verdict.OK, "not serving, as it should be"),
        (HookResult(1, "a\nrefused"), True, Verdict.FAIL, "not serving (exit 1) (refused)"),
        (HookResult(0, ""), False, Verdict.FAIL, "serving, though this instance may not"),
        (HookResult(None, ""), True, Verdict.FAIL, "no answer in time"),
    ],
)
def test_what_the_serving_check_says_must_fit_the_journal(result: HookResult, may_serve: bool, verdict: Verdict, word: str) -> None:
    line = judge_serving(COMMAND, result, role=Role.PRIMARY, may_serve=may_serve)

    assert line.verdict is verdict
    assert word in line.found


@given(st.sampled_from([HookResult(0, ""), HookResult(1, "")]))
def test_before_the_registration_nobody_is_told_to_stop_a_workload_that_serves(result: HookResult) -> None:
    line = judge_serving(COMMAND, result, role=None, may_serve=False)

    assert line.verdict is Verdict.OK
    assert line.advice == ""


@pytest.mark.parametrize(
    ("result", "before", "after", "verdict"),
    [
        (HookResult(0, ""), False, False, Verdict.OK),
        (HookResult(0, ""), None, None, Verdict.OK),
        (HookResult(0, ""), False, True, Verdict.FAIL),
        (HookResult(7, "no disk"), False, False, Verdict.FAIL),
        (HookResult(None, ""), False, False, Verdict.FAIL),
    ],
)
def test_a_standby_check_must_pass_and_leave_the_workload_alone(
    result: HookResult, before: bool | None, after: bool | None, verdict: Verdict
) -> None:
    assert judge_standby(COMMAND, result, served_before=before, serves_after=after).verdict is verdict
