"""Campaigns that are played in parts: files that add up, and those that do not go together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from spot_simulator.virtual.campaign import Totals
from spot_simulator.virtual.figures import Answer
from spot_simulator.virtual.parts import Part, PartRefused, add_up, go_on, read_part, write_part

PLAYED, COMMIT = "f" * 16, "1" * 40


def totals_of(runs: int, broken: int) -> Totals:
    totals = Totals(seeds=runs, runs=runs, events=9, faults=5, aimed=4, agent_hours=2.5, beyond_help=1, broken={broken: ["one-serves: no"]})
    totals.missed.update({"notice fence: kill_jobs": 1})
    totals.moves.update({"notice completed": 2})
    totals.met.update({("notice", "launch", "kill_jobs"): 3})
    totals.answers.append(Answer(True, 1.0, None, 0.5))
    totals.downtimes["notice stateless"].append(4.0)
    return totals


FIRST = Part(PLAYED, COMMIT, 1, is_fair=False, took_seconds=10.0, totals=totals_of(10, 3))
SECOND = Part(PLAYED, "2" * 40, 11, is_fair=False, took_seconds=20.0, totals=totals_of(5, 12))


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_part(tmp_path / "part.json", FIRST)

    assert read_part(tmp_path / "part.json") == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["part.json"]


def test_parts_that_the_same_code_played_add_up_whatever_commits_they_were() -> None:
    totals, took_seconds = add_up({"one": FIRST, "two": SECOND})

    assert (totals.runs, totals.events, totals.faults, totals.aimed, totals.agent_hours, took_seconds) == (15, 18, 10, 8, 5.0, 30.0)
    assert totals.met == Counter({("notice", "launch", "kill_jobs"): 6})
    assert totals.missed == Counter({"notice fence: kill_jobs": 2})
    assert (totals.moves, sorted(totals.broken), totals.beyond_help) == (Counter({"notice completed": 4}), [3, 12], 2)
    assert totals.downtimes == {"notice stateless": [4.0, 4.0]}
    assert len(totals.answers) == 2
    assert FIRST.totals == totals_of(10, 3)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (
            replace(SECOND, played="e" * 16),
            f"two: played by other code ({'e' * 16}, commit {'2' * 40}) than one ({PLAYED}, commit {COMMIT})",
        ),
        (replace(SECOND, first_seed=8), "two: seeds 8 to 10 were played in one too"),
        (replace(SECOND, is_fair=True), "two and one: one was played with --fair, the other without"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(other: Part, why: str) -> None:
    with pytest.raises(PartRefused) as refused:
        add_up({"one": FIRST, "two": other})

    assert str(refused.value) == why


def test_a_part_that_is_not_there_yet_begins_and_one_that_is_goes_on(tmp_path: Path) -> None:
    path, begun = tmp_path / "part.json", replace(FIRST, totals=Totals(), took_seconds=0.0)

    assert go_on(path, begun) is begun
    write_part(path, FIRST)
    assert go_on(path, begun) == FIRST


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (replace(FIRST, played="e" * 16), f"played by other code ({PLAYED}, commit {COMMIT}) than this ({'e' * 16}); name another file"),
        (replace(FIRST, first_seed=2), "holds the runs from --seed 1 on; name another file for others"),
        (replace(FIRST, is_fair=True), "holds the runs from --seed 1 on; name another file for others"),
        (replace(FIRST, futures=4), "holds the runs from --seed 1 on; name another file for others"),
    ],
)
def test_a_file_of_another_campaign_is_not_written_over(tmp_path: Path, other: Part, why: str) -> None:
    path = tmp_path / "part.json"
    write_part(path, FIRST)

    with pytest.raises(PartRefused) as refused:
        go_on(path, replace(other, totals=Totals()))

    assert str(refused.value) == f"{path}: {why}"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 1}', '{"format": 2, "commit": "x"}'])
def test_a_file_that_is_no_part_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "part.json"
    path.write_text(text)

    with pytest.raises(PartRefused, match=r"part\.json: "):
        read_part(path)


def test_the_command_prints_the_sum_of_files_and_one_line_for_those_that_do_not_fit(tmp_path: Path) -> None:
    write_part(tmp_path / "one", replace(FIRST, totals=replace(FIRST.totals, broken={})))
    write_part(tmp_path / "two", replace(SECOND, totals=replace(SECOND.totals, broken={})))
    write_part(tmp_path / "again", FIRST)

    fitting, unfit = _add(tmp_path, "one", "two"), _add(tmp_path, "one", "again")

    assert (fitting.returncode, fitting.stdout.splitlines()[0]) == (0, "runs 15, events 18, faults 10, moves 4, violations 0")
    assert "cells cannot be" in fitting.stdout
    assert (unfit.returncode, unfit.stdout, unfit.stderr) == (2, "", "simulate: again: seeds 1 to 10 were played in one too\n")


def _add(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "spot_simulator.virtual", "--add", *names]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=False)
