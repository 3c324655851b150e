"""Reading what was seen of prices, packed by the database: nothing of a row is lost, also where there are more than fit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from server_support.clock import START
from server_support.prices import Prices
from spot_server.db.runner import Database, Transaction
from spot_server.features.consolidations.rules import Seen, bucket_number
from spot_server.features.consolidations.seen_queries import MOST_COUNT, read_seen
from spot_server.words import PriceSource

FIRST = bucket_number(START)
LARGEST_MICROS = 2**31 - 1
"""The most that a SpotUsd holds."""


@pytest.fixture
def prices(database: Database) -> Prices:
    return Prices(database)


def test_every_row_comes_back_with_its_figures_in_the_order_of_time(prices: Prices, database: Database) -> None:
    pool_id, other = prices.pool(), prices.pool("use1-az2")
    rows = [
        (0, "0.000001", PriceSource.SERVER, 1),
        (5, "0.0317", PriceSource.PRIMARY, 20),
        (6, "2147.483647", PriceSource.REPLICA, 2**31 - 1),
        (6, "0.0317", PriceSource.PRIMARY, MOST_COUNT),
        (40, "0.5", PriceSource.REPLICA, MOST_COUNT + 1),
    ]
    for number, usd, source, count in rows:
        prices.see(pool_id, number, usd, source=source, count=count)
    prices.see(other, 6, "0.07")

    seen = database.read(lambda tx: read_seen(tx, [pool_id, other, 999], FIRST, FIRST + 41))

    assert seen == {
        pool_id: [
            Seen(FIRST, 3, 1, 1),
            Seen(FIRST + 5, 1, 31_700, 20),
            Seen(FIRST + 6, 1, 31_700, MOST_COUNT),
            Seen(FIRST + 6, 2, LARGEST_MICROS, MOST_COUNT),
            Seen(FIRST + 40, 2, 500_000, MOST_COUNT),
        ],
        other: [Seen(FIRST + 6, 1, 70_000, 1)],
        999: [],
    }


def test_the_bounds_cut_through_the_middle_of_what_is_packed(prices: Prices, database: Database) -> None:
    pool_id = prices.pool()
    for number in range(20):
        prices.see(pool_id, number, "0.03")

    seen = database.read(lambda tx: read_seen(tx, [pool_id], FIRST + 2, FIRST + 15))

    assert [row.bucket for row in seen[pool_id]] == list(range(FIRST + 2, FIRST + 15))


def test_more_prices_than_the_database_joins_are_read_one_by_one(prices: Prices, database: Database) -> None:
    pool_id = prices.pool()
    for number in range(60):
        prices.see(pool_id, number // 20, f"{Decimal('0.03') + number % 20 * Decimal('0.0001')}", count=1 + number)

    def read(tx: Transaction) -> dict[int, list[Seen]]:
        if database.engine.dialect.name != "sqlite":
            tx.connection.exec_driver_sql("SET SESSION group_concat_max_len = 1024")  # MySQL's own; MariaDB joins a million
        return read_seen(tx, [pool_id], FIRST, FIRST + 3)

    seen = database.read(read)

    assert sorted(seen[pool_id]) == [Seen(FIRST + number // 20, 1, 30_000 + number % 20 * 100, 1 + number) for number in range(60)]
