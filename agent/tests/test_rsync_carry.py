"""The rsync carry between two real directories, with real rsync and SSH: nothing is lost, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_fakes.process import eventually
from agent_fakes.rsync_hosts import (
    MOVE,
    Counter,
    RsyncHost,
    connect,
    held_numbers,
    order,
    processes_with,
    require_programs,
    send,
)
from spot_agent.carrying.passes import Sending
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.rules.rsync import Pass

pytestmark = pytest.mark.server
MOST_OUTAGE_SECONDS = 30.0
"""On a machine that does other things; docs/carries.md has what was measured."""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[RsyncHost, RsyncHost]]:
    require_programs()
    old, new = RsyncHost(tmp_path / "old", "127.0.0.11"), RsyncHost(tmp_path / "new", "127.0.0.12")
    try:
        yield old, new
    finally:
        old.end()
        new.end()
        eventually(lambda: not processes_with(str(tmp_path)))


def test_everything_that_was_acknowledged_comes_along(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(300)
    subprocess.run(["cp", "-a", str(old.data), str(new.data)], check=True)  # as an image has it
    writer = Counter(old, 1)

    door = connect(old, new)
    first = send(old, order(door, Pass.FIRST))
    acknowledged = writer.stop()
    last = send(old, order(door, Pass.LAST))
    new.carrier.before_serving()
    successor = Counter(new, acknowledged[-1][0] + 1)
    went_on = successor.stop()

    numbers, cell, mapped = held_numbers(new)
    wanted = [number for number, _when in acknowledged + went_on]
    assert set(wanted) <= set(numbers)
    assert cell == mapped == numbers[-1]
    assert {name: digest for name, digest in new.tree().items() if "/" in name} == {
        name: digest for name, digest in old.tree().items() if "/" in name
    }
    outage_seconds = (went_on[0][1] - acknowledged[-1][1]).total_seconds()
    figures = f"lost 0 of {len(acknowledged)}; could not write for {outage_seconds:.2f} s; first {first}; last {last}\n"
    sys.stdout.write(figures)
    assert outage_seconds < MOST_OUTAGE_SECONDS


def test_a_copy_that_is_not_whole_never_takes_the_place_of_what_the_image_brought(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(20)
    new.data.mkdir()
    (new.data / "from-the-image").write_text("as of yesterday")
    send(old, order(connect(old, new), Pass.FIRST))

    new.carrier.before_serving()

    assert list(new.tree()) == ["from-the-image"]


def test_a_file_that_was_changed_without_a_new_time_or_size_comes_along(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(5)
    door = connect(old, new)
    send(old, order(door, Pass.FIRST))
    changed = old.data / "folder-0" / "file-0"
    times = changed.stat()
    changed.write_bytes(os.urandom(1_000))
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))

    send(old, order(door, Pass.LAST))

    assert new.tree() == old.tree()


def test_without_a_first_pass_the_last_one_compares_with_the_image_by_content(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(5)
    subprocess.run(["cp", "-a", str(old.data), str(new.data)], check=True)
    torn = new.data / "folder-0" / "file-0"
    times = torn.stat()
    torn.write_bytes(bytes(1_000))
    os.utime(torn, ns=(times.st_atime_ns, times.st_mtime_ns))

    send(old, order(connect(old, new), Pass.LAST))

    assert new.tree() == old.tree()


def test_what_was_deleted_links_and_modes_come_along(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(5)
    door = connect(old, new)
    send(old, order(door, Pass.FIRST))
    (old.data / "folder-0" / "file-0").unlink()
    (old.data / "link").symlink_to("folder-1/file-1")
    (old.data / "name with \"quotes\" and 'blanks'\n").write_text("x")
    (old.data / "folder-2" / "file-2").chmod(0o640)

    send(old, order(door, Pass.LAST))

    assert new.tree() == old.tree()
    assert (new.data / "link").readlink() == Path("folder-1/file-1")
    assert (new.data / "folder-2" / "file-2").stat().st_mode == (old.data / "folder-2" / "file-2").stat().st_mode


def test_a_last_pass_that_is_asked_for_again_is_not_made_again(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    door = connect(old, new)
    sent = send(old, order(door, Pass.LAST))
    new.carrier.before_serving()
    old.restart()

    assert send(old, order(door, Pass.LAST)) == sent


def test_the_sender_that_dies_in_a_pass_begins_it_again_and_ends_what_it_left_running(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(40, size_bytes=2_000_000)
    door = connect(old, new)
    assert isinstance(old.carrier.send(order(door, Pass.FIRST)), Sending)
    old.restart()

    send(old, order(door, Pass.FIRST))
    send(old, order(door, Pass.LAST))

    assert new.tree() == old.tree()


def test_the_receiver_that_dies_in_a_pass_is_there_again_under_the_same_key(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    door = connect(old, new)
    servers = processes_with(str(new.settings.runtime_directory))
    os.kill(int((new.settings.runtime_directory / "incoming" / "server_pid").read_text()), signal.SIGKILL)
    eventually(lambda: not processes_with(str(new.settings.runtime_directory)))
    new.restart()

    new.carrier.settle()

    assert len(servers) == 1
    assert send(old, order(door, Pass.LAST)).is_whole
    assert new.tree() == old.tree()


def test_nothing_is_left_of_keys_and_servers_after_the_move(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    send(old, order(connect(old, new), Pass.LAST))
    keys = list(old.directory.rglob("key*"))

    new.carrier.before_serving()
    old.carrier.close(MOVE)

    assert keys == []
    assert (old.run_folders(), new.run_folders()) == ([], [])
    eventually(lambda: not processes_with(str(new.directory)))
    new.carrier.settle()
    eventually(lambda: [path.name for path in new.data.parent.iterdir()] == ["data"])


def test_another_life_of_the_daemon_ends_a_session_whose_time_is_over(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    key = old.carrier.make_key(MOVE, 0.0)
    new.carrier.open_receiver(MOVE, key, new.address, 1.0)
    old.restart()
    new.restart()

    def settled() -> bool:
        old.carrier.settle()
        new.carrier.settle()
        return old.run_folders() + new.run_folders() == []

    eventually(settled)

    eventually(lambda: not processes_with(str(new.directory)))


def test_who_has_another_key_or_asks_for_anything_else_gets_nothing(hosts: tuple[RsyncHost, RsyncHost], tmp_path: Path) -> None:
    old, new = hosts
    old.fill(3)
    door = connect(old, new)
    send(old, order(door, Pass.FIRST))
    config = old.settings.runtime_directory / "outgoing" / "ssh_config"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "stranger")], check=True)

    def ask(*words: str, config_path: Path = config) -> int:
        asked = subprocess.run(
            ["ssh", "-F", str(config_path), "receiver", *words], check=False, capture_output=True, stdin=subprocess.DEVNULL
        )
        return asked.returncode

    refused = 77
    assert ask("cat /etc/shadow") == refused
    assert ask("rsync --server --sender -lHogDtprSe.iLsfxCIvu . /etc/") == refused
    assert ask("rsync --server -logDtpre.iLsfxCIvu . /etc/") == refused
    assert ask("commit 2") == refused
    assert ask("flush") == 0
    strange = tmp_path / "strange_config"
    strange.write_text(config.read_text().replace(str(config.parent / "key"), str(tmp_path / "stranger")))
    assert ask("flush", config_path=strange) == 255


def test_a_receiver_with_another_host_key_is_not_sent_anything(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    door = connect(old, new)
    new.carrier.close()
    new.carrier.open_receiver(MOVE, old.carrier.make_key(MOVE, 60), new.address, 60)

    with pytest.raises(ActFailed, match="Host key verification failed"):
        send(old, order(door, Pass.LAST))


def test_a_pass_is_killed_at_its_bound(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    door = connect(old, new)

    with pytest.raises(ActFailed) as failed:
        send(old, order(door, Pass.FIRST, bound_seconds=0.01))

    assert (failed.value.error_class.value, failed.value.code) == ("hook_timed_out", "pass_bound")
    eventually(lambda: not processes_with(f"{old.settings.runtime_directory}/outgoing/ssh_config"))


def test_a_new_side_without_room_says_so_and_keeps_what_it_had(tmp_path: Path) -> None:
    require_programs()
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    small = tmp_path / "new" / "srv"
    small.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(small)], check=True)
    old, new = RsyncHost(tmp_path / "old", "127.0.0.11"), RsyncHost(tmp_path / "new", "127.0.0.12")
    try:
        old.fill(3, size_bytes=600_000)
        new.data.mkdir()
        (new.data / "from-the-image").write_text("as of yesterday")
        with pytest.raises(ActFailed) as failed:
            send(old, order(connect(old, new), Pass.LAST))
        new.carrier.before_serving()

        assert failed.value.error_class is ErrorClass.CHECK_FAILED
        assert failed.value.code in {"disk_full", "file_io_failed"}, "the words of the new side may be lost with its connection"
        assert list(new.tree()) == ["from-the-image"]
    finally:
        old.end()
        new.end()
        subprocess.run(["umount", "--lazy", str(small)], check=True)


def test_a_commit_that_is_cut_short_is_finished_by_whoever_comes_next(hosts: tuple[RsyncHost, RsyncHost]) -> None:
    old, new = hosts
    old.fill(3)
    new.data.mkdir()
    (new.data / "from-the-image").write_text("as of yesterday")
    door = connect(old, new)
    send(old, order(door, Pass.LAST))
    # The state between the two renames, with the note of the commit still there.
    new.data.rename(new.data.with_name(".data.spot-incoming"))
    (new.settings.state_directory / "incoming.json").write_text("{}")
    new.restart()

    new.carrier.before_serving()

    assert new.tree() == old.tree()
