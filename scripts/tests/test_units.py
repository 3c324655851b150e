"""The systemd units of an installation: what systemd itself says of them, and what they must say."""

import os
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from check_sizes import ROOT

INSTALLED = ROOT / "agent" / "src" / "spot_agent" / "installed"
IMPLICIT_TARGETS = ("sysinit", "basic", "shutdown", "network", "multi-user")
# Each of them gives the unit a file system, or a filter, of its own, which hooks would inherit.
HOOKS_WOULD_NOTICE = ("Protect", "Private", "ReadOnly", "Inaccessible", "SystemCall", "NoNewPrivileges", "Restrict", "MemoryDeny", "Device")


def parse(name: str) -> dict[str, dict[str, str]]:
    """Read a unit; a key that stands twice is an error here."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((INSTALLED / name).read_text())
    return {section: dict(parser.items(section)) for section in parser.sections()}


def test_a_restart_of_the_daemon_ends_nothing_but_the_daemon() -> None:
    service = parse("spot-agent.service")["Service"]

    assert service["KillMode"] == "process"
    assert service["OOMPolicy"] == "continue"
    assert service["RuntimeDirectoryPreserve"] == "yes"


def test_the_unit_uses_the_daemons_own_directories_and_settings() -> None:
    service = parse("spot-agent.service")["Service"]

    assert (service["RuntimeDirectory"], service["StateDirectory"]) == ("spot-optimizer", "spot-agent")
    assert (service["RuntimeDirectoryMode"], service["StateDirectoryMode"]) == ("0755", "0700")
    assert service["ExecStart"] == "/opt/spot-agent/current/bin/spot-agent run --env-file /etc/spot-agent/agent.env"


def test_a_daemon_that_fails_is_started_again_for_ever_unless_its_settings_are_bad() -> None:
    unit = parse("spot-agent.service")

    assert (unit["Service"]["Restart"], unit["Service"]["RestartPreventExitStatus"]) == ("on-failure", "2")
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_the_daemons_start_never_waits_for_the_workload_that_it_starts() -> None:
    assert parse("spot-agent.service")["Service"]["Type"] == "exec"


def test_no_hardening_reaches_into_hooks() -> None:
    service = parse("spot-agent.service")["Service"]

    assert [key for key in service if key.startswith(HOOKS_WOULD_NOTICE)] == []


def test_the_workload_waits_for_the_guard_and_outlives_the_daemon() -> None:
    unit = parse("start-guard.conf")["Unit"]

    assert unit == {
        "Wants": "spot-agent.service",
        "After": "spot-agent.service",
        "ConditionPathExists": "/run/spot-optimizer/serve",
    }


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and os.environ.get("CI") != "true", reason="systemd-analyze is not here (Debian: systemd)"
)
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    units = tmp_path / "etc" / "systemd" / "system"
    (units / "web.service.d").mkdir(parents=True)
    for target in IMPLICIT_TARGETS:
        (units / f"{target}.target").write_text("[Unit]\nDescription=Stands for systemd's own\n")
    (units / "web.service").write_text("[Service]\nExecStart=/usr/bin/web\n")
    for program in ("usr/bin/web", "opt/spot-agent/current/bin/spot-agent"):
        (tmp_path / program).parent.mkdir(parents=True)
        (tmp_path / program).touch(mode=0o755)
    shutil.copy(INSTALLED / "spot-agent.service", units)
    shutil.copy(INSTALLED / "start-guard.conf", units / "web.service.d")

    command = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", "spot-agent.service", "web.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
