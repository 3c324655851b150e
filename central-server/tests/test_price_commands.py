"""`spot-server import-on-demand-prices` and `export-training-data`: what goes in and comes out, and one line for what is wrong."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from server_support.clock import START, FakeClock
from server_support.prices import Prices
from spot_server.cli import main
from spot_server.db.runner import Database
from spot_server.db.tables import on_demand_prices
from spot_server.features.consolidations.jobs import consolidate_prices
from spot_server.features.training_data.queries import stream_rows
from spot_server.features.training_data.rules import Span, choose_span, months_before
from spot_server.features.training_data.writing import COLUMNS, ParquetUnavailable, require_pyarrow, write_csv
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings


@pytest.fixture
def prices(database: Database, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Prices:
    """Prices in the database that the command line will find."""
    monkeypatch.setenv("SPOT_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    return Prices(database)


def stored(database: Database) -> dict[tuple[str, str], Decimal]:
    rows = database.read(lambda tx: list(tx.execute(select(on_demand_prices))))
    assert {(row.product, str(row.source)) for row in rows} <= {("Linux/UNIX", "catalogue")}
    return {(row.region, row.instance_type): row.usd_per_hour for row in rows}


def test_a_catalogue_is_imported_whatever_it_calls_its_price_and_again_is_harmless(
    prices: Prices, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalogue.csv.gz"
    file.write_bytes(gzip.compress(b"region,instance_type,od_usd_hr,vcpu\nus-east-1,m5.large,0.096,2\neu-west-1,m5.large,0.107,2\n"))

    codes = [main(["import-on-demand-prices", str(file)]) for _ in range(2)]

    assert codes == [0, 0]
    assert capsys.readouterr().out.splitlines() == ["stored 2 on-demand prices of 2 regions"] * 2
    assert stored(database) == {("us-east-1", "m5.large"): Decimal("0.096"), ("eu-west-1", "m5.large"): Decimal("0.107")}


def test_rows_without_a_price_are_left_out_and_said_to_be_and_a_region_can_be_named(
    prices: Prices, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text("instance_type,od_linux\nm5.large,0.096\nmac1.metal,\n")

    code = main(["import-on-demand-prices", str(file), "--region", "us-east-1"])

    assert (code, capsys.readouterr().out) == (
        0,
        "stored 1 on-demand prices of 1 regions; 1 without a price left out, the first in line 3\n",
    )
    assert stored(database) == {("us-east-1", "m5.large"): Decimal("0.096")}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,0.096\nc5.large,us-east-1,free\n", "line 3, column usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,-1\n", "line 2, column usd_per_hour"),
        ("instance_type,usd_per_hour\nm5.large,1\n", "line 1, column region: this column is missing, and no region was named"),
        ("instance_type,region,price\nm5.large,us-east-1,1\n", "it may also be called od_usd_hr or od_linux"),
    ],
)
def test_a_catalogue_with_a_mistake_is_one_line_and_nothing_is_stored(
    prices: Prices, database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, wrong: str
) -> None:
    file = tmp_path / "catalogue.csv"
    file.write_text(text)

    code = main(["import-on-demand-prices", str(file)])

    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (2, 1)
    assert wrong in error
    assert stored(database) == {}


def test_a_catalogue_that_is_not_there_is_one_line(prices: Prices, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["import-on-demand-prices", "/nowhere/catalogue.csv"])

    assert (code, capsys.readouterr().err.count("\n")) == (2, 1)


def consolidated(prices: Prices, clock: FakeClock) -> None:
    for zone, usd in (("use1-az1", "0.03"), ("use1-az2", "0.04")):
        for number in (0, 2):
            prices.see(prices.pool(zone), number, usd)
    prices.on_demand("0.096")
    clock.advance(3600)
    consolidate_prices(JobContext(prices.database, clock, Settings(), Metrics(), structlog.get_logger()))


def test_prices_are_written_in_order_with_what_is_made_up_marked(
    prices: Prices, clock: FakeClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consolidated(prices, clock)
    file = tmp_path / "prices.csv"

    code = main(["export-training-data", "--out", str(file), "--since", "2025-12-31", "--until", "2026-01-02"])

    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert (code, tuple(rows[0]), len(rows)) == (0, COLUMNS, 6)
    assert rows[1] == {
        "region": "us-east-1",
        "az_id": "use1-az1",
        "instance_type": "m5.large",
        "product": "Linux/UNIX",
        "at": "2026-01-01T00:05:00Z",
        "usd_per_hour": "0.03",
        "on_demand_usd_per_hour": "0.096",
        "source": "primary",
        "is_interpolated": "true",
        "distinct_price_count": "0",
    }
    assert [row["az_id"] for row in rows] == ["use1-az1"] * 3 + ["use1-az2"] * 3
    assert "wrote 6 prices from 2025-12-31" in capsys.readouterr().err
    assert list(tmp_path.glob("*.part*")) == []


def test_prices_can_go_to_standard_output(prices: Prices, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    consolidated(prices, clock)

    code = main(["export-training-data", "--since", "2026-01-01T00:10:00Z", "--until", "2026-01-02"])

    assert (code, len(capsys.readouterr().out.splitlines())) == (0, 3)


def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says of an export that has no rows."""
    capsys.readouterr()
    assert main(["export-training-data", *arguments]) == 0
    said = capsys.readouterr()
    assert said.out == ",".join(COLUMNS) + "\n"
    return said.err.strip()


