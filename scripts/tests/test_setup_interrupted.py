"""scripts/setup.sh when it dies on the way: whoever runs it again gets what an undisturbed run would have given."""

import os
import signal
from collections.abc import Iterator

import pytest

from setup_machine import GOOD_TOKEN, WORKLOAD, Machine

pytestmark = pytest.mark.server

GUARD = f"etc/systemd/system/{WORKLOAD}.d/spot-optimizer.conf"
KEPT_TOKEN = "etc/spot-agent/enrolment-token"
MOST_RUNS = 20


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as made:
        made.installed()
        yield made


def changes(machine: Machine, *arguments: str) -> list[str]:
    """The changes that a run says it makes before it is killed: at the second one, or it comes to its end."""
    said = []
    with machine.begin("setup.sh", *arguments) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("  "):
                said.append(line.strip())
            if len(said) == 2:
                os.killpg(running.pid, signal.SIGKILL)
                break
            if "What works" in line:
                break
        running.communicate()
    return said


def test_a_first_installation_that_dies_at_every_change_is_ended_by_running_it_again(machine: Machine) -> None:
    machine.uninstall("--drop-state")
    machine.systemd.active.add(WORKLOAD)
    machine.central.instance_id = None
    machine.restore_releases()
    token = machine.directory / "token"
    token.write_text(f"{GOOD_TOKEN}\n")

    first = changes(machine, *machine.first_arguments(), "--token-file", str(token))
    later = [changes(machine, *machine.first_arguments())]
    while len(later[-1]) == 2 and len(later) < MOST_RUNS:
        later.append(changes(machine, *machine.first_arguments()))
    done = machine.setup()

    assert len(first) == 2
    assert len(later) > 3
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("  ") and not line.startswith("   ")] == []
    assert machine.journal()["role"] == "PRIMARY"
    assert machine.path(GUARD).exists()
    assert not machine.path(KEPT_TOKEN).exists()
    assert "ENROLMENT_TOKEN_FILE" not in machine.settings()
    assert list(machine.root.rglob("*.new")) == []
    assert WORKLOAD in machine.systemd.active


def test_settings_written_by_a_run_that_died_before_the_restart_reach_the_daemon(machine: Machine) -> None:
    machine.installed()
    pid = machine.systemd.daemon_pid
    with machine.path("etc/spot-agent/agent.env").open("a") as settings:
        settings.write("LOG_LEVEL=DEBUG\n")

    first = machine.setup()
    restarted = machine.systemd.daemon_pid
    second = machine.setup()

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert restarted not in (None, pid)
    assert machine.systemd.daemon_pid == restarted


def test_a_release_that_was_left_half_made_is_made_again(machine: Machine) -> None:
    machine.installed()
    machine.uninstall()
    (release,) = machine.kept_releases.iterdir()
    half = machine.releases / release.name
    (half / "bin").mkdir(parents=True)
    (half / "bin" / "python").symlink_to("/no/such/python")

    done = machine.setup()

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"make {half}" in done.stdout
    assert machine.agent("status").returncode == 0


def test_setup_and_uninstall_never_work_at_the_same_time(machine: Machine) -> None:
    machine.installed()
    before = machine.what_is_there()

    with machine.locked():
        installing = machine.setup("--set", "LOG_LEVEL=WARNING")
        removing = machine.uninstall("--drop-state")

    assert (installing.returncode, installing.stderr) == (1, "setup: another setup.sh or uninstall.sh is running\n")
    assert (removing.returncode, removing.stderr) == (1, "uninstall: another setup.sh or uninstall.sh is running\n")
    assert machine.what_is_there() == before
    assert machine.systemd.daemon_runs
