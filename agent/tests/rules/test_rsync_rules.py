"""What the receiver lets in, which files are compared by content, and what an end of rsync means."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.errors import ErrorClass
from spot_agent.rules.rsync import (
    Again,
    Began,
    Broke,
    Commit,
    Counted,
    Door,
    Fine,
    Flush,
    Pass,
    Receive,
    Refused,
    client_config,
    compare_since,
    count,
    is_move_id,
    is_public_key,
    judge_end,
    read_request,
    server_config,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHk2o5sWQ0m0H5GJ1Jf6g3x2rS1nQe0yZ8oXq5wV7bT9"
BUNDLES = ("-lHogDtpAXrSe.iLsfxCIvu", "-lHogDtpAXIRSe.LsfxCIvu", "-lHogDtpAXrcSe.iLsfxCIvu")
WORDS = st.lists(
    st.sampled_from(
        [
            *("rsync", "--server", "--sender", "-r", "-s", "-lHogDtpAXrSe.iLsfxCIvu", "--delete", "--log-file=/etc/x", "sh", "-c"),
            *(".", "0/", "1/", "/etc/", "../0/", "0/../../etc/", "flush", "commit", "2", "--numeric-ids", "--timeout=30"),
        ]
    )
)


@given(WORDS, st.integers(1, 3))
def test_only_our_own_receiving_half_flush_and_commit_are_let_in(words: list[str], path_count: int) -> None:
    request = read_request(shlex.join(words), path_count)

    match request:
        case Receive(index, options):
            assert words == ["rsync", "--server", *options, ".", f"{index}/"]
            assert 0 <= index < path_count
            assert all(re.fullmatch(r"-[A-Za-z]*(e\.[A-Za-z]*)?|--(delete|numeric-ids|timeout=30)", option) for option in options)
            assert not any(option.startswith("-") and "s" in option.split("e.")[0] for option in options if not option.startswith("--"))
        case Commit(count_):
            assert words == ["commit", str(path_count)]
            assert count_ == path_count
        case Flush():
            assert words == ["flush"]
        case Refused():
            pass


@given(st.text())
def test_no_text_at_all_breaks_the_reader(asked: str) -> None:
    assert isinstance(read_request(asked, 1), Receive | Flush | Commit | Refused)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_what_rsync_really_asks_for_is_let_in(bundle: str) -> None:
    asked = f"rsync --server {bundle} --timeout=30 --delete --stats --numeric-ids . 0/"

    assert read_request(asked, 1) == Receive(0, (bundle, "--timeout=30", "--delete", "--stats", "--numeric-ids"))


TIMES = st.floats(0, 1e9)


@given(TIMES, TIMES, st.floats(0, 1e5), st.floats(-100, 100), st.none() | TIMES)
def test_times_of_files_are_trusted_only_while_both_clocks_agree(
    wall: float, boot: float, elapsed: float, jump: float, trusted: float | None
) -> None:
    first, now = Began(wall, boot), Began(wall + elapsed + jump, boot + elapsed)

    since = compare_since(first, now, trusted)

    assert since is None or since < wall
    if abs(jump) > 0.6:
        assert since is None
    if abs(jump) < 0.4:
        assert since is not None
    assert compare_since(None, now, trusted) == trusted


@given(st.integers(0, 255), st.sampled_from(Pass))
def test_a_last_pass_is_fine_only_if_rsync_said_so(exit_code: int, which: Pass) -> None:
    end = judge_end(exit_code, "", which)

    if which is Pass.LAST:
        assert (end == Fine()) == (exit_code == 0)
        assert (end == Again()) == (exit_code == 24)
    assert (end == Fine(is_whole=False)) == (which is Pass.FIRST and exit_code in (23, 24))


@pytest.mark.parametrize("exit_code", [11, 12, 23])
def test_a_full_disk_is_called_that_whatever_rsync_ends_with(exit_code: int) -> None:
    output = 'rsync: [receiver] write failed on "x": No space left on device (28)'

    assert judge_end(exit_code, output, Pass.FIRST) == Broke(ErrorClass.CHECK_FAILED, "disk_full")


def test_a_file_that_cannot_be_written_is_called_that_where_nobody_says_why() -> None:
    assert judge_end(11, "rsync error: error in file IO (code 11)", Pass.LAST) == Broke(ErrorClass.CHECK_FAILED, "file_io_failed")


@pytest.mark.parametrize("exit_code", [12, 30, 255])
def test_a_broken_connection_may_be_tried_again(exit_code: int) -> None:
    assert judge_end(exit_code, "", Pass.LAST) == Broke(ErrorClass.UNREACHABLE, f"rsync_{exit_code}")


def test_figures_are_read_from_the_end_or_while_it_runs() -> None:
    assert count("  2  50% 0.00kB/s\r  4096 100% 1.9kB/s") == Counted(4096)
    assert count("Number of regular files transferred: 2\nTotal bytes sent: 210\n") == Counted(210, 2)
    assert count("") == Counted()


@given(st.text())
def test_what_goes_into_configuration_files_has_one_line_and_no_quotes(text: str) -> None:
    for accepts in (is_public_key, is_move_id):
        if accepts(text):
            assert not set("\n\r\"'#") & set(text)
    door = Door(text, 22, text, text)
    assert door.problem() is not None


def test_a_real_key_is_one() -> None:
    assert is_public_key(KEY)
    assert not is_public_key(KEY + "\nPermitRootLogin yes")


def test_the_server_lets_in_one_key_for_one_command() -> None:
    text = server_config(Door("10.0.0.5", 7022, "root", KEY), "/run/x", ["/usr/bin/python3", "-I", "-m", "door", "/run/x y"])

    assert "ForceCommand /usr/bin/python3 -I -m door '/run/x y'\n" in text
    assert "ListenAddress 10.0.0.5\nPort 7022\n" in text
    assert "PasswordAuthentication no" in text


def test_the_client_knows_one_host_by_its_key() -> None:
    text = client_config(Door("10.0.0.5", 7022, "root", KEY), "/run/x")

    assert "StrictHostKeyChecking yes" in text
    assert 'UserKnownHostsFile "/run/x/known_hosts"' in text
