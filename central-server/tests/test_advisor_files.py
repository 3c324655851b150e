"""Spot Advisor's file: read strictly, the newest snapshot of each market taken."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server_support.recorded_data import recorded_data
from spot_server.features.risk.advisor import AdvisorBand, AdvisorFileInvalid, newest_bands, read_advisor_file

HEADER = "snapshot,region,instance_type,savings_pct,interruption_band\n"


def test_rows_are_read_and_the_newest_of_each_market_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "advisor.csv.gz"
    rows = "2025-06-28,us-east-1,m5.large,60,1\n2024-02-28,us-east-1,m5.large,70,4\n2024-02-28,us-east-1,p5.48xlarge,-62,0\n"
    file.write_bytes(gzip.compress((HEADER + rows).encode()))

    found = newest_bands(read_advisor_file(file))

    assert sorted(found, key=lambda row: row.instance_type) == [
        AdvisorBand("us-east-1", "m5.large", 1, 60, datetime(2025, 6, 28, tzinfo=UTC)),
        AdvisorBand("us-east-1", "p5.48xlarge", 0, -62, datetime(2024, 2, 28, tzinfo=UTC)),
    ]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, "snapshot"),
        ("snapshot,region,instance_type,savings_pct\n", 1, "interruption_band"),
        (HEADER, 0, ""),
        (HEADER + "yesterday,us-east-1,m5.large,60,1\n", 2, "snapshot"),
        (HEADER + "1999-12-31,us-east-1,m5.large,60,1\n", 2, "snapshot"),
        (HEADER + "2025-06-28,,m5.large,60,1\n", 2, "region"),
        (HEADER + "2025-06-28,us-east-1, m5.large,60,1\n", 2, "instance_type"),
        (HEADER + f"2025-06-28,us-east-1,{'m' * 65},60,1\n", 2, "instance_type"),
        (HEADER + "2025-06-28,us-east-1,m5.large,101,1\n", 2, "savings_pct"),
        (HEADER + "2025-06-28,us-east-1,m5.large,60,5\n", 2, "interruption_band"),
        (HEADER + f"2025-06-28,us-east-1,m5.large,60,{'1' * 5000}\n", 2, "interruption_band"),
        (HEADER + f"2025-06-28,us-east-1,m5.large,-{'1' * 5000},1\n", 2, "savings_pct"),
        (HEADER + "2025-06-28,us-east-1,m5.large,60,<5%\n", 2, "interruption_band"),
        (HEADER + "2025-06-28,us-east-1,m5.large,60\n", 2, "interruption_band"),
        (HEADER + "2025-06-28,us-east-1,m5.large,60,1,2\n", 2, "interruption_band"),
        (HEADER + '2025-06-28,us-east-1,"m5"x,60,1\n', 2, "snapshot"),
        (HEADER + "2025-06-28,us-east-1,m5.large,60,1\n2025-06-28,us-east-1,m5.large,60,2\n", 3, "instance_type"),
    ],
)
def test_a_wrong_row_names_line_and_column(tmp_path: Path, text: str, line: int, column: str) -> None:
    file = tmp_path / "advisor.csv"
    file.write_text(text)

    with pytest.raises(AdvisorFileInvalid) as caught:
        read_advisor_file(file)

    assert (caught.value.line, caught.value.column) == (line, column)
    assert len(str(caught.value)) < 400


def test_a_file_that_is_not_there_or_cut_short_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "advisor.csv.gz"
    short.write_bytes(gzip.compress(HEADER.encode())[:-6])

    for file in (short, tmp_path / "nowhere.csv"):
        with pytest.raises(AdvisorFileInvalid, match="cannot be read"):
            read_advisor_file(file)


def test_the_first_line_of_a_day_to_come_is_named(tmp_path: Path) -> None:
    file = tmp_path / "advisor.csv"
    file.write_text(HEADER + "2025-06-28,us-east-1,m5.large,60,1\n2025-06-29,us-east-1,m5.large,60,1\n")

    assert len(read_advisor_file(file, now=datetime(2025, 6, 29, tzinfo=UTC))) == 2
    with pytest.raises(AdvisorFileInvalid, match="line 3, column snapshot: '2025-06-29' is a day to come"):
        read_advisor_file(file, now=datetime(2025, 6, 28, 23, 59, tzinfo=UTC))


@pytest.mark.data
def test_the_recorded_snapshots_are_read_whole() -> None:
    rows = read_advisor_file(recorded_data("spot_advisor") / "spot_advisor_linux.csv.gz")

    assert len(rows) == 4_255 + 11_948 + 14_962
    assert len(newest_bands(rows)) >= 14_962
