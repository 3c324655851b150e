"""`spot-server backtest`: the model that it asks, the cut that it keeps, what it prints and draws, and one line for what is wrong."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from server_support.recorded_data import recorded_data
from spot_server.backtest.policies import PLAYED, PolicyName, Setting, shipped_model
from spot_server.backtest.traces import Part, read_trace
from spot_server.cli import main
from spot_server.clock import SystemClock
from spot_server.decision_models.expected_cost import ExpectedCost
from spot_server.features.decisions.making import DEFAULT_MODEL, Models, line_up_or_default

TICKS = 240
SHORT_JOB = ["--work-hours", "6", "--deadline-hours", "9", "--changeover-hours", "0.2", "--every-hours", "3", "--gap-seconds", "600"]


def write_trace(directory: Path, last_third: str = "1", name: str = "avail_made_up.csv") -> Path:
    """Write forty hours of two pools that come and go; `last_third` stands in every cell of the last third."""
    cells = [(int(tick % 30 >= 6), int(tick % 44 >= 9)) if tick < TICKS * 2 // 3 else (last_third, last_third) for tick in range(TICKS)]
    rows = "".join(f"{tick},{first},{second}\n" for tick, (first, second) in enumerate(cells))
    file = directory / name
    file.write_text(f"tick,us-west-2a_v100_1,us-west-2b_v100_1\n{rows}")
    return file


def backtest(directory: Path, *arguments: str) -> int:
    return main(["backtest", "--traces", str(directory), *arguments])


def rows_of(text: str) -> dict[tuple[str, str, str], Sequence[str]]:
    """Return the table's lines by setting, pool and policy."""
    lines = [line.split() for line in text.splitlines()[1:]]
    return {(line[1], line[2], line[3]): line[4:] for line in lines}


def test_ours_is_the_very_object_that_the_server_asks() -> None:
    registered = line_up_or_default(None).acting
    asked_by_the_rounds, asked_by_the_pages = (Models().model(registered, SystemClock()) for _ in range(2))

    assert registered is DEFAULT_MODEL
    assert shipped_model() is asked_by_the_rounds is asked_by_the_pages
    assert type(shipped_model()) is ExpectedCost
    assert type(shipped_model()).decide is ExpectedCost.decide


def test_another_version_of_the_built_in_model_is_an_object_of_its_own() -> None:
    other = Models().model(replace(DEFAULT_MODEL, model_id="m-2", parameters={"horizon_hours": 6.0}), SystemClock())

    assert other is not shipped_model()


def test_every_policy_is_played_in_its_settings_and_a_line_is_printed_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path)

    code = backtest(tmp_path, *SHORT_JOB)

    said = capsys.readouterr()
    assert code == 0
    assert set(rows_of(said.out)) == {(setting, "all", policy) for setting in Setting for policy in PLAYED[setting]}
    assert "avail_made_up: job_zones, jobs on pool 2 of 2" in said.err
    assert {policy for played in PLAYED.values() for policy in played} == set(PolicyName)


def test_without_asking_for_it_nothing_of_the_last_third_changes_a_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for last_third in ("0", "1"):
        write_trace(tmp_path, last_third)
        assert backtest(tmp_path, *SHORT_JOB, "--by-pool", "--policy", "ours") == 0
        said.append(capsys.readouterr().out)

    assert said[0] == said[1]


def test_a_test_is_played_on_the_last_third_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path, "1")

    assert backtest(tmp_path, *SHORT_JOB, "--part", "test", "--policy", "cheapest_spot", "--setting", "job", "--setting", "replicas") == 0

    rows = rows_of(capsys.readouterr().out)
    # Always capacity: a job is done on spot with one start; thirteen hours hold two jobs of nine, three hours apart, on each pool.
    job = rows["job", "all", "cheapest_spot"]
    assert (job[0], job[3:]) == ("0.3286", ["1.0000", "0", "0", "0", "4", "36"])
    assert float(job[1]) <= float(job[0])
    assert rows["replicas", "all", "cheapest_spot"][-1] == "13"


def test_jobs_that_may_move_are_the_same_jobs_with_more_freedom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path)

    assert backtest(tmp_path, *SHORT_JOB, "--setting", "job", "--setting", "job_zones", "--policy", "ours", "--by-pool") == 0

    rows = rows_of(capsys.readouterr().out)
    for pool in ("us-west-2a_v100_1", "us-west-2b_v100_1", "all"):
        alone, free = rows["job", pool, "ours"], rows["job_zones", pool, "ours"]
        assert alone[-2:] == free[-2:]
        assert float(free[1]) <= float(alone[1])
    assert float(rows["job_zones", "all", "ours"][0]) < float(rows["job", "all", "ours"][0])


def test_a_job_does_not_move_to_a_zone_of_another_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_trace(tmp_path)
    file.write_text(file.read_text().replace("us-west-2b_v100_1", "us-west-2b_k80_1"))

    assert backtest(tmp_path, *SHORT_JOB, "--setting", "job", "--setting", "job_zones", "--policy", "ours") == 0

    rows = rows_of(capsys.readouterr().out)
    assert rows["job_zones", "all", "ours"] == rows["job", "all", "ours"]


