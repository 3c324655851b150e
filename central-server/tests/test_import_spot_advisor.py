"""`spot-server import-spot-advisor`: one sentence about what was stored, one line about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from spot_server.cli import main
from test_advisor_files import HEADER


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A SQLite file with the present schema."""
    chosen = f"sqlite:///{tmp_path}/spot.db"
    monkeypatch.setenv("SPOT_DATABASE_URL", chosen)
    main(["migrate"])
    return chosen


def written(tmp_path: Path, rows: str) -> str:
    file = tmp_path / "advisor.csv"
    file.write_text(HEADER + rows)
    return str(file)


def test_the_newest_band_of_each_market_is_stored(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "2025-06-28,us-east-1,m5.large,60,1\n2024-02-28,us-east-1,m5.large,70,4\n2025-06-28,us-east-1,c5.large,60,0\n")
    capsys.readouterr()

    codes = [main(["import-spot-advisor", file]), main(["import-spot-advisor", file])]

    assert (codes, capsys.readouterr().out.splitlines()) == ([0, 0], ["stored the bands of 2 markets, of 3 rows"] * 2)


def test_a_wrong_row_is_one_line_that_says_where_and_nothing_is_stored(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, "2025-06-28,us-east-1,m5.large,60,1\n2025-06-28,us-east-1,c5.large,60,9\n")
    capsys.readouterr()

    code = main(["import-spot-advisor", file])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == f"spot-server: {file}, line 3, column interruption_band: '9' is no whole number from 0 to 4\n"


def test_a_snapshot_of_a_day_to_come_is_refused(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its market would take no other file until then."""
    file = written(tmp_path, "2999-01-01,us-east-1,m5.large,60,1\n")
    capsys.readouterr()

    code = main(["import-spot-advisor", file])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err == f"spot-server: {file}, line 2, column snapshot: '2999-01-01' is a day to come\n"
