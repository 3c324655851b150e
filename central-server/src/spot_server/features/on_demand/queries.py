"""The cache of on-demand prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import bindparam, func, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import on_demand_prices
from spot_server.db.upsert import insert_or_update
from spot_server.words import OnDemandSource

ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class NewPrice:
    """What a type costs on demand, as it was told; `effective_at` None: since when was not said."""

    region: str
    instance_type: str
    product: str
    usd_per_hour: Decimal
    effective_at: datetime | None = None


_NEWEST = select(func.max(on_demand_prices.c.observed_at)).where(
    on_demand_prices.c.region == bindparam("region"),
    on_demand_prices.c.product == bindparam("product"),
    on_demand_prices.c.source == OnDemandSource.PRICE_LIST,
)


def read_list_at(tx: Transaction, region: str, product: str) -> datetime | None:
    """Return when the price list was last read for the region and product; None: never."""
    newest: datetime | None = tx.execute(_NEWEST, {"region": region, "product": product}).scalar_one()
    return newest


def store_prices(tx: Transaction, prices: Iterable[NewPrice], source: OnDemandSource) -> int:
    """Store prices, in place of what was stored of the same types; return how many."""
    unique = {(price.region, price.instance_type, price.product): price for price in prices}
    rows = [
        {
            "region": region,
            "instance_type": instance_type,
            "product": product,
            "usd_per_hour": price.usd_per_hour,
            "source": source,
            "effective_at": price.effective_at,
            "observed_at": tx.now,
        }
        for (region, instance_type, product), price in sorted(unique.items(), key=lambda item: item[0])
    ]
    told = ["usd_per_hour", "source", "effective_at", "observed_at"]
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        part = rows[start : start + ROWS_PER_STATEMENT]
        insert_or_update(tx.connection, on_demand_prices, part, key=["region", "instance_type", "product"], replace=told)
    return len(rows)
