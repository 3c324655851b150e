"""The catalogue of on-demand prices: read once, wrong lines named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from spot_server.features.pricing.on_demand import CatalogueError, load_catalogue


def test_a_catalogue_of_on_demand_prices_is_read(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("instance_type,region,usd_per_hour\nm5.large,us-east-1,0.096\n")

    found = load_catalogue(str(file)).price_of("m5.large", "us-east-1")

    assert found is not None
    assert (found.usd_per_hour, found.source) == (Decimal("0.096"), "catalogue")
    assert load_catalogue("").price_of("m5.large", "us-east-1") is None


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("instance_type,region\n", 1, "usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,cheap\n", 2, "usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,0\n", 2, "usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,NaN\n", 2, "usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,1\n,us-east-1,1\n", 3, "instance_type"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,1\nm5.large,us-east-1,2\n", 3, "instance_type"),
        ("instance_type,region,usd_per_hour\nm5.large\n", 2, "region"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,1,2\n", 2, "usd_per_hour"),
        ("instance_type,region,usd_per_hour\nm5.large,us-east-1,1\nfoo bar,us-east-1,1\n", 3, "instance_type"),
        ("instance_type,region,usd_per_hour\nm5.large,mars-1,1\n", 2, "region"),
    ],
)
def test_a_wrong_catalogue_names_line_and_column(tmp_path: Path, text: str, line: int, column: str) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(text)

    with pytest.raises(CatalogueError) as caught:
        load_catalogue(str(file))

    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_line_that_was_cut_off_is_named_and_one_without_a_price_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    whole = "instance_type,region,usd_per_hour\nm5.large,us-east-1,0.096\nu-6tb1.metal,us-gov-west-1,\n"
    file.write_text(whole)

    assert load_catalogue(str(file), leave_out_unpriced=True).unpriced_lines == (3,)
    file.write_text(whole + "c5.large\n")
    with pytest.raises(CatalogueError, match=r"line 4, column region: the line ends before this column"):
        load_catalogue(str(file), leave_out_unpriced=True)
    file.write_text(whole + "c5.large,us-east-1")
    with pytest.raises(CatalogueError, match=r"line 4, column usd_per_hour: the line ends before this column"):
        load_catalogue(str(file), leave_out_unpriced=True)


def test_a_region_that_is_named_for_all_rows_is_one(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("instance_type,usd_per_hour\nm5.large,0.096\n")

    with pytest.raises(CatalogueError, match=r"'mars-1' was named for all rows, and is no region such as us-east-1"):
        load_catalogue(str(file), region="mars-1")
