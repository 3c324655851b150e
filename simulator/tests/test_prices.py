"""Generated and recorded spot prices."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.model.catalogue import CATALOGUE
from spot_simulator.model.prices import GeneratedSeries, PriceAxis, PriceChange, RecordedSeries, history, one_per_second, price_at
from spot_simulator.price_book import PriceBook
from spot_simulator.recorded_prices import read_recording, replayed

START = datetime(2026, 1, 1, tzinfo=UTC)
ON_DEMAND = Decimal("0.096")
HEADER = "ts_utc,region,az,instance_type,product,price_usd_hr\n"


def generated(seed: int, pool: str = "m5.large/use1-az1", time_scale: float = 1.0) -> list[PriceChange]:
    """Return the changes of one generated pool until ten region days after the start."""
    axis = PriceAxis(START, time_scale)
    return list(GeneratedSeries(seed, pool, ON_DEMAND, axis).changes_until(axis.wall(10)))


@given(st.integers(0, 10_000))
def test_a_step_is_at_most_five_per_cent_and_never_nothing(seed: int) -> None:
    for before, after in pairwise(generated(seed)):
        assert before.at < after.at
        assert Decimal(0) < abs(after.usd_per_hour / before.usd_per_hour - 1) <= Decimal("0.05")


@given(st.integers(0, 10_000))
def test_prices_stay_between_nothing_and_on_demand(seed: int) -> None:
    assert all(0 < change.usd_per_hour <= ON_DEMAND for change in generated(seed))


def test_spot_is_about_fifty_nine_per_cent_below_on_demand() -> None:
    ratios = [price_at(generated(1, f"{entry.instance_type}/{zone}"), START) / ON_DEMAND for entry in CATALOGUE for zone in range(6)]

    assert Decimal("0.36") < median(ratios) < Decimal("0.46")


def test_a_pool_changes_one_to_four_times_a_day() -> None:
    changes = generated(3)

    days = (changes[-1].at - changes[0].at) / timedelta(days=1)
    assert 1.0 < len(changes) / days < 4.0


def test_after_the_start_region_days_pass_at_the_region_s_speed() -> None:
    slow, fast = generated(5, time_scale=1.0), generated(5, time_scale=0.01)

    assert [change.usd_per_hour for change in slow] == [change.usd_per_hour for change in fast]
    assert [change.at for change in slow if change.at < START] == [change.at for change in fast if change.at < START]
    assert fast[-1].at <= START + timedelta(days=0.1)


@given(st.integers(0, 10_000), st.floats(-80, 9), st.floats(0, 20))
def test_asking_in_steps_gives_the_same_series_as_asking_at_once(seed: int, first_day: float, later_days: float) -> None:
    axis = PriceAxis(START, 1.0)
    series = GeneratedSeries(seed, "pool", ON_DEMAND, axis)
    series.changes_until(axis.wall(first_day))

    later = axis.wall(min(10.0, first_day + later_days))

    at_once = [change for change in GeneratedSeries(seed, "pool", ON_DEMAND, axis).changes_until(axis.wall(10)) if change.at <= later]
    assert list(series.changes_until(later)) == at_once


@given(st.integers(0, 100), st.floats(-90, 10), st.floats(0, 30))
def test_history_gives_the_price_in_force_and_the_changes_after_it(seed: int, since_day: float, days: float) -> None:
    changes, axis = generated(seed), PriceAxis(START, 1.0)
    since, until = axis.wall(since_day), axis.wall(since_day + days)

    rows = history(changes, since, until)

    assert rows == sorted(rows, reverse=True)
    assert all(row.at <= until for row in rows)
    assert sum(row.at < since for row in rows) == 1
    assert rows[-1].usd_per_hour == price_at(changes, since) or rows[-1].at < since


def test_of_several_changes_in_one_second_the_last_is_told() -> None:
    changes = [PriceChange(START + timedelta(seconds=seconds), Decimal(str(seconds))) for seconds in (2.5, 1.9, 1.1, 0.5)]

    assert one_per_second(changes) == [changes[0], changes[1], changes[3]]


def test_before_its_first_change_a_series_has_its_first_price() -> None:
    only = PriceChange(START, Decimal(1))

    assert RecordedSeries([only]).changes_until(START - timedelta(days=1)) == [only]
    assert price_at([only], START - timedelta(days=1)) == Decimal(1)


def test_a_recording_is_played_from_its_last_week_on(tmp_path: Path) -> None:
    rows = [f"2022-03-{day:02d}T00:00:00Z,us-east-1,us-east-1a,m5.large,Linux/UNIX,0.0{day + 30}\n" for day in range(1, 31)]
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "".join(rows)).encode()))
    axis = PriceAxis(START, 0.1)

    series = replayed(read_recording(path, "us-east-1"), axis, {"us-east-1a": "use1-az6"})
    book = PriceBook(1, axis, series)

    assert book.spot_usd_per_hour("m5.large", "use1-az6", START) == Decimal("0.053")
    assert book.spot_usd_per_hour("m5.large", "use1-az6", START + timedelta(days=0.15)) == Decimal("0.054")
    assert book.spot_usd_per_hour("m5.large", "use1-az6", START + timedelta(days=99)) == Decimal("0.060")


def test_rows_of_other_regions_and_products_and_repeats_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    lines = [
        "2022-03-01T00:00:00Z,us-east-1,us-east-1a,m5.large,Linux/UNIX,0.04\n",
        "2022-03-02T00:00:00Z,us-east-1,us-east-1a,m5.large,Linux/UNIX,0.04\n",
        "2022-03-02T00:00:00Z,us-east-1,us-east-1a,m5.large,Windows,0.14\n",
        "2022-03-02T00:00:00Z,eu-west-1,eu-west-1a,m5.large,Linux/UNIX,0.05\n",
    ]
    path.write_text(HEADER + "".join(lines))

    series = replayed(read_recording(path, "us-east-1"), PriceAxis(START, 1.0), {"us-east-1a": "use1-az6"})

    assert {pool: [change.usd_per_hour for change in changes] for pool, changes in series.items()} == {
        ("m5.large", "use1-az6"): [Decimal("0.04")]
    }


def test_a_malformed_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(HEADER + "yesterday,us-east-1,us-east-1a,m5.large,Linux/UNIX,0.04\n")

    with pytest.raises(ValueError, match="line 2"):
        read_recording(path, "us-east-1")


def test_a_type_that_is_not_offered_has_no_price() -> None:
    with pytest.raises(KeyError):
        PriceBook(1, PriceAxis(START, 1.0), {}).changes("m5.nonsense", "use1-az1", START)
