"""Recorded traces: read strictly, and the last third of each series only for who asks for it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.recorded_data import recorded_data
from spot_server.backtest.traces import Part, Trace, TraceError, TraceKind, read_trace, read_traces

POOL = "us-west-2a_v100_1"
NINE_TICKS = "".join(f"{tick},{tick % 2}\n" for tick in range(9))


def written(directory: Path, text: str, name: str = "avail_made_up.csv") -> Path:
    """Write a trace file; gzipped where its name says so."""
    file = directory / name
    file.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return file


def test_without_asking_for_it_nothing_of_the_last_third_is_given(tmp_path: Path) -> None:
    file = written(tmp_path, f"tick,{POOL}\n{NINE_TICKS}")

    trace = read_trace(file, gap_seconds=60)

    pool = trace.pools[0]
    assert (pool.counts, pool.cut_tick, trace.windows, trace.part) == ((0, 1, 0, 1, 0, 1), 6, (range(6),), Part.TRAIN)
    assert pool.count_at(6) is None


def test_the_last_third_is_given_alone_or_with_what_was_before(tmp_path: Path) -> None:
    file = written(tmp_path, f"tick,{POOL}\n{NINE_TICKS}", "preempt_made_up.csv.gz")

    test = read_trace(file, Part.TEST, gap_seconds=60)
    whole = read_trace(file, Part.WHOLE, gap_seconds=60)

    assert (test.pools[0].first_tick, test.pools[0].counts, test.windows) == (6, (0, 1, 0), (range(6, 9),))
    assert (test.pools[0].count_at(5), test.pools[0].count_at(7)) == (None, 1)
    assert (len(whole.pools[0].counts), whole.pools[0].cut_tick, whole.kind) == (9, 6, TraceKind.PREEMPTION)


def test_a_series_that_begins_late_is_cut_at_two_thirds_of_its_own_time(tmp_path: Path) -> None:
    rows = "".join(f"{tick},1,{'' if tick < 6 else 1}\n" for tick in range(12))
    file = written(tmp_path, f"tick,{POOL},us-west-2b_v100_1\n{rows}")

    trace = read_trace(file, gap_seconds=60)

    assert [(pool.first_tick, pool.end_tick) for pool in trace.pools] == [(0, 8), (6, 10)]
    assert trace.common_ticks() == (range(6, 8),)


def test_the_names_of_pools_say_where_and_what_they_are(tmp_path: Path) -> None:
    file = written(tmp_path, f"tick,{POOL},ap-south-1b_a10g_4\n0,1,1\n1,1,1\n2,1,1\n")

    known, other = read_trace(file, gap_seconds=60).pools

    assert (known.zone, known.region, known.instance_type) == ("us-west-2a", "us-west-2", "p3.2xlarge")
    assert (other.zone, other.region, other.instance_type) == ("ap-south-1b", "ap-south-1", "a10g_4")


def test_a_gap_between_windows_is_none_and_the_tick_is_the_mean_step_within_them(tmp_path: Path) -> None:
    rows = [
        "0,1,2022-10-26T22:05:04Z,1",
        "1,1,2022-10-26T22:15:04Z,1",
        "2,1,2022-10-26T22:25:05Z,0",
        "3,2,2022-11-02T00:00:00Z,1",
        "4,2,2022-11-02T00:10:00Z,1",
    ]
    file = written(tmp_path, f"tick,window,ts_utc,{POOL}\n" + "\n".join([*rows, "5,2,2022-11-02T00:20:00Z,1"]) + "\n")

    trace = read_trace(file, Part.WHOLE)

    assert trace.windows == (range(3), range(3, 6))
    assert trace.gap_seconds == pytest.approx(600.25)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, "1"),
        ("\n0,1\n", 1, "1"),
        (f"tick,{POOL}\n", 0, ""),
        ("tick\n0\n", 0, ""),
        (f"{POOL},tick\n1,0\n", 1, f"1 ({POOL})"),
        (f"tick,{POOL},{POOL}\n0,1,1\n", 1, f"3 ({POOL})"),
        ("tick,v100_1\n0,1\n", 1, "2 (v100_1)"),
        (f'tick,{POOL}\n0,"1"x\n', 2, "1"),
        (f"tick,{POOL}\n0,1\n1\n", 3, "1"),
        (f"tick,{POOL}\n0,1\n\n1,1\n", 3, "0"),
        (f"tick,{POOL}\n0,1,1\n", 2, "3"),
        (f"tick,{POOL}\n0,1\n2,1\n", 3, "1 (tick)"),
        (f"tick,{POOL}\n0,1\n1,1\n1,1\n", 4, "1 (tick)"),
        (f"tick,{POOL}\n1,1\n", 2, "1 (tick)"),
        (f"tick,{POOL}\n0,1\n1,\n2,1\n", 3, f"2 ({POOL})"),
        (f"tick,{POOL}\n0,1\n1,2\n", 3, f"2 ({POOL})"),
        (f"tick,{POOL}\n0,-1\n", 2, f"2 ({POOL})"),
        (f"tick,{POOL}\n0,0.5\n", 2, f"2 ({POOL})"),
        (f"tick,{POOL}\n0,{'1' * 5000}\n", 2, f"2 ({POOL})"),
        (f"tick,{POOL}\n{'0' * 5000},1\n", 2, "1 (tick)"),
        (f"tick,window,{POOL}\n0,{'1' * 5000},1\n", 2, "2 (window)"),
        (f"tick,{POOL}\n0,\n1,\n", 2, f"2 ({POOL})"),
        (f"tick,window,{POOL}\n0,2,1\n", 2, "2 (window)"),
        (f"tick,window,{POOL}\n0,1,1\n1,3,1\n", 3, "2 (window)"),
        (f"tick,window,{POOL}\n0,1,1\n1,2,1\n2,1,1\n", 4, "2 (window)"),
        (f"tick,ts_utc,{POOL}\n0,yesterday,1\n", 2, "2 (ts_utc)"),
        (f"tick,ts_utc,{POOL}\n0,2022-10-26T22:05:04Z,1\n1,2022-10-26T22:05:04Z,1\n", 3, "2 (ts_utc)"),
        (
            f"tick,ts_utc,{POOL}\n0,2022-10-26T22:00:00Z,1\n1,2022-10-26T22:10:00Z,1\n2,2022-10-26T22:20:00Z,1\n3,2022-10-26T22:40:00Z,1\n",
            5,
            "2 (ts_utc)",
        ),
    ],
)
def test_a_gap_or_disorder_names_line_and_column(tmp_path: Path, text: str, line: int, column: str) -> None:
    file = written(tmp_path, text)

    with pytest.raises(TraceError) as caught:
        read_trace(file, gap_seconds=60)

    assert (caught.value.line, caught.value.column) == (line, column)
    assert len(str(caught.value)) < 400


def test_two_files_of_one_set_are_refused_by_their_names(tmp_path: Path) -> None:
    for name in ("avail_made_up.csv", "avail_made_up.train_dev.csv", "avail_other.csv.gz"):
        written(tmp_path, f"tick,{POOL}\n{NINE_TICKS}", name)

    with pytest.raises(TraceError, match=r"made_up\.train_dev\.csv: the set avail_made_up is there twice, also as avail_made_up\.csv:"):
        read_traces(tmp_path, gap_seconds=60)


def test_a_file_that_is_cut_short_or_has_no_seconds_or_another_name_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path, f"tick,{POOL}\n{NINE_TICKS}", "avail_made_up.csv.gz")
    short = tmp_path / "avail_short.csv.gz"
    short.write_bytes(whole.read_bytes()[:-12])

    for file, expected in (
        (short, "cannot be read"),
        (whole, "seconds of a tick must be given"),
        (written(tmp_path, NINE_TICKS, "prices.csv"), "no name of a set"),
        (tmp_path / "avail_nowhere.csv", "cannot be read"),
    ):
        with pytest.raises(TraceError, match=expected):
            read_trace(file)


def test_a_folder_without_traces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no trace file here"):
        read_traces(tmp_path)


@given(counts=st.lists(st.integers(0, 16), min_size=2, max_size=60))
def test_train_and_test_are_the_whole_and_share_nothing(tmp_path_factory: pytest.TempPathFactory, counts: list[int]) -> None:
    rows = "".join(f"{tick},{count}\n" for tick, count in enumerate(counts))
    file = written(tmp_path_factory.mktemp("traces"), f"tick,{POOL}\n{rows}", "avail_made_16node_up.csv")

    train, test, whole = (read_trace(file, part, gap_seconds=60).pools[0] for part in (Part.TRAIN, Part.TEST, Part.WHOLE))

    assert train.counts + test.counts == whole.counts == tuple(counts)
    assert train.end_tick == test.first_tick == whole.cut_tick == len(counts) * 2 // 3


@pytest.mark.data
def test_the_recorded_sets_are_read_as_their_readme_describes_them() -> None:
    traces = {trace.name: trace for trace in read_traces(recorded_data("spot_traces"))}

    assert {name: (len(trace.pools), trace.node_count, round(trace.gap_seconds, 1)) for name, trace in traces.items()} == {
        "avail_aws_16node_v100_2023q3": (2, 16, 300.0),
        "avail_aws_9zones_v100_2023q1": (7, 1, 195.5),
        "avail_aws_usw2_2022q4": (6, 1, 600.1),
        "preempt_aws_r5_16xl_2023q2": (2, 1, 34.0),
        "preempt_aws_v100_2023q2": (3, 1, 32.0),
    }
    assert all(_is_cut(trace) for trace in traces.values())


def _is_cut(trace: Trace) -> bool:
    return all(pool.end_tick == pool.cut_tick for pool in trace.pools)
