"""Score risk and decide for a large fleet: `scripts/bench.sh decisions`. Prints how long both together take, and where the time goes."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine, event, insert, update

from bench.databases import MARIADB, SQLITE, has_mariadb, lend_database
from bench.fleet import make_agents
from bench.past import store_past
from bench.report import machine_line
from bench.table import align, number
from spot_server.clock import SystemClock
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agents, instances, spot_price_snapshots
from spot_server.features.decisions.jobs import DecisionRound
from spot_server.features.pricing.market_queries import store_instance_types
from spot_server.features.pricing.queries import ensure_pools
from spot_server.features.risk.jobs import RiskAnalysis
from spot_server.features.risk.model import load_model
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import Mode, PriceSource

ZONES = tuple(f"use1-az{number}" for number in range(1, 7))
PRODUCT = "Linux/UNIX"
REGION = "us-east-1"
TYPES_OF_AN_AGENT = 3
ROUNDS = 4
"""Of decisions, at their own period: the risk is computed in the first of them, and in one of the three that follow."""
REGISTERED = 100
BAR_SECONDS = 10.0
"""For both together, with 10,000 agents and 500 pools."""
ROWS_AT_ONCE = 10_000
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Spent:
    """What a round cost: in all, and inside the database's driver."""

    seconds: float = 0.0
    processor_seconds: float = 0.0
    """Of this process: what remains on a machine that does nothing else, beside the database's own."""
    database_seconds: float = 0.0
    statements: int = 0


@dataclass(frozen=True, slots=True)
class Round:
    """What scoring the risk of all pools cost, and then deciding about all agents."""

    risk: Spent
    decisions: Spent

    @property
    def seconds(self) -> float:
        """Both together: what the bar is held against."""
        return self.risk.seconds + self.decisions.seconds

    @property
    def processor_seconds(self) -> float:
        """Of this process, for both."""
        return self.risk.processor_seconds + self.decisions.processor_seconds

    @property
    def database_seconds(self) -> float:
        """Inside the database's driver, for both."""
        return self.risk.database_seconds + self.decisions.database_seconds


