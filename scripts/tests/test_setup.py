"""scripts/setup.sh and scripts/uninstall.sh, with real virtual environments and a real daemon, on a machine that is pretended."""

from collections.abc import Iterator

import pytest

from agent_fakes.process import eventually
from setup_machine import GOOD_TOKEN, WORKLOAD, Machine

pytestmark = pytest.mark.server

GUARD = f"etc/systemd/system/{WORKLOAD}.d/spot-optimizer.conf"
KEPT_TOKEN = "etc/spot-agent/enrolment-token"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture
def empty(machine: Machine) -> Machine:
    """Nothing of ours on the machine but what takes minutes to make, and a workload that runs."""
    machine.keep_releases()
    done = machine.uninstall("--drop-state")
    assert done.returncode == 0, done.stderr
    machine.restore_releases()
    machine.systemd.active.add(WORKLOAD)
    machine.central.instance_id = None
    return machine


@pytest.fixture
def installed(machine: Machine) -> Machine:
    machine.installed()
    return machine


def test_a_first_run_installs_registers_and_guards_and_keeps_no_token(empty: Machine) -> None:
    done = empty.install(token=GOOD_TOKEN)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "everything that is needed works" in done.stdout
    assert empty.journal()["role"] == "PRIMARY"
    assert empty.path("etc/spot-agent/agent.env").stat().st_mode & 0o777 == 0o600
    assert not empty.path(KEPT_TOKEN).exists()
    assert "ENROLMENT_TOKEN_FILE" not in empty.settings()
    assert GOOD_TOKEN not in done.stdout + done.stderr + (empty.root / "daemon.log").read_text()
    assert "ConditionPathExists=/run/spot-optimizer/serve" in empty.path(GUARD).read_text()
    assert "spot-agent.service" in empty.systemd.enabled
    assert WORKLOAD in empty.systemd.active


def test_a_second_run_changes_nothing_and_restarts_nothing(installed: Machine) -> None:
    before, pid = installed.what_is_there(), installed.systemd.daemon_pid

    done = installed.setup()

    assert done.returncode == 0, done.stdout + done.stderr
    assert installed.what_is_there() == before
    assert installed.systemd.daemon_pid == pid


def test_an_upgrade_keeps_settings_journal_and_workload_and_leaves_one_release(installed: Machine) -> None:
    installed.setup("--set", "LOG_LEVEL=DEBUG")
    old_program, pid, agent_id = (
        installed.path("opt/spot-agent/current").readlink(),
        installed.systemd.daemon_pid,
        installed.journal()["agent_id"],
    )
    with (installed.clone / "agent/src/spot_agent/__init__.py").open("a") as source:
        source.write("# a newer release\n")

    done = installed.setup()

    assert done.returncode == 0, done.stdout + done.stderr
    assert installed.path("opt/spot-agent/current").readlink() != old_program
    assert len(list(installed.path("opt/spot-agent/releases").iterdir())) == 1
    assert installed.settings()["LOG_LEVEL"] == "DEBUG"
    assert installed.journal()["agent_id"] == agent_id
    assert installed.systemd.daemon_pid not in (None, pid)
    assert ["stop", WORKLOAD] not in installed.systemd.calls


def test_an_upgrade_that_does_not_come_up_leaves_the_former_release_running(installed: Machine) -> None:
    program, source = installed.path("opt/spot-agent/current").readlink(), installed.clone / "agent/src/spot_agent/daemon.py"
    good = source.read_text()
    source.write_text(good.replace('    """0 after a graceful stop', '    raise SystemExit(1)\n    """0 after', 1))
    try:
        done = installed.setup("--wait-seconds", "3")
    finally:
        source.write_text(good)

    assert done.returncode == 1
    assert "the former one runs again" in done.stderr
    assert installed.path("opt/spot-agent/current").readlink() == program
    assert installed.systemd.daemon_runs


def test_settings_that_the_daemon_would_refuse_are_told_before_anything_is_changed(installed: Machine) -> None:
    before, pid = installed.what_is_there(), installed.systemd.daemon_pid

    done = installed.setup("--set", "HEARTBEAT_INTERVAL=often", "--set", "CARRY=pigeon")

    assert done.returncode == 1
    assert "HEARTBEAT_INTERVAL must be a number" in done.stderr
    assert "CARRY must be one of" in done.stderr
    assert (installed.what_is_there(), installed.systemd.daemon_pid) == (before, pid)


