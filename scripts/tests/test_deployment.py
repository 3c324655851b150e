"""docker-compose.yml, the image and monitoring/ name things that exist: settings, commands, metrics, files."""

import re
from typing import Any

import yaml

from check_sizes import ROOT
from spot_server.metrics import Metrics
from spot_server.settings import PREFIX, Settings

OUR_OWN = {"SPOT_MYSQL_PASSWORD", "SPOT_PUBLISHED_ADDRESS", "SPOT_PUBLISHED_PORT", "SPOT_PROMETHEUS_PORT"}
"""Variables of docker-compose.yml itself, which no process of the server reads."""


def composed() -> dict[str, Any]:
    """Return the services of docker-compose.yml."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def alert_expressions() -> str:
    """Return what the alert rules ask, all of it."""
    groups = yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())["groups"]
    return "\n".join(rule["expr"] for group in groups for rule in group["rules"])


def test_every_setting_that_a_service_is_given_is_one_of_the_server() -> None:
    known = {PREFIX + name.upper() for name in Settings.__dataclass_fields__}
    given = {name for service in composed().values() for name in service.get("environment", {}) if name.startswith(PREFIX)}

    assert given <= known
    assert "SPOT_DATABASE_URL" in given


def test_the_settings_of_the_services_are_accepted() -> None:
    for name in ("migrate", "web", "jobs"):
        environment = {key: re.sub(r"\$\{[^}]*\}", "word", value) for key, value in composed()[name]["environment"].items()}

        assert Settings.from_environment(environment).bind_address == "0.0.0.0"  # noqa: S104 - within the container's own network


def test_prometheus_reads_the_services_at_the_ports_where_they_answer() -> None:
    jobs = yaml.safe_load((ROOT / "monitoring/prometheus.yml").read_text())["scrape_configs"]
    targets = {target for job in jobs for config in job["static_configs"] for target in config["targets"]}
    services = composed()

    assert targets == {f"web:{Settings().bind_port}", f"jobs:{services['jobs']['environment']['SPOT_JOBS_METRICS_PORT']}"}


def test_every_metric_that_an_alert_asks_for_is_one_of_the_server() -> None:
    declared = {metric.name for metric in Metrics().registry.collect()}
    asked = {re.sub(r"_(total|bucket)$", "", name) for name in re.findall(r"\bspot_\w+", alert_expressions())}

    assert asked <= declared
    assert len(asked) > 5


def test_every_alert_is_in_the_table_for_operators() -> None:
    groups = yaml.safe_load((ROOT / "monitoring/alerts.yml").read_text())["groups"]
    told = set(re.findall(r"`(Spot\w+)`", (ROOT / "docs/operating.md").read_text()))

    assert told == {rule["alert"] for group in groups for rule in group["rules"]}


def test_every_job_that_an_alert_names_is_one_of_the_server() -> None:
    sources = (ROOT / "central-server/src/spot_server").rglob("jobs.py")
    made = {name for path in sources for name in re.findall(r'\bJob\("(\w+)"', path.read_text())}
    named = set(re.findall(r'exported_job="(\w+)"', alert_expressions()))

    assert named <= made
    assert named


def test_the_image_is_made_from_files_that_are_here() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = [line[1:] for line in lines if line.startswith("!")]

    assert [path for path in wanted if not (ROOT / path).exists()] == []
    assert {"requirements", "central-server/src", "database", "agent/src"} <= set(wanted)