@dataclass(slots=True)
class StepClock:
    """The machine's clock, set ahead by whole periods: the product's rounds wait for each other, a measurement does not."""

    system: SystemClock = field(default_factory=SystemClock)
    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the time of day, ahead."""
        return self.system.now() + self.ahead

    def monotonic_seconds(self) -> float:
        """Return the machine's steady counter."""
        return self.system.monotonic_seconds()

    def sleep(self, duration_seconds: float) -> None:
        """Wait."""
        self.system.sleep(duration_seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure on the databases that were asked for, and print a table."""
    options = _parser().parse_args(arguments)
    print(machine_line(platform.python_version(), os.cpu_count() or 0, os.getloadavg()[0]), flush=True)
    names = [SQLITE, MARIADB] if options.database == "both" else [options.database]
    lines = [
        [
            "database",
            "round",
            "agents",
            "pools",
            "risk s",
            "decisions s",
            "together s",
            "",
            "processor s",
            "in the database s",
            "statements",
        ]
    ]
    for name in names:
        if name == MARIADB and not has_mariadb():
            print("no MariaDB server here: nothing is measured on it", flush=True)
            continue
        with tempfile.TemporaryDirectory(prefix="spot-bench-") as directory, lend_database(name, Path(directory)) as (_url, lent):
            for place, spent in enumerate(_measure(lent, options.agents, options.pools), start=1):
                lines.append([name, str(place), str(options.agents), str(options.pools), *_cells(spent)])
                took = f"{number(spent.risk.seconds, 2)} s of risk, {number(spent.decisions.seconds, 2)} s of decisions"
                print(f"  round {place}: {took}, {number(spent.processor_seconds, 2)} s of the processor", flush=True)
    print("\n".join(align(lines, left_columns=1)))
    return 0


def _cells(spent: Round) -> list[str]:
    return [
        number(spent.risk.seconds, 2),
        number(spent.decisions.seconds, 2),
        number(spent.seconds, 2),
        "pass" if spent.seconds < BAR_SECONDS else "FAIL",
        number(spent.processor_seconds, 2),
        number(spent.database_seconds, 2),
        str(spent.risk.statements + spent.decisions.statements),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh decisions", description="Measure a round of risks and decisions for a large fleet."
    )
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--pools", type=int, default=500, help="spot pools of which prices are known, six to a type")
    parser.add_argument("--database", choices=[SQLITE, MARIADB, "both"], default="both")
    # bench.sh says it to every benchmark; the database's share is told here by its own statements.
    parser.add_argument("--mariadb-pid", type=int, help=argparse.SUPPRESS)
    return parser


def _measure(lent: Database, agent_count: int, pool_count: int) -> Iterator[Round]:
    """Yield what the first round costs, which reads a week of prices and stores all for the first time, and then that of the next ones."""
    clock = StepClock()
    database = Database(lent.engine, clock=clock, sleeper=clock, policy=lent.policy)
    types = [f"m{number}.large" for number in range(5, 5 + max(1, pool_count // len(ZONES)))]
    prices = {(name, REGION): Decimal("0.096") for name in types}
    database.policy = replace(database.policy, on_demand_usd_per_hour=prices)
    print(f"{lent.engine.dialect.name}: {agent_count} agents, {pool_count} pools", flush=True)
    make_agents(database, agent_count, most_registered=REGISTERED)
    database.write(lambda tx: _store_prices(tx, types, pool_count))
    database.write(lambda tx: _spread(tx, types, agent_count))
    database.write(lambda tx: store_past(tx, [(name, az_id) for name in types for az_id in ZONES]))
    context = JobContext(database, clock, Settings(), Metrics(), structlog.get_logger())
    analyse, decide = RiskAnalysis(load_model()), DecisionRound()
    for _ in range(ROUNDS):
        with _counted(lent.engine, clock) as risk:
            analyse(context)
        with _counted(lent.engine, clock) as decisions:
            decide(context)
        yield Round(risk, decisions)
        clock.ahead += timedelta(seconds=context.settings.decision_period_seconds)


def _store_prices(tx: Transaction, types: Sequence[str], pool_count: int) -> None:
    """A week of prices at full hours, each pool's changing three times a day; and what EC2 says of the types."""
    markets = [(REGION, az_id, name, PRODUCT) for name in types for az_id in ZONES][:pool_count]
    pools = ensure_pools(tx, markets)
    hour = tx.now.replace(minute=0, second=0, microsecond=0)
    rows: list[dict[str, Any]] = []
    for place, market in enumerate(markets):
        for back in range(169):
            usd = Decimal("0.03") + Decimal((place * 7 + back // 8 * 3) % 23) / 1000
            rows.append(_price_row(pools[market], hour - HOUR * back, usd))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        tx.execute(insert(spot_price_snapshots), rows[start : start + ROWS_AT_ONCE])
    store_instance_types(tx, [{"instance_type": name, "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]} for name in types])


def _price_row(pool_id: int, at: datetime, usd: Decimal) -> dict[str, Any]:
    moments = {"bucket_at": at, "effective_at": at, "last_observed_at": at}
    return {"pool_id": pool_id, "source": PriceSource.PRIMARY, "usd_per_hour": usd, "observation_count": 1, **moments}


def _spread(tx: Transaction, types: Sequence[str], agent_count: int) -> None:
    """Spread the agents over types and zones, a third of them on demand, each allowed three types in all zones."""
    subnets = {az_id: f"subnet-{az_id}" for az_id in ZONES}
    specification = {"vpc_id": "vpc-1", "subnets": subnets, "security_group_ids": ["sg-1"]}
    for group in range(min(len(types), agent_count)):
        allowed = [types[(group + step) % len(types)] for step in range(TYPES_OF_AN_AGENT)]
        chosen = [f"bench-{number}" for number in range(group, agent_count, len(types))]
        ids = agents.c.logical_agent_id.in_(chosen)
        tx.execute(update(agents).where(ids).values(allowed_instance_types=allowed, launch_specification=specification))
        mode = Mode.ON_DEMAND if group % 3 == 0 else Mode.SPOT
        own = [f"i-{number:017x}" for number in range(group, agent_count, len(types))]
        placed = {"instance_type": allowed[0], "az_id": ZONES[group % len(ZONES)], "mode": mode}
        tx.execute(update(instances).where(instances.c.instance_id.in_(own)).values(placed))


@contextmanager
def _counted(engine: Engine, clock: StepClock) -> Iterator[Spent]:
    """Count statements, and the time from sending each to its answer."""
    spent, began = Spent(), [0.0]

    def before(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        began[0] = clock.monotonic_seconds()

    def after(*_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        spent.database_seconds += clock.monotonic_seconds() - began[0]
        spent.statements += 1

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    started, used = clock.monotonic_seconds(), os.times()
    try:
        yield spent
    finally:
        now = os.times()
        spent.processor_seconds = now.user + now.system - used.user - used.system
        spent.seconds = clock.monotonic_seconds() - started
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)


if __name__ == "__main__":
    raise SystemExit(main())
