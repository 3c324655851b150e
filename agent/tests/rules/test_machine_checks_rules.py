"""The machine, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.model import Identity
from spot_agent.ports import Absent, Found, Reading, Unknown
from spot_agent.rules.checks import Verdict
from spot_agent.rules.machine_checks import (
    LEAST_FREE_BYTES,
    Folder,
    judge_daemon,
    judge_enrolment_token,
    judge_folder,
    judge_identity,
    judge_metadata_options,
    judge_notices,
    judge_secret_file,
)

IDENTITY = Identity("i-1", "m5.large", "us-east-1", "us-east-1a", "use1-az1", "ami-1", "x86_64", "1", "10.0.0.1")
FOLDER = Folder("/var/lib/spot-agent", exists=True, problem=None, free_bytes=LEAST_FREE_BYTES)


@pytest.mark.parametrize(
    ("reading", "word"),
    [
        (Unknown("token: status 403"), "is off for this instance"),
        (Unknown("ConnectTimeout"), "no answer (ConnectTimeout)"),
        (Absent(), "no instance identity document"),
        (Found("<html>"), "no instance identity document"),
    ],
)
def test_without_an_identity_the_line_says_which_of_the_reasons_it_is(reading: Reading, word: str) -> None:
    line = judge_identity(reading, None, "http://169.254.169.254")

    assert line.verdict is Verdict.FAIL
    assert word in line.found
    assert judge_identity(reading, IDENTITY, "x").verdict is Verdict.OK


@pytest.mark.parametrize(
    ("options", "verdict", "word"),
    [
        ({"HttpTokens": "required", "HttpPutResponseHopLimit": 1}, Verdict.OK, "this host only"),
        ({"HttpTokens": "required", "HttpPutResponseHopLimit": 2}, Verdict.OK, "containers"),
        ({"HttpTokens": "optional", "HttpPutResponseHopLimit": 1}, Verdict.WARN, "version 1 is still answered"),
        ({}, Verdict.SKIP, "did not tell"),
        (None, Verdict.SKIP, "did not tell"),
    ],
)
def test_metadata_of_version_1_is_remarked_upon(options: dict[str, object] | None, verdict: Verdict, word: str) -> None:
    line = judge_metadata_options(options)

    assert line.verdict is verdict
    assert word in line.found


@given(
    st.dictionaries(st.sampled_from(["instance-action", "rebalance"]), st.sampled_from([Absent(), Found("{}"), Unknown("503")]), min_size=1)
)
def test_an_unknown_notice_is_never_read_as_none(readings: dict[str, Reading]) -> None:
    line = judge_notices(readings)

    if any(isinstance(seen, Unknown) for seen in readings.values()):
        assert line.verdict is Verdict.FAIL
    elif any(isinstance(seen, Found) for seen in readings.values()):
        assert line.verdict is Verdict.WARN
    else:
        assert line.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("is_running", "problem", "verdict"),
    [(True, None, Verdict.OK), (True, "registration_refused: 401", Verdict.FAIL), (False, "the daemon is not running", Verdict.FAIL)],
)
def test_a_daemon_that_runs_without_a_problem_is_fine(is_running: bool, problem: str | None, verdict: Verdict) -> None:
    assert judge_daemon(running=is_running, problem=problem, heartbeat_age_seconds=3.0).verdict is verdict


@pytest.mark.parametrize(
    ("folder", "verdict"),
    [
        (FOLDER, Verdict.OK),
        (replace(FOLDER, free_bytes=LEAST_FREE_BYTES - 1), Verdict.WARN),
        (replace(FOLDER, problem="Read-only file system"), Verdict.FAIL),
        (replace(FOLDER, exists=False), Verdict.SKIP),
    ],
)
def test_a_folder_must_take_files(folder: Folder, verdict: Verdict) -> None:
    assert judge_folder("state directory", folder).verdict is verdict


@given(st.integers(0, 0o777))
def test_a_secret_file_is_its_owners_alone(mode: int) -> None:
    line = judge_secret_file("settings", "/etc/spot-agent/agent.env", mode)

    assert (line.verdict is Verdict.OK) is (mode & 0o077 == 0)


def test_an_enrolment_token_that_has_done_its_work_is_remarked_upon() -> None:
    left = judge_enrolment_token(is_registered=True, path="/etc/spot-agent/enrolment-token")

    assert left is not None
    assert left.verdict is Verdict.WARN
    assert judge_enrolment_token(is_registered=False, path="/etc/spot-agent/enrolment-token") is None
    assert judge_enrolment_token(is_registered=True, path=None) is None