def test_an_export_without_rows_says_why(prices: Prices, clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    of_nothing = exported(capsys)
    consolidate_prices(JobContext(prices.database, clock, Settings(), Metrics(), structlog.get_logger()))
    prices.see(prices.pool(), 0, "0.03")
    of_later = exported(capsys)
    clock.advance(12 * 3600)
    consolidated(prices, clock)

    assert of_nothing.endswith(": no pool is known: nobody has seen a price")
    assert of_later.endswith(": none is consolidated yet: the next consolidation is due at 2026-01-01T12:00:00+00:00")
    assert exported(capsys, "--since", "2025-01-01", "--until", "2025-02-01").endswith(
        ": the consolidated prices reach from 2026-01-01T00:00:00+00:00 to 2026-01-01T00:10:00+00:00"
    )
    assert exported(capsys, "--region", "mars-1").endswith(": no pool is known in mars-1: nobody has seen a price there")


def test_before_the_first_consolidation_an_export_says_who_makes_it(prices: Prices, capsys: pytest.CaptureFixture[str]) -> None:
    prices.see(prices.pool(), 0, "0.03")

    assert exported(capsys).endswith("none is consolidated yet, and no consolidation has begun: `spot-server jobs` does that")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--since", "2026-01-02", "--until", "2026-01-01"], "since"),
        (["--since", "yesterday"], "since"),
        (["--until", "2026-13-01"], "until"),
        (["--until", "0001-02-01"], "until"),
        (["--until", "9999-12-31T23:59:59Z"], "until"),
        (["--format", "parquet"], "--out"),
        (["--out", "/nowhere/prices.csv"], "/nowhere/prices.csv cannot be written"),
    ],
)
def test_an_export_that_makes_no_sense_is_one_line(
    prices: Prices, capsys: pytest.CaptureFixture[str], arguments: list[str], wrong: str
) -> None:
    code = main(["export-training-data", *arguments])

    error = capsys.readouterr().err
    assert (code, error.count("\n")) == (1 if "nowhere" in wrong else 2, 1)
    assert wrong in error


def test_an_export_that_fails_leaves_the_file_of_before(
    prices: Prices, clock: FakeClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consolidated(prices, clock)
    file = tmp_path / "prices.csv"
    file.write_text("of before")
    monkeypatch.setenv("SPOT_DATABASE_URL", f"sqlite:///{tmp_path}/empty.db")

    code = main(["export-training-data", "--out", str(file)])

    assert code == 3
    assert [path.name for path in tmp_path.iterdir() if "prices" in path.name] == ["prices.csv"]
    assert file.read_text() == "of before"


def test_without_pyarrow_parquet_is_refused_with_what_to_do() -> None:
    def find(name: str) -> Any:
        raise ModuleNotFoundError(name)

    with pytest.raises(ParquetUnavailable, match="pyarrow, which is not installed"):
        require_pyarrow(find)


def test_three_months_of_prices_are_read_a_stretch_at_a_time(prices: Prices, database: Database, clock: FakeClock) -> None:
    for days in range(80):
        prices.see(prices.pool(), 288 * days, "0.03")
    clock.advance(timedelta(days=81).total_seconds())
    consolidate_prices(JobContext(database, clock, Settings(), Metrics(), structlog.get_logger()))
    span = choose_span(None, None, clock.now())

    parts = [len(rows) for _pool, rows in stream_rows(database, span, "us-east-1")]
    count = write_csv(stream_rows(database, Span(START, START + timedelta(days=1)), None), io.StringIO())

    assert (parts, sum(parts)) == ([8640, 8640, 79 * 288 + 1 - 2 * 8640], 79 * 288 + 1)
    assert count == 288
    assert list(stream_rows(database, span, "eu-west-1")) == []


@given(st.integers(0, 40_000).map(lambda days: START + timedelta(days=days)), st.integers(1, 30))
def test_some_months_before_is_the_same_day_or_the_last_of_its_month(moment: datetime, months: int) -> None:
    before = months_before(moment, months)

    assert (moment.year - before.year) * 12 + moment.month - before.month == months
    assert before.day == moment.day or (before.day < moment.day and (before + timedelta(days=1)).day == 1)
    assert before.time() == moment.time()
