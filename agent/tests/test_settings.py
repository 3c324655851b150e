"""Settings: all problems at once, one line, no traceback."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.cli import main
from spot_agent.errors import SettingsInvalid
from spot_agent.settings import Settings, load_settings
from spot_agent.settings_reader import foreign_values, parse_env_file

LEAST = {"SPOT_SERVER_URL": "https://server.test/", "LOGICAL_AGENT_ID": "web-1"}
DOCS = Path(__file__).parents[2] / "docs"


def test_the_least_environment_gives_every_default() -> None:
    settings = load_settings(LEAST)

    assert (settings.server_url, settings.enrolment_token) == ("https://server.test", None)
    assert (settings.heartbeat_interval_seconds, settings.notice_poll_interval_seconds) == (30, 1)
    assert (settings.auto_terminate_enabled, settings.terminate_wait_seconds) == (True, 1800)


def test_the_environment_wins_over_the_env_file() -> None:
    settings = load_settings({**LEAST, "HEARTBEAT_INTERVAL": "5"}, "HEARTBEAT_INTERVAL=9\nCOMMAND_WAIT=20\n")

    assert (settings.heartbeat_interval_seconds, settings.command_wait_seconds) == (5, 20)


def test_every_problem_is_told_at_once() -> None:
    wrong = {
        "SPOT_SERVER_URL": "server",
        "HEARTBEAT_INTERVAL": "soon",
        "COMMAND_WAIT": "61",
        "CARRY": "pigeon",
        "AUTO_TERMINATE_OLD_INSTANCE": "perhaps",
        "START_COMMAND": 'run "unclosed',
        "STATE_DIRECTORY": "$NOWHERE/x",
        "TERMINATE_WAIT_SECONDS": "1.5",
    }

    with pytest.raises(SettingsInvalid) as caught:
        load_settings(wrong)

    told = "\n".join(caught.value.problems)
    for name in [*wrong, "LOGICAL_AGENT_ID"]:
        assert name in told


def test_variables_are_expanded_in_paths_and_hooks_word_by_word() -> None:
    settings = load_settings(
        {**LEAST, "INSTANCE_ROOT": "/in a/root", "STATE_DIRECTORY": "$INSTANCE_ROOT/state", "STOP_COMMAND": "stop ${INSTANCE_ROOT}/x 'a b'"}
    )

    assert settings.state_directory == Path("/in a/root/state")
    assert settings.hooks.stop == ("stop", "/in a/root/x", "a b")


def test_the_enrolment_token_may_be_in_a_file_and_is_in_no_text(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("so_enrol_abc\n")

    settings = load_settings({**LEAST, "ENROLMENT_TOKEN_FILE": str(tmp_path / "token")})

    assert settings.enrolment_token == "so_enrol_abc"
    assert "so_enrol_abc" not in repr(settings)


@given(st.text())
def test_no_env_file_makes_the_reader_raise(text: str) -> None:
    values, problems = parse_env_file(text)

    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in values)
    assert all(problem.startswith("env file line") for problem in problems)


@given(st.dictionaries(st.sampled_from(["HEARTBEAT_INTERVAL", "CLEANUP_INTERVAL", "METRICS_PORT", "CARRY", "IMDS_ENDPOINT"]), st.text()))
def test_any_value_is_either_usable_or_a_problem(values: dict[str, str]) -> None:
    try:
        settings = load_settings({**LEAST, **values})
    except SettingsInvalid:
        return
    assert 0.1 <= settings.heartbeat_interval_seconds <= 240


def test_bad_settings_end_the_command_with_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["run"], {"SPOT_SERVER_URL": "nonsense"})

    assert code == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert "LOGICAL_AGENT_ID is required" in shown


def test_an_env_file_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--env-file", "/nowhere/agent.env"], LEAST) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_workload_unit_stands_in_for_the_hooks_that_systemd_can_be_left() -> None:
    left = load_settings({**LEAST, "WORKLOAD_UNIT": "web.service"}).hooks
    own = load_settings({**LEAST, "WORKLOAD_UNIT": "web.service", "SERVING_CHECK_COMMAND": "curl --fail http://127.0.0.1"}).hooks

    assert left.start == ("systemctl", "start", "web.service")
    assert left.stop == ("systemctl", "stop", "web.service")
    assert left.serving_check == ("systemctl", "is-active", "--quiet", "web.service")
    assert left.standby_check == ()
    assert (own.start, own.serving_check[0]) == (left.start, "curl")


@pytest.mark.parametrize("name", ["web", "web.socket", "web service.service", "../web.service"])
def test_what_is_no_service_is_no_workload_unit(name: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({**LEAST, "WORKLOAD_UNIT": name})

    assert "WORKLOAD_UNIT must be a systemd service such as web.service" in str(caught.value)


def test_what_an_env_file_says_to_others_is_passed_on_without_the_secrets() -> None:
    text = "HTTPS_PROXY='http://proxy:3128'\nAWS_PROFILE=web\nENROLMENT_TOKEN=so_enrol_x\nENROLMENT_TOKEN_FILE=/etc/token\nbroken line\n"

    assert foreign_values(text) == {"HTTPS_PROXY": "http://proxy:3128", "AWS_PROFILE": "web"}
    assert foreign_values(None) == {}


def test_the_env_file_may_be_named_by_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "agent.env").write_text("LOGICAL_AGENT_ID=web-7\nSPOT_SERVER_URL=https://s.test\n")
    world = {"SPOT_AGENT_ENV_FILE": str(tmp_path / "agent.env"), "STATE_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}

    main(["status"], world)

    assert "web-7" in capsys.readouterr().out


def test_every_setting_is_documented() -> None:
    source = (Path(__file__).parents[1] / "src" / "spot_agent" / "settings.py").read_text()
    page = (DOCS / "daemon.md").read_text()

    names = set(re.findall(r'reader\.\w+\(\s*"([A-Z_]+)"', source)) | {"ENROLMENT_TOKEN_FILE"}
    assert len(names) > 25
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def test_every_number_says_its_unit() -> None:
    numbers = [field.name for field in fields(Settings) if field.type in ("int", "float")]

    assert not [name for name in numbers if not name.endswith(("_seconds", "_hours", "_days", "_port"))]