def test_a_refused_token_leaves_the_workload_unguarded_and_a_better_one_completes_the_run(empty: Machine) -> None:
    refused = empty.install(token="so_enrol_expired000")
    was_guarded = empty.path(GUARD).exists()
    completed = empty.setup(token=GOOD_TOKEN)

    assert refused.returncode == 3
    assert "401 token-invalid" in refused.stderr
    assert not was_guarded
    assert WORKLOAD in empty.systemd.active
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert empty.path(GUARD).exists()
    assert not empty.path(KEPT_TOKEN).exists()


def test_a_token_that_waits_for_its_server_is_kept_and_found_by_the_next_run(empty: Machine) -> None:
    empty.central.faults["register"] = "503"
    try:
        waiting = empty.install("--wait-seconds", "1", token=GOOD_TOKEN)
    finally:
        empty.central.faults.clear()
    kept_mode = empty.path(KEPT_TOKEN).stat().st_mode & 0o777

    completed = empty.setup()

    assert waiting.returncode == 3
    assert "goes on trying" in waiting.stderr
    assert kept_mode == 0o600
    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert not empty.path(KEPT_TOKEN).exists()


def test_a_dry_run_says_every_change_and_makes_none(empty: Machine) -> None:
    calls = len(empty.systemd.calls)

    done = empty.install("--dry-run", token=GOOD_TOKEN)

    assert done.returncode == 0, done.stderr
    for path in ("agent.env (mode 600)", "enrolment-token (mode 600)", "spot-agent.service (mode 644)", "spot-optimizer.conf (mode 644)"):
        assert path in done.stdout
    assert GOOD_TOKEN not in done.stdout
    assert not empty.path("opt/spot-agent/current").exists()
    assert not empty.path("etc/spot-agent").exists()
    assert {call[0] for call in empty.systemd.calls[calls:]} <= {"cat", "is-enabled", "is-active"}


def test_without_systemd_it_says_what_is_left_to_a_person_and_ends_well_once_that_is_done(empty: Machine) -> None:
    first = empty.install(token=GOOD_TOKEN, SPOT_SYSTEMCTL="none")
    was_guarded = empty.path(GUARD).exists()
    empty.systemd.obey(["start", "spot-agent.service"])
    eventually(lambda: empty.agent("status").returncode == 0)
    second = empty.setup(SPOT_SYSTEMCTL="none")

    assert first.returncode == 3
    assert "/usr/local/bin/spot-agent run" in first.stderr
    assert not was_guarded
    assert second.returncode == 0, second.stderr
    assert not empty.path(KEPT_TOKEN).exists()


def test_another_workload_unit_takes_the_guard_over(installed: Machine) -> None:
    installed.write("etc/systemd/system/shop.service", "[Service]\nExecStart=/usr/bin/shop\n")
    installed.systemd.active.add("shop.service")

    done = installed.setup("--workload-unit", "shop.service")

    assert done.returncode == 0, done.stdout + done.stderr
    assert not installed.path(GUARD).exists()
    assert installed.path("etc/systemd/system/shop.service.d/spot-optimizer.conf").exists()


def test_uninstalling_leaves_the_workload_alone_and_says_what_it_left(installed: Machine) -> None:
    done = installed.uninstall()

    assert done.returncode == 0, done.stderr
    assert WORKLOAD in installed.systemd.active
    assert not installed.systemd.daemon_runs
    assert not installed.path(GUARD).parent.exists()
    for gone in ("opt/spot-agent", "usr/local/bin/spot-agent", "etc/systemd/system/spot-agent.service", "run/spot-optimizer"):
        assert not installed.path(gone).exists()
    assert installed.journal()["role"] == "PRIMARY"
    assert "images and snapshots that were made for web-1" in done.stdout
    assert "--drop-state takes them away" in done.stdout


def test_after_an_uninstallation_that_kept_the_state_setup_goes_on_without_a_token(installed: Machine) -> None:
    agent_id = installed.journal()["agent_id"]
    installed.uninstall()
    registrations = len(installed.central.bodies("register"))

    installed.restore_releases()
    done = installed.setup()

    assert done.returncode == 0, done.stdout + done.stderr
    assert installed.journal()["agent_id"] == agent_id
    assert len(installed.central.bodies("register")) == registrations


