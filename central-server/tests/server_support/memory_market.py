"""AWS's markets in memory. `test_market_conformance.py` holds it to what the real adapters do against the simulated region."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from server_support.clock import START
from server_support.memory_aws import failure
from spot_server.aws.errors import AwsFailed
from spot_server.aws.market_ports import MarketPort, OnDemandFacts, SpotPriceFacts
from spot_server.aws.ports import ControlRole

LINUX = "Linux/UNIX"
ZONES = {"us-east-1a": "use1-az1", "us-east-1b": "use1-az2"}


@dataclass
class FakeMarket:
    """`refusals` are raised once each, before an answer. `asked` notes each question about spot prices."""

    zones: Mapping[str, str] = field(default_factory=lambda: dict(ZONES))
    changes: dict[tuple[str, str], list[tuple[datetime, str]]] = field(default_factory=dict)
    """(zone's name, type): (since when, USD per hour), oldest first."""
    on_demand: dict[str, str] = field(default_factory=dict)
    known_types: set[str] = field(default_factory=set)
    refusals: list[AwsFailed] = field(default_factory=list)
    asked: list[tuple[tuple[str, ...], datetime]] = field(default_factory=list)
    page_rows: int = 3
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    """What happens elsewhere, once each, while spot prices are being told."""

    def refuse(self, code: str) -> None:
        self.refusals.append(failure(code))

    def change(self, az_name: str, instance_type: str, at: datetime, usd: str) -> None:
        self.changes.setdefault((az_name, instance_type), []).append((at, usd))
        self.known_types.add(instance_type)

    def zone_ids(self) -> Mapping[str, str]:
        self._begin()
        return self.zones

    def spot_prices(
        self, instance_types: Sequence[str], products: Sequence[str], since: datetime, until: datetime
    ) -> Iterator[tuple[SpotPriceFacts, ...]]:
        self._begin()
        self.asked.append((tuple(instance_types), since))
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if not self.known_types.issuperset(instance_types):
            raise failure("InvalidParameterValue")
        rows = [
            SpotPriceFacts(az_name, name, LINUX, Decimal(usd), at)
            for (az_name, name), series in self.changes.items()
            if name in instance_types and LINUX in products
            for at, usd in _in_force(series, since, until)
        ]
        rows.sort(key=lambda row: row.effective_at, reverse=True)
        for start in range(0, max(1, len(rows)), self.page_rows):
            yield tuple(rows[start : start + self.page_rows])

    def on_demand_prices(self, product: str) -> Iterator[tuple[OnDemandFacts, ...]]:
        self._begin()
        if product == LINUX:
            yield tuple(OnDemandFacts(name, Decimal(usd), START) for name, usd in self.on_demand.items())

    def _begin(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


def _in_force(series: list[tuple[datetime, str]], since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    before = [change for change in series if change[0] < since]
    return before[-1:] + [change for change in series if since <= change[0] <= until]


@dataclass
class FakeMarkets:
    """The way there: one market per region; roles in `refused` may not be assumed."""

    markets: dict[str, FakeMarket] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Role ARN to the code of STS."""
    forgotten: list[str] = field(default_factory=list)

    def market(self, role: ControlRole, region: str) -> MarketPort:
        if role.role_arn in self.refused:
            raise failure(self.refused[role.role_arn])
        return self.markets[region]

    def forget(self, role: ControlRole, region: str) -> None:
        self.forgotten.append(role.role_arn)
