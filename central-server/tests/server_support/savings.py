"""An account to be kept: agents, prices that were seen, and the job that brings their days into the books."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.retention import job_context
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agents, clients, savings_snapshots, spot_price_snapshots
from spot_server.features.agents.queries import Agent
from spot_server.features.pricing.on_demand import OnDemandCatalogue, OnDemandPrice
from spot_server.features.pricing.queries import ensure_pools, store_observations
from spot_server.features.pricing.rules import Observation, bucket_of
from spot_server.features.savings import service
from spot_server.features.savings.jobs import SavingsKeeper
from spot_server.features.savings.pricing import tariff_of
from spot_server.features.savings.reckoning import Pricing
from spot_server.features.savings.service import DayShown, Report, ReportQuestion
from spot_server.settings import Settings
from spot_server.words import PriceSource

SPOT, ON_DEMAND = Decimal("0.04"), Decimal("0.096")
DAY_SECONDS = 86_400.0
CATALOGUE = OnDemandCatalogue({("m5.large", "us-east-1"): OnDemandPrice(ON_DEMAND, "catalogue", datetime(2026, 1, 1, tzinfo=UTC))})
MARKET = ("us-east-1", "use1-az1", "m5.large", "Linux/UNIX")


@dataclass
class Account:
    """One client's fleet, without traffic handles that cost, unless a test says so."""

    database: Database
    clock: FakeClock
    fleet: Fleet
    pricing: Pricing = field(default_factory=lambda: Pricing(CATALOGUE, tariff_of(Settings())))

    @classmethod
    def on(cls, database: Database, clock: FakeClock) -> Account:
        return cls(database, clock, Fleet.on(database))

    def agent(self, logical_agent_id: str = "web-1", *, addresses: int = 0, **changes: Any) -> Agent:
        """An agent on one spot instance, whose price is known from now on."""
        made = self.fleet.agent(logical_agent_id, **changes)
        handles = [{"kind": "elastic_ip", "allocation_id": f"eipalloc-{number}"} for number in range(addresses)]
        self.fleet.execute(update(agents).where(agents.c.agent_id == made.agent_id).values(traffic_handles=handles))
        self.price(SPOT)
        return made

    def price(
        self, usd: Decimal, *, market: tuple[str, str, str, str] = MARKET, at: datetime | None = None, seen_at: datetime | None = None
    ) -> None:
        """Somebody saw a price, which holds from `at` on."""
        effective_at = at or self.clock.now()
        seen = seen_at or self.clock.now()

        def store(tx: Transaction) -> None:
            pools = ensure_pools(tx, [market])
            store_observations(tx, [Observation(pools[market], bucket_of(seen), PriceSource.PRIMARY, usd, 1, effective_at, seen)])

        self.database.write(store)

    def passes(self, days: float) -> None:
        """Let time pass; the price of the market is seen again each day, as it is reported all the time."""
        left = days
        while left > 0:
            step = min(left, 0.5)
            left -= step
            self.clock.advance(step * DAY_SECONDS)
            self.database.write(self._see_again)

    def _see_again(self, tx: Transaction) -> None:
        pools = ensure_pools(tx, [MARKET])
        seen = spot_price_snapshots
        newest = tx.execute(select(seen).where(seen.c.pool_id == pools[MARKET]).order_by(seen.c.effective_at.desc()).limit(1)).one()
        again = Observation(pools[MARKET], bucket_of(tx.now), newest.source, newest.usd_per_hour, 1, newest.effective_at, tx.now)
        store_observations(tx, [again])

    def set_client(self, **values: Any) -> None:
        self.fleet.execute(update(clients).where(clients.c.client_id == self.fleet.client_id).values(**values))

    def keep(self, database: Database | None = None, **settings: Any) -> str:
        """One run of the job."""
        return SavingsKeeper(self.pricing)(job_context(database or self.database, self.clock, **settings))

    def report(self, **asked: Any) -> Report:
        question = ReportQuestion(**asked)
        return self.database.read(partial(service.read_report, client_id=self.fleet.client_id, asked=question, pricing=self.pricing))

    def day(self, agent: Agent, day: date) -> DayShown:
        return self.database.read(lambda tx: service.read_day(tx, self.fleet.client_id, agent.agent_id, day, self.pricing))

    def books(self) -> list[Any]:
        """Every stored day, by agent and day."""
        statement = select(savings_snapshots).order_by(savings_snapshots.c.agent_id, savings_snapshots.c.day)
        return self.database.read(lambda tx: list(tx.execute(statement)))

    @property
    def today(self) -> date:
        return self.clock.now().date()
