"""What decisions know of markets: windows from both tiers of prices, computed risks, and an honest word where there is none."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, insert, select

from server_support.clock import START, FakeClock
from server_support.counting import counted
from server_support.deciding import Deciding
from spot_server.db.runner import Database
from spot_server.db.tables import decisions, pool_risk_analysis, pricing_canonical, spot_pools, spot_price_snapshots
from spot_server.decision_models import PriceStep
from spot_server.features.decisions.hour_queries import HourPrice, consolidated_hours, seen_hours
from spot_server.features.decisions.market_sources import PriceWindows, RegionMarkets, read_markets
from spot_server.features.pricing.queries import ensure_pools, store_observations
from spot_server.features.pricing.rules import Observation, choose_current
from spot_server.words import Mode, PriceSource

HOUR = timedelta(hours=1)
MARKET = ("m5.large", "use1-az1")


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock, auto_switch_enabled=False)


def pool_of(deciding: Deciding) -> int:
    where = (spot_pools.c.instance_type == MARKET[0], spot_pools.c.az_id == MARKET[1])
    return int(deciding.story.fleet.scalars(select(spot_pools.c.pool_id).where(*where))[0])


def consolidate(deciding: Deciding, at: datetime, usd: str, *, is_interpolated: bool = False) -> None:
    row = {"pool_id": pool_of(deciding), "bucket_at": at, "usd_per_hour": Decimal(usd), "source": PriceSource.PRIMARY}
    deciding.story.fleet.execute(insert(pricing_canonical).values(**row, is_interpolated=is_interpolated, distinct_price_count=1))


def see(deciding: Deciding, at: datetime, usd: str) -> None:
    seen = Observation(pool_of(deciding), at, PriceSource.PRIMARY, Decimal(usd), 1, at, at)
    deciding.story.database.write(lambda tx: store_observations(tx, [seen]))


def compute_risk(deciding: Deciding, at: datetime, **changes: Any) -> None:
    ages = [{"age_hours": age, "chance_hour": chance / 4, "chance_day": chance} for age, chance in ((0.0, 0.4), (4.0, 0.2), (64.0, 0.1))]
    row = {
        "pool_id": pool_of(deciding),
        "computed_at": at,
        "score": 60,
        "chance_hour": 0.1,
        "chance_hour_low": 0.05,
        "chance_hour_high": 0.2,
        "chance_day": 0.4,
        "chance_day_low": 0.3,
        "chance_day_high": 0.5,
        "by_age": ages,
        "boot_seconds": 42.0,
        "boot_count": 3,
        "shortage_count": 0,
        "inputs": {},
        "model_version": "abc",
        **changes,
    }
    deciding.story.fleet.execute(insert(pool_risk_analysis).values(row))


def markets(deciding: Deciding, windows: PriceWindows | None = None) -> RegionMarkets:
    kept = windows or PriceWindows()
    return deciding.story.database.read(lambda tx: read_markets(tx, "us-east-1", "Linux/UNIX", ["m5.large", "m5a.large"], kept))


def test_a_window_has_what_is_consolidated_then_what_was_seen_and_marks_what_nobody_saw(deciding: Deciding) -> None:
    consolidate(deciding, START - 5 * HOUR, "0.040")
    consolidate(deciding, START - 4 * HOUR, "0.041", is_interpolated=True)
    see(deciding, START - 4 * HOUR, "0.099")
    see(deciding, START - 2 * HOUR, "0.042")

    window = markets(deciding).spot[MARKET].prices

    assert window == (
        PriceStep(START - 5 * HOUR, Decimal("0.04")),
        PriceStep(START - 4 * HOUR, Decimal("0.041"), is_interpolated=True),
        PriceStep(START - 2 * HOUR, Decimal("0.042")),
        PriceStep(START - HOUR, Decimal("0.042"), is_interpolated=True),
        PriceStep(START, Decimal("0.03")),
    )


def test_a_later_round_reads_only_the_hours_that_are_new_and_forgets_what_is_older_than_a_week(deciding: Deciding) -> None:
    windows = PriceWindows()
    see(deciding, START - 7 * 24 * HOUR, "0.050")
    first = markets(deciding, windows).spot[MARKET].prices
    deciding.story.clock.advance(3600)
    see(deciding, START + HOUR, "0.033")
    with counted(deciding.story.database.engine) as cost:
        second = markets(deciding, windows).spot[MARKET].prices

    assert first[0] == PriceStep(START - 7 * 24 * HOUR, Decimal("0.05"))
    assert [step.usd_per_hour for step in second] == [Decimal("0.03"), Decimal("0.033")]
    assert second == markets(deciding).spot[MARKET].prices
    assert cost.statements <= 8


@pytest.mark.parametrize(("hours", "usd"), [(6, Decimal("0.03")), (6.1, None), (24 * 60, None)])
def test_a_price_that_was_seen_long_ago_is_no_price_of_now(deciding: Deciding, hours: float, usd: Decimal | None) -> None:
    seen_at = markets(deciding).spot[MARKET].priced_at

    deciding.story.clock.advance(hours * 3600)

    market = markets(deciding).spot[MARKET]
    assert (market.usd_per_hour, market.priced_at) == (usd, seen_at)


def test_a_decision_says_since_when_the_price_where_it_runs_is_not_known(deciding: Deciding) -> None:
    deciding.set_mode(Mode.SPOT)
    deciding.story.clock.advance(7 * 3600)

    deciding.decide()

    assert (
        deciding.last.reasoning
        == "the price of spot/m5.large/use1-az1, where it runs, is not known: it was last seen at 2026-01-01T00:00:00Z"
    )


def test_a_computed_risk_is_taken_with_the_chance_of_an_instance_of_its_age(deciding: Deciding) -> None:
    compute_risk(deciding, START - timedelta(minutes=10))

    found = markets(deciding)

    risk = found.spot[MARKET].risk
    assert risk is not None
    assert (risk.chance_per_day, risk.low_per_day, risk.boot_seconds, risk.is_known) == (0.4, 0.3, 42.0, True)
    aged = [found.chance_at(found.spot[MARKET], hours) for hours in (0, 4, 20, 1000)]
    assert [None if one is None else one.per_day for one in aged] == [0.4, 0.2, pytest.approx(0.142, abs=0.002), 0.1]


def test_a_decision_rests_on_the_chance_of_the_instance_that_runs(deciding: Deciding) -> None:
    compute_risk(deciding, START - timedelta(minutes=10))
    deciding.set_mode(Mode.SPOT)

    deciding.decide()

    stored = deciding.story.fleet.scalars(select(decisions.c.input).where(decisions.c.decision_id == deciding.last.decision_id))
    assert json.loads(stored[0])["situation"]["chance_per_day"] == 0.4


@pytest.mark.parametrize("age", [None, timedelta(hours=7)])
def test_without_a_fresh_risk_one_is_assumed_and_said_to_be(deciding: Deciding, age: timedelta | None) -> None:
    if age is not None:
        compute_risk(deciding, START - age)

    found = markets(deciding)

    risk = found.spot[MARKET].risk
    assert risk is not None
    assert (risk.is_known, risk.basis.split(":")[0]) == (False, "unknown")
    assert found.chance_at(found.spot[MARKET], 5.0) is None


same_few = st.builds(
    lambda hour, source, micros, count, minutes: Observation(
        0, START - hour * HOUR, source, Decimal(micros) / 10**6, count, START - timedelta(minutes=minutes), START
    ),
    st.sampled_from([0, 1, 47, 48, 168]),
    st.sampled_from(PriceSource),
    st.sampled_from([1, 30_000, 2**31 - 1]),
    st.integers(1, 3),
    st.sampled_from([0, 1]),
)


@pytest.fixture
def two_pools(database: Database) -> list[int]:
    markets = [("us-east-1", "use1-az1", name, "Linux/UNIX") for name in ("m5.large", "m5a.large")]
    return sorted(database.write(lambda tx: ensure_pools(tx, markets)).values())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(seen=st.lists(st.tuples(st.integers(0, 1), same_few), max_size=30))
def test_the_database_chooses_the_price_of_an_hour_as_the_rule_does(
    database: Database, two_pools: list[int], seen: list[tuple[int, Observation]]
) -> None:
    """Where several were seen in the same five minutes, `choose_current` is the rule; the database sends one number for each hour."""
    of_pools = [replace(one, pool_id=two_pools[which]) for which, one in seen]
    # A statement may name a row once.
    stored = list({(one.pool_id, one.bucket_at, one.source, one.usd_per_hour): one for one in of_pools}.values())
    hours = [START - HOUR * back for back in range(169)]
    with database.engine.begin() as connection:
        connection.execute(delete(spot_price_snapshots))
    database.write(lambda tx: store_observations(tx, stored))

    found = database.read(lambda tx: seen_hours(tx, two_pools, hours))

    keys = {(one.pool_id, one.bucket_at) for one in stored}
    chosen = {key: choose_current([one for one in stored if (one.pool_id, one.bucket_at) == key]) for key in keys}
    assert found == {key: HourPrice(one.usd_per_hour, is_interpolated=False) for key, one in chosen.items()}


def test_a_week_of_consolidated_prices_comes_in_a_few_rows(database: Database, two_pools: list[int]) -> None:
    hours = [START - HOUR * back for back in range(169)]
    prices = {
        (pool_id, hour): HourPrice(Decimal(2**31 - 1 - back) / 10**6, is_interpolated=back % 3 == 0)
        for pool_id in two_pools
        for back, hour in enumerate(hours)
    }
    rows = [
        {"pool_id": pool_id, "bucket_at": hour, "usd_per_hour": usd, "source": PriceSource.PRIMARY, "is_interpolated": is_interpolated}
        for (pool_id, hour), (usd, is_interpolated) in prices.items()
    ]
    with database.engine.begin() as connection:
        connection.execute(insert(pricing_canonical), [{**row, "distinct_price_count": 1} for row in rows])

    sent: list[int] = []
    event.listen(database.engine, "after_cursor_execute", lambda _connection, cursor, *_: sent.append(cursor.rowcount))
    found = database.read(lambda tx: consolidated_hours(tx, two_pools, hours))

    assert found == prices
    if database.engine.dialect.name != "sqlite":  # whose driver does not count
        assert sum(sent) <= 2 * 5
