"""The figures and the table of scripts/bench.sh."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Row, Spread, per_request, percentile, spread_of
from bench.table import HEADERS, align, in_order, number, render

TIMES = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=300)


def a_row(**changes: object) -> Row:
    values = {"load": "fleet", "endpoint": "heartbeat", "database": "sqlite", "per_second": 33.3, "spread": Spread(100, 4.0, 20.0, 30.0)}
    return Row(**{**values, "errors": 0, **changes})  # type: ignore[arg-type]  # builders take anything


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)])
def test_a_percentile_is_the_value_at_its_nearest_rank(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], share) == expected


def test_the_99th_of_a_few_values_is_the_largest() -> None:
    assert spread_of([3.0, 1.0, 2.0]) == Spread(count=3, p50_ms=2.0, p99_ms=3.0, max_ms=3.0)


@given(TIMES, st.floats(min_value=0.01, max_value=1.0))
def test_a_percentile_was_really_measured_and_covers_its_share(times: list[float], share: float) -> None:
    found = percentile(sorted(times), share)

    assert found in times
    assert sum(value <= found for value in times) >= math.floor(share * len(times))


@given(TIMES)
def test_a_spread_is_in_order(times: list[float]) -> None:
    spread = spread_of(times)

    assert spread.p50_ms <= spread.p99_ms <= spread.max_ms


def test_nothing_measured_is_no_figure_and_keeps_no_target() -> None:
    nothing = spread_of([])

    assert math.isnan(nothing.p99_ms)
    assert math.isnan(per_request(3.0, 0.0))
    assert a_row(spread=nothing, target_p99_ms=50.0).is_met is False


@pytest.mark.parametrize(("target", "errors", "expected"), [(None, 0, None), (20.0, 0, True), (19.9, 0, False), (50.0, 1, False)])
def test_a_target_is_kept_without_errors_only(target: float | None, errors: int, expected: bool | None) -> None:
    assert a_row(target_p99_ms=target, errors=errors).is_met is expected


def test_the_databases_stand_beside_each_other_for_each_endpoint() -> None:
    rows = [
        a_row(database=database, load=load, endpoint=endpoint)
        for database in ("sqlite", "mariadb")
        for load in ("fleet", "alone")
        for endpoint in ("config", "poll")
    ]

    ordered = [(row.load, row.endpoint, row.database) for row in in_order(rows)]

    assert ordered[:4] == [
        ("fleet", "config", "sqlite"),
        ("fleet", "config", "mariadb"),
        ("fleet", "poll", "sqlite"),
        ("fleet", "poll", "mariadb"),
    ]
    assert [load for load, _, _ in ordered[4:]] == ["alone"] * 4


def test_a_line_of_the_table_shows_every_figure() -> None:
    header, line = render([a_row(queries=2.0, target_p99_ms=50.0, of_no_op_ratio=0.25, per_second=1234.5)])

    assert header.split("  ")[0] == HEADERS[0]
    assert line.split() == ["fleet", "heartbeat", "sqlite", "1,234.5", "4.0", "20.0", "30.0", "0", "2.00", "50", "pass", "0.25"]


def test_columns_stand_below_each_other() -> None:
    assert align([("a", "1"), ("long", "100")], left_columns=1) == ["a       1", "long  100"]


@pytest.mark.parametrize(("value", "expected"), [(None, ""), (math.nan, "-"), (1234.56, "1,234.6"), (0.0, "0.0")])
def test_a_figure_that_is_missing_looks_different_from_zero(value: float | None, expected: str) -> None:
    assert number(value) == expected
