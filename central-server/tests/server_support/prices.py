"""Prices for tests: pools, what was seen in them, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select, update

from server_support.clock import START
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import on_demand_prices, price_progress, pricing_canonical, spot_price_snapshots
from spot_server.features.pricing.queries import ensure_pools, reopen, store_observations
from spot_server.features.pricing.rules import BUCKET, Observation, bucket_of
from spot_server.words import OnDemandSource, PriceSource

LINUX = "Linux/UNIX"


def bucket(number: int, begin: datetime = START) -> datetime:
    """The start of the n-th five minutes."""
    return begin + number * BUCKET


@dataclass(frozen=True)
class Prices:
    """The price tables of a test's database."""

    database: Database

    def pool(self, az_id: str = "use1-az1", instance_type: str = "m5.large", region: str = "us-east-1") -> int:
        """The id of a pool, which is made if it is not there."""
        market = (region, az_id, instance_type, LINUX)
        return self.database.write(lambda tx: ensure_pools(tx, [market]))[market]

    def see(
        self,
        pool_id: int,
        number: int,
        usd: str,
        *,
        source: PriceSource = PriceSource.PRIMARY,
        count: int = 1,
        begin: datetime = START,
    ) -> None:
        """Somebody saw this price in the n-th five minutes, and it is stored as what comes in is."""
        at = bucket(number, begin)
        seen = [Observation(pool_id, bucket_of(at), source, Decimal(usd), count, at, at)]
        self.database.write(lambda tx: _take_in(tx, seen))

    def on_demand(self, usd: str, instance_type: str = "m5.large", region: str = "us-east-1") -> None:
        """What the type costs on demand."""
        row = {"region": region, "instance_type": instance_type, "product": LINUX, "usd_per_hour": Decimal(usd)}
        self._execute(insert(on_demand_prices).values(**row, source=OnDemandSource.CATALOGUE, observed_at=START))

    def note_consolidated(self, pool_id: int, until: datetime) -> None:
        """As if the pool had been consolidated up to then."""
        self._execute(update(price_progress).where(price_progress.c.pool_id == pool_id).values(consolidated_until=until))

    def canonical(self, pool_id: int, begin: datetime = START) -> list[tuple[int, str, str, bool]]:
        """The pool's points: (number of the five minutes, price, source, whether it is interpolated)."""
        table = pricing_canonical
        rows = self._rows(select(table).where(table.c.pool_id == pool_id).order_by(table.c.bucket_at))
        return [((row.bucket_at - begin) // BUCKET, f"{row.usd_per_hour:f}", str(row.source), row.is_interpolated) for row in rows]

    def snapshots(self, pool_id: int) -> list[Any]:
        """What was seen in the pool."""
        table = spot_price_snapshots
        return self._rows(select(table).where(table.c.pool_id == pool_id).order_by(table.c.bucket_at))

    def _execute(self, statement: Any) -> None:
        self.database.write(lambda tx: tx.execute(statement).rowcount)

    def _rows(self, statement: Any) -> list[Any]:
        return self.database.read(lambda tx: list(tx.execute(statement)))


def _take_in(tx: Transaction, seen: list[Observation]) -> None:
    store_observations(tx, seen)
    reopen(tx, seen)
