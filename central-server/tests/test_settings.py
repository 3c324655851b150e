"""Settings: read once, checked together."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from spot_server.settings import Settings, SettingsError, WorkerKind, variable_name

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({"SPOT_BIND_PORT": ""})

    assert settings == Settings()


def test_every_problem_is_reported_at_once() -> None:
    environment = {"SPOT_BIND_PORT": "many", "SPOT_LOG_LEVEL": "loud", "SPOT_WEB_PROCESSES": "0"}

    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(environment)

    assert raised.value.problems == [
        "SPOT_BIND_PORT='many' cannot be used; expected a whole number from 1 to 65535",
        "SPOT_WEB_PROCESSES='0' cannot be used; expected a whole number from 1 to 64",
        "SPOT_LOG_LEVEL='loud' cannot be used; expected one of debug, info, warning, error",
    ]


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e400"])
def test_a_period_must_be_a_number_that_can_be_waited_for(number: str) -> None:
    with pytest.raises(SettingsError):
        Settings.from_environment({"SPOT_COORDINATOR_PERIOD_SECONDS": number})


@pytest.mark.parametrize("days", ["0", "-1", "3651", "for ever"])
def test_history_is_kept_for_a_day_at_least_and_not_for_ever(days: str) -> None:
    with pytest.raises(SettingsError, match=r"SPOT_AUDIT_RETENTION_DAYS=.* expected a whole number from 1 to 3650"):
        Settings.from_environment({"SPOT_AUDIT_RETENTION_DAYS": days})


@pytest.mark.parametrize("url", ["", "postgresql://x/y", "not a url", "sqlite"])
def test_only_the_databases_that_the_product_knows_are_accepted(url: str) -> None:
    settings = Settings(database_url=url)

    assert [problem.partition(" ")[0] for problem in settings.contradictions()] == ["SPOT_DATABASE_URL"]


@pytest.mark.parametrize("url", ["127.0.0.1:8400", "ftp://region", "region"])
def test_the_simulated_region_is_an_address_of_http(url: str) -> None:
    with pytest.raises(SettingsError, match="SPOT_SIMULATED_REGION_URL cannot be used; expected an address such as"):
        Settings.from_environment({"SPOT_SIMULATED_REGION_URL": url})


def test_a_lease_must_be_renewed_well_before_it_runs_out() -> None:
    with pytest.raises(SettingsError, match="SPOT_LEASE_RENEW_PERIOD_SECONDS"):
        Settings.from_environment({"SPOT_LEASE_SECONDS": "4"})


def test_words_of_a_closed_set_may_be_written_in_capitals() -> None:
    settings = Settings.from_environment({"SPOT_WEB_WORKER_KIND": "GTHREAD"})

    assert settings.web_worker_kind is WorkerKind.GTHREAD


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda setting: setting.name)
def test_every_setting_is_in_the_example_file_with_its_default_and_its_meaning(setting: object) -> None:
    name, default, meaning = variable_name(setting), setting.default, setting.metadata["meaning"]  # type: ignore[arg-type, attr-defined]
    text = EXAMPLE.read_text(encoding="utf-8")

    assert f"# {meaning}\n# {name}={default}\n" in text