def test_plots_are_drawn_and_a_table_can_be_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_trace(tmp_path)
    plots = tmp_path / "plots"

    assert backtest(tmp_path, *SHORT_JOB, "--policy", "on_demand", "--plots", str(plots), "--markdown") == 0

    files = sorted(file.name for file in plots.iterdir())
    kinds = ("always_on-avail_made_up", "job", "job_zones", "replicas-avail_made_up")
    assert files == [f"backtest-{kind}.svg" for kind in kinds]
    for file in files:
        texts = [element.text for element in ET.fromstring((plots / file).read_text()).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
        assert any(text is not None and text.startswith("on_demand") for text in texts)
    out = capsys.readouterr().out.splitlines()
    assert out[1] == "|" + " --- |" * 13
    assert all(line.startswith("| ") and line.endswith(" |") for line in out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policy", "lucky"], r"there is no policy 'lucky': expected one of on_demand, .*, ours"),
        (["--setting", "never"], r"there is no setting 'never': expected one of always_on, job, job_zones, replicas"),
        (["--set", "avail_other"], r"there is no set 'avail_other' in .*: expected one of avail_made_up"),
        (["--policy", "greedy", "--setting", "replicas"], r"policy greedy is not made for setting replicas: expected job, job_zones"),
        (["--deadline-hours", "6"], r"deadline hours 6: expected at least work and one start, 6\.2, to 10000"),
        (["--every-hours", "0"], r"hours between jobs 0\.0: expected a number above 0, to 10000"),
        (["--replicas", "0"], r"replicas 0: expected a whole number from 1 to 100"),
        (["--price-ratio", "nan"], r"price ratio nan: expected a number from 1 to 100"),
        (["--value-per-minute", "much"], r"value per minute much: expected USD, such as 0\.10"),
        (["--value-per-minute", "inf"], r"value per minute Infinity: expected USD, such as 0\.10"),
        (["--gap-seconds", "-1"], r"gap seconds -1\.0: expected a number from 1 to 3600"),
        (["--setting", "job", "--work-hours", "48", "--deadline-hours", "60"], r"no trace is long enough: nothing was played"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    write_trace(tmp_path)

    code = backtest(tmp_path, *SHORT_JOB, *arguments)

    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("spot-server: ")]
    assert code == 2
    assert len(lines) == 1
    assert re.fullmatch(f"spot-server: {said}", lines[0])


def test_a_folder_that_is_not_there_or_empty_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    codes = [backtest(tmp_path / "nowhere"), backtest(tmp_path)]

    missing, empty = capsys.readouterr().err.splitlines()
    assert codes == [2, 2]
    assert missing == f"spot-server: {tmp_path / 'nowhere'} is no folder: expected one with trace files, avail_*.csv.gz or preempt_*.csv.gz"
    assert empty == f"spot-server: {tmp_path}: no trace file here: expected files named *.csv.gz or *.csv"


def test_a_number_too_long_to_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "avail_made_up.csv"
    file.write_text(f"tick,us-west-2a_v100_1\n0,{'1' * 5000}\n")

    code = backtest(tmp_path, "--gap-seconds", "600")

    assert code == 2
    assert capsys.readouterr().err == (
        f"spot-server: {file}, line 2, column 2 (us-west-2a_v100_1): '{'1' * 40}'… (5000 characters) is no whole number of 0 or more\n"
    )


def test_a_gap_in_a_trace_names_line_and_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "avail_made_up.csv.gz"
    file.write_bytes(gzip.compress(b"tick,us-west-2a_v100_1\n0,1\n2,1\n"))

    code = backtest(tmp_path, "--gap-seconds", "600")

    assert code == 2
    assert capsys.readouterr().err == (
        f"spot-server: {file}, line 3, column 1 (tick): tick 2 where 1 comes next: a gap, or rows that are out of order\n"
    )


@pytest.mark.data
def test_on_a_slice_of_recorded_capacity_ours_is_between_the_bound_and_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Eight days of two pools, from the training part alone; the slice's own last third is not looked at either.
    trace = read_trace(recorded_data("spot_traces") / "avail_aws_usw2_2022q4.train_dev.csv.gz", Part.TRAIN)
    pools = trace.pools[:2]
    rows = "".join(f"{tick},{','.join(str(pool.count_at(tick)) for pool in pools)}\n" for tick in range(1152))
    (tmp_path / "avail_slice.csv").write_text(f"tick,{','.join(pool.name for pool in pools)}\n{rows}")
    chosen = ["--policy", "on_demand", "--policy", "uniform_progress", "--policy", "ours", "--setting", "job"]

    assert backtest(tmp_path, "--gap-seconds", "600", "--every-hours", "24", *chosen) == 0

    rows_by_name = rows_of(capsys.readouterr().out)
    cost, optimum = (float(cell) for cell in rows_by_name["job", "all", "ours"][:2])
    assert optimum <= cost < float(rows_by_name["job", "all", "on_demand"][0])
    assert rows_by_name["job", "all", "ours"][3] == "1.0000"
