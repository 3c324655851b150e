"""The parts of `scripts/bench.sh prices` that need no server."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.plan import Window
from bench.prices.asking import p50_p95
from bench.prices.load import PricePlan, read_plan, write_plan
from bench.prices.markets import POOLS_A_REPORT, markets, report_body, type_names
from bench.prices.report import Figure, figure_lines
from bench.wire import Daemon
from spot_server.features.pricing.market_rules import LINUX, KnownMarkets, check_price
from spot_server.features.pricing.schemas import PriceReportSchema

AT = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("pools", [1, 50, 500])
def test_there_are_as_many_pools_as_asked_for_six_of_a_type(pools: int) -> None:
    made = markets(pools)

    assert len(set(made)) == len(made) == pools
    assert {name for _az_id, name in made} == set(type_names(pools))
    assert len([one for one in made if one[1] == made[0][1]]) == min(pools, 6)


def test_more_pools_than_there_are_types_for_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 720 pools"):
        markets(721)


def test_a_made_up_report_is_one_that_the_server_takes_whole() -> None:
    body = report_body(7, "i-1", "report-1", AT, markets(500))

    _instance_id, report = PriceReportSchema().load(body)

    known = KnownMarkets("us-east-1", frozenset(type_names(500)), on_demand_usd_per_hour={("none", LINUX): 1})  # type: ignore[dict-item]
    refused = [check_price(index, price, known, now=report.observed_at) for index, price in report.prices]
    assert report.refused == []
    assert refused == [None] * POOLS_A_REPORT
    assert len({(price.az_id, price.instance_type) for _index, price in report.prices}) == POOLS_A_REPORT


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = PricePlan(8080, Window(1.0, 2.0, 3.0), (Daemon("agent-1", "i-1", "token"),), 500, with_reports=True)

    write_plan(tmp_path / "plan.json", plan)

    assert read_plan(tmp_path / "plan.json") == plan


def test_a_bar_is_held_against_the_figure_and_what_has_none_has_no_verdict() -> None:
    figures = [Figure("reads", "ms", 29.9, 30.0, 10.0, 50.0, 2.5), Figure("writes", "ms", 30.0, 30.0), Figure("waits", "ms", math.nan)]

    heading, *lines = figure_lines(figures)

    assert heading.startswith("what")
    assert ["pass" in line for line in lines] == [True, False, False]
    assert ["FAIL" in line for line in lines] == [False, True, False]


def test_p95_is_a_time_that_some_request_took() -> None:
    assert p50_p95([float(number) for number in range(1, 101)]) == (50.0, 95.0)
