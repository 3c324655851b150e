"""What the server knows of a region's markets: types, zones, and what on demand costs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import bindparam, select

from spot_server.db.runner import Transaction
from spot_server.db.tables import availability_zones, instance_types, on_demand_prices
from spot_server.db.upsert import insert_or_ignore, insert_or_update
from spot_server.features.pricing.market_rules import LINUX, KnownMarkets, base_product
from spot_server.words import OnDemandSource

ROWS_PER_STATEMENT = 100
"""SQLite before 3.32 takes at most 999 variables a statement; no row here has more than seven."""


@dataclass(frozen=True, slots=True)
class KnownOnDemand:
    """An on-demand price as it is stored."""

    instance_type: str
    usd_per_hour: Decimal
    source: OnDemandSource
    observed_at: datetime


_ZONES = select(availability_zones.c.az_id).where(availability_zones.c.region == bindparam("region"))
_ON_DEMAND = select(
    on_demand_prices.c.instance_type, on_demand_prices.c.usd_per_hour, on_demand_prices.c.source, on_demand_prices.c.observed_at
).where(
    on_demand_prices.c.region == bindparam("region"),
    on_demand_prices.c.product == bindparam("product"),
    on_demand_prices.c.instance_type.in_(bindparam("instance_types", expanding=True)),
)
_TYPES = select(instance_types.c.instance_type, instance_types.c.vcpu, instance_types.c.memory_mib, instance_types.c.architectures).where(
    instance_types.c.instance_type.in_(bindparam("instance_types", expanding=True))
)


def list_zone_ids(tx: Transaction, region: str) -> frozenset[str]:
    """Return the AZ ids of the region as EC2 named them to a control role; empty when none looked."""
    return frozenset(tx.execute(_ZONES, {"region": region}).scalars())


def store_zone_ids(tx: Transaction, region: str, az_ids: Iterable[str]) -> None:
    """Store the zones that EC2 names. One that it names no more stays: its prices do."""
    rows = [{"region": region, "az_id": az_id, "observed_at": tx.now} for az_id in sorted(set(az_ids))]
    insert_or_update(tx.connection, availability_zones, rows, key=["region", "az_id"], replace=["observed_at"])


def on_demand_of(tx: Transaction, region: str, wanted_types: Sequence[str], product: str) -> dict[str, KnownOnDemand]:
    """Return what these types cost on demand in the region, by type; types without a stored price are no key."""
    asked = {"region": region, "product": base_product(product), "instance_types": list(wanted_types)}
    return {row.instance_type: KnownOnDemand(*row) for row in tx.execute(_ON_DEMAND, asked)}


def on_demand_usd_per_hour(tx: Transaction, region: str, wanted_types: Sequence[str], product: str) -> dict[str, Decimal]:
    """Return the bare prices by type: the stored ones, else those of the catalogue file that the server was started with, of Linux."""
    catalogue = tx.policy.on_demand_usd_per_hour if base_product(product) == LINUX else {}
    from_file = {name: catalogue[name, region] for name in wanted_types if (name, region) in catalogue}
    stored = {name: price.usd_per_hour for name, price in on_demand_of(tx, region, wanted_types, product).items()}
    return {**from_file, **stored}


def known_markets(tx: Transaction, region: str, *, allowed_types: Iterable[str], wanted: Collection[tuple[str, str]]) -> KnownMarkets:
    """Return what is known of these (instance type, product): of the types, `allowed_types` and whatever has an on-demand price."""
    prices = {
        (instance_type, product): usd_per_hour
        for product in sorted({product for _type, product in wanted})
        for instance_type, usd_per_hour in on_demand_usd_per_hour(
            tx, region, sorted({name for name, of in wanted if of == product}), product
        ).items()
    }
    types = frozenset([*allowed_types, *(instance_type for instance_type, _product in prices)])
    return KnownMarkets(region, types, list_zone_ids(tx, region), prices)


def described_types(tx: Transaction, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what EC2 said of those of these types that it was asked about, as rows of the table, by type."""
    rows = tx.execute(_TYPES, {"instance_types": sorted(set(names))}).mappings()
    return {row["instance_type"]: dict(row) for row in rows}


def store_instance_types(tx: Transaction, rows: Sequence[dict[str, Any]], known: Collection[str] = ()) -> None:
    """Store what EC2 says of instance types. The first word holds, for EC2 never changes a type, and `known` ones are left alone.

    What one client's daemon says later must not change the sizes by which other clients' moves are judged; and ten thousand daemons that
    repeat the same would all wait for the same rows.
    """
    unique = {row["instance_type"]: row for row in rows if row["instance_type"] not in known}
    in_order = [{**unique[name], "updated_at": tx.now} for name in sorted(unique)]
    for start in range(0, len(in_order), ROWS_PER_STATEMENT):
        insert_or_ignore(tx.connection, instance_types, in_order[start : start + ROWS_PER_STATEMENT], key=["instance_type"])
