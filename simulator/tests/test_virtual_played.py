"""What a campaign played, by name, and campaigns that are interrupted; on a small working tree of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spot_simulator.virtual.drawing import draw_schedule
from spot_simulator.virtual.figures import Figures
from spot_simulator.virtual.judging import Violation
from spot_simulator.virtual.parts import Part
from spot_simulator.virtual.played import PLAYED, NotNamed, find_played
from spot_simulator.virtual.run import Result
from spot_simulator.virtual.watch import Watch

_IGNORING = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
"""
_MAIN = """
import sys
from pathlib import Path
from spot_simulator.virtual.__main__ import main
sys.exit(main(sys.argv[2:], Path(sys.argv[1])))
"""


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def commit(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    git(root, "add", "--all")
    git(root, "commit", "--message", name)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    git(root, "init")
    for folder in PLAYED:
        commit(root, f"{folder}/one.txt", folder)
    return root


def test_documents_and_tests_leave_what_is_played_the_same(tree: Path) -> None:
    before = find_played(tree)

    commit(tree, "docs/reliability.md", "figures")
    commit(tree, "simulator/tests/test_one.py", "assert True")
    (tree / "simulator/tests/test_two.py").write_text("not committed")
    after = find_played(tree)

    assert after.identity == before.identity
    assert after.commit != before.commit


@pytest.mark.parametrize("folder", PLAYED)
def test_a_change_of_the_code_or_of_what_it_stands_on_is_something_else(tree: Path, folder: str) -> None:
    before = find_played(tree)

    commit(tree, f"{folder}/one.txt", "changed")

    assert find_played(tree).identity != before.identity


@pytest.mark.parametrize("name", ["one.txt", "new.txt"])
def test_what_no_commit_has_is_not_named(tree: Path, name: str) -> None:
    (tree / "simulator/src" / name).write_text("changed")
    (tree / "agent/src/one.txt").unlink()

    with pytest.raises(NotNamed) as refused:
        find_played(tree)

    assert str(refused.value) == "what is played has changes that no commit has (agent/src/one.txt and 1 more): commit them first"


def test_where_git_has_no_such_trees_nothing_is_named(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(NotNamed, match="cannot be named: fatal: "):
        find_played(tmp_path / "nowhere")
    git(tree, "rm", "-r", "agent/src")
    git(tree, "commit", "--message", "gone")
    with pytest.raises(NotNamed, match="has no agent/src in git"):
        find_played(tree)


def simulate(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _MAIN, str(tree), *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)


def counted(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())["totals"]
    assert isinstance(found, dict)
    return found


def test_a_campaign_on_changed_code_keeps_nothing_and_says_why(tree: Path, tmp_path: Path) -> None:
    (tree / "agent/src/one.txt").write_text("changed")

    done = simulate(tree, "--json", str(tmp_path / "part.json"), "--runs", "1")

    why = "simulate: what is played has changes that no commit has (agent/src/one.txt): commit them first\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", why)
    assert not (tmp_path / "part.json").exists()


@pytest.mark.long
def test_a_campaign_goes_on_where_its_file_ends_and_comes_to_the_same(tree: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole.json", tmp_path / "parted.json"

    at_once = simulate(tree, "--fair", "--seed", "5", "--runs", "2", "--processes", "1", "--json", str(whole))
    first = simulate(tree, "--fair", "--seed", "5", "--runs", "1", "--processes", "1", "--json", str(parted))
    rest = simulate(tree, "--fair", "--seed", "5", "--runs", "2", "--processes", "1", "--json", str(parted))
    again = simulate(tree, "--fair", "--seed", "5", "--runs", "2", "--processes", "1", "--json", str(parted))

    assert [done.returncode for done in (at_once, first, rest, again)] == [0] * 4
    assert counted(parted) == counted(whole)
    assert counted(parted)["runs"] == 2
    assert rest.stdout.startswith(f"{parted}: 1 runs were played before, and are counted\n")
    assert again.stdout.startswith(f"{parted}: 2 runs were played before, and are counted\nruns 2, ")


@pytest.mark.long
def test_a_campaign_begins_no_run_after_its_time_and_says_how_many_were_played(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.json"

    done = simulate(tree, "--fair", "--seed", "5", "--runs", "1000", "--processes", "1", "--at-most-seconds", "1", "--json", str(path))

    runs = counted(path)["runs"]
    assert (done.returncode, 0 < runs < 1000) == (0, True)
    assert f"the time is up: {runs} of 1000 runs were played\nruns {runs}, " in done.stdout


@pytest.mark.long
@pytest.mark.parametrize(("number", "processes"), [(signal.SIGTERM, 2), (signal.SIGINT, 1)])
def test_a_campaign_that_a_signal_ends_keeps_what_was_counted_and_says_so(
    tree: Path, tmp_path: Path, number: signal.Signals, processes: int
) -> None:
    """Also one that a shell started in the background, with interruptions ignored; none of its processes is left."""
    path = tmp_path / "part.json"
    command = [sys.executable, "-c", _IGNORING + _MAIN, str(tree), "--fair", "--runs", "1000", "--processes", str(processes)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    with subprocess.Popen(
        [*command, "--json", str(path)], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as campaign:
        assert campaign.stdout is not None
        campaign.stdout.readline()  # of its progress
        campaign.send_signal(number)
        _, told = campaign.communicate()

    runs = counted(path)["runs"]
    assert (campaign.returncode, told) == (128 + number, f"simulate: {number.name} after {runs} runs\n")
    assert runs >= 1
    with pytest.raises(ProcessLookupError):
        os.killpg(campaign.pid, 0)


def test_what_was_broken_is_told_and_kept_before_a_smaller_schedule_is_looked_for(tmp_path: Path) -> None:
    path, violation = tmp_path / "part.json", Violation("one-serves", 700.0, "2 instances")
    broken = Result(draw_schedule(5), (violation,), {}, {}, 0, Figures(), 1, 1.0)
    told: list[str] = []
    watch = Watch(Part("f" * 16, "1" * 40, 5, is_fair=False, took_seconds=0.0), path, 100, told.append)

    def find_smaller(result: Result) -> Result:
        assert told == [f"seed 5 broke {violation}"]
        assert counted(path)["broken"] == [[5, [str(violation)]]]
        return result

    watch.note([broken], find_smaller)

    assert told[1].startswith("VIOLATION with seed 5:\n")