def test_uninstalling_with_the_state_leaves_nothing_and_can_be_repeated(installed: Machine) -> None:
    first = installed.uninstall("--drop-state")
    second = installed.uninstall("--drop-state")

    assert (first.returncode, second.returncode) == (0, 0)
    assert "there was nothing to remove" in second.stdout
    left = [str(path) for path in installed.root.rglob("*") if "spot" in path.name]
    assert left == []


def test_an_instance_that_may_not_serve_keeps_its_guard_when_the_daemon_goes(installed: Machine) -> None:
    installed.systemd.stop_daemon()
    journal = installed.path("var/lib/spot-agent/journal.json")
    journal.write_text(journal.read_text().replace('"role":"PRIMARY"', '"role":"ZOMBIE"'))

    done = installed.uninstall()
    with_state = installed.uninstall("--drop-state")
    stays = installed.path(GUARD).exists()
    installed.path(GUARD).unlink()

    assert (done.returncode, with_state.returncode) == (0, 0), done.stderr
    assert "ZOMBIE" in done.stdout
    assert "would at the next boot" in done.stdout
    assert stays


@pytest.mark.parametrize("role", ["ZOMBIE", "REPLICA"])
def test_a_guard_that_was_kept_stays_when_the_uninstallation_with_the_state_is_repeated(installed: Machine, role: str) -> None:
    installed.systemd.stop_daemon()
    journal = installed.path("var/lib/spot-agent/journal.json")
    journal.write_text(journal.read_text().replace('"role":"PRIMARY"', f'"role":"{role}"'))
    installed.uninstall("--drop-state")

    second = installed.uninstall("--drop-state")
    third = installed.uninstall("--drop-state")
    stays = installed.path(GUARD).exists()
    installed.systemd.active.discard(WORKLOAD)
    installed.systemd.obey(["start", WORKLOAD])  # as a boot does
    serves = WORKLOAD in installed.systemd.active
    installed.path(GUARD).unlink(missing_ok=True)

    assert (second.returncode, third.returncode) == (0, 0), second.stderr
    assert "there was nothing to remove" in third.stdout
    assert "would at the next boot" in third.stdout
    assert stays
    assert not serves


def test_a_guard_that_was_kept_goes_on_as_any_other_once_the_instance_is_installed_anew(installed: Machine) -> None:
    installed.systemd.stop_daemon()
    journal = installed.path("var/lib/spot-agent/journal.json")
    journal.write_text(journal.read_text().replace('"role":"PRIMARY"', '"role":"ZOMBIE"'))
    installed.uninstall("--drop-state")
    kept = installed.path(GUARD).read_text()

    installed.restore_releases()
    done = installed.install(token=GOOD_TOKEN)
    renewed = installed.path(GUARD).read_text()
    gone = installed.uninstall("--drop-state")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Kept by uninstall.sh" in kept
    assert "Kept by uninstall.sh" not in renewed
    assert gone.returncode == 0
    assert not installed.path(GUARD).exists()


def test_an_installation_that_starts_nothing_does_not_lift_a_guard_that_was_kept(installed: Machine) -> None:
    installed.systemd.stop_daemon()
    journal = installed.path("var/lib/spot-agent/journal.json")
    journal.write_text(journal.read_text().replace('"role":"PRIMARY"', '"role":"ZOMBIE"'))
    installed.uninstall("--drop-state")
    installed.restore_releases()

    done = installed.install("--no-start", token=GOOD_TOKEN)
    installed.uninstall("--drop-state")
    stays = installed.path(GUARD).exists()
    installed.path(GUARD).unlink(missing_ok=True)

    assert done.returncode == 0, done.stdout + done.stderr
    assert stays


def test_an_uninstallation_says_in_a_dry_run_what_it_would_remove(installed: Machine) -> None:
    before = installed.what_is_there()

    done = installed.uninstall("--dry-run", "--drop-state")

    assert done.returncode == 0, done.stderr
    assert "would stop and disable spot-agent.service" in done.stdout
    assert installed.what_is_there() == before
    assert installed.systemd.daemon_runs


def test_a_released_instance_is_not_installed_again_over_its_old_state(installed: Machine) -> None:
    installed.systemd.stop_daemon()
    journal = installed.path("var/lib/spot-agent/journal.json")
    text = journal.read_text()
    journal.write_text(text.replace('"released":false', '"released":true'))

    done = installed.setup()
    journal.write_text(text)

    assert done.returncode == 1
    assert "uninstall.sh --drop-state" in done.stderr
