#!/usr/bin/env python3
"""Measure how long the risk of all pools takes to compute and store, in an empty database that it fills first.

Usage: scripts/bench_risk.py DATABASE_URL [--pools 500] [--agents 10000]
DATABASE_URL: SQLite (sqlite:////tmp/bench.db) or MariaDB; its tables are made. Prints one line per run, with the
processor time of this process: on a busy machine that is the figure to read. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Table, insert

from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import Database
from spot_server.db.tables import agents, clients, instances, spot_interruption_events, spot_pools
from spot_server.features.risk import service
from spot_server.features.risk.jobs import RiskAnalysis
from spot_server.features.risk.model import load_model
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.migrations import migrate
from spot_server.settings import Settings
from spot_server.words import Carry, InterruptionKind, Mode, Role

CLOCK = SystemClock()
DRAWN = random.Random(1)  # noqa: S311 - the same fleet each time
REGIONS, ZONES = 5, 5
INSTANCES_PER_AGENT = 3
"""One that lives, and two that ended within the lookback: one of them lost."""

ROWS_PER_STATEMENT = 1000


def main() -> int:
    """Fill, compute twice, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database_url")
    parser.add_argument("--pools", type=int, default=500)
    parser.add_argument("--agents", type=int, default=10_000)
    options = parser.parse_args()
    engine = create_database_engine(options.database_url)
    migrate(engine, clock=CLOCK, sleeper=CLOCK)
    with engine.begin() as connection:
        fill(connection, options.pools, options.agents, CLOCK.now())
    database = Database(engine, clock=CLOCK, sleeper=CLOCK)
    context = JobContext(database, CLOCK, Settings(), Metrics(), structlog.get_logger())
    model = load_model()
    at = service.computation_of(CLOCK.now(), context.settings.risk_period_seconds)
    for _ in range(3):
        measure(
            f"computed of {options.agents * INSTANCES_PER_AGENT} instances",
            lambda: database.read(lambda tx: service.compute(tx, model, at)),
        )
    measure("computed and stored", lambda: RiskAnalysis(model)(context))
    return 0


def measure(what: str, act: Callable[[], object]) -> None:
    """Do something and print how long it took, and how much of that was this process's own."""
    began_seconds, began_own_seconds = CLOCK.monotonic_seconds(), time.process_time()
    act()
    own_seconds = time.process_time() - began_own_seconds
    print(f"{what:<44} {CLOCK.monotonic_seconds() - began_seconds:8.2f} s, processor {own_seconds:8.2f} s")


def fill(connection: Connection, pool_count: int, agent_count: int, now: datetime) -> None:
    """Insert pools, agents, their instances of the last weeks, and the losses of a third of these."""
    types = [f"m{number}.large" for number in range(pool_count // (REGIONS * ZONES))]
    places = [(f"region-{region}", f"r{region}-az{zone}", kind) for region in range(REGIONS) for zone in range(ZONES) for kind in types]
    pool = {"product": "Linux/UNIX", "first_seen_at": now}
    store(connection, spot_pools, [{"region": region, "az_id": az, "instance_type": kind, **pool} for region, az, kind in places])
    store(connection, clients, [{"client_id": "bench", "name": "bench", "created_at": now}])
    store(connection, agents, [_agent(number, now) for number in range(agent_count)])
    rows = [_instance(number, turn, DRAWN.choice(places), now) for number in range(agent_count) for turn in range(INSTANCES_PER_AGENT)]
    store(connection, instances, rows)
    store(connection, spot_interruption_events, [_loss(row) for row in rows if row["instance_id"].startswith("i-1-")])


def store(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows, many at a time."""
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        connection.execute(insert(table), rows[start : start + ROWS_PER_STATEMENT])


def _agent(number: int, now: datetime) -> dict[str, Any]:
    name = f"agent-{number}"
    values = {"carry": Carry.STATELESS, "allowed_instance_types": [], "traffic_handles": [], "epoch": 1, "created_at": now}
    return {"agent_id": name, "client_id": "bench", "logical_agent_id": name, "live_key": name, "region": "region-0", **values}


def _instance(number: int, turn: int, place: tuple[str, str, str], now: datetime) -> dict[str, Any]:
    region, az_id, instance_type = place
    began_at = now - timedelta(hours=DRAWN.uniform(0, 600))
    ended_at = None if turn == 0 else began_at + (now - began_at) * DRAWN.random()
    return {
        "agent_id": f"agent-{number}",
        "instance_id": f"i-{turn}-{number}",
        "client_id": "bench",
        "role": Role.PRIMARY if turn == 0 else Role.TERMINATED,
        "mode": Mode.SPOT,
        "mode_evidence": {},
        "region": region,
        "az_id": az_id,
        "az_name": az_id,
        "instance_type": instance_type,
        "product": "Linux/UNIX",
        "architecture": "x86_64",
        "launched_by_server": turn > 0,
        "daemon_version": "bench",
        "registered_at": began_at,
        "last_heartbeat_at": ended_at or now,
        "effective_settings": {},
        "role_changed_at": began_at,
        "terminated_at": ended_at,
    }


def _loss(lived: dict[str, Any]) -> dict[str, Any]:
    shared = {name: lived[name] for name in ("agent_id", "instance_id", "client_id", "region", "az_id", "instance_type")}
    event_id = lived["instance_id"]
    told = {"detected_at": lived["terminated_at"], "received_at": lived["terminated_at"], "response": "handover"}
    return {"event_id": event_id, "notice_id": event_id, "kind": InterruptionKind.TERMINATE, "instance_role": "PRIMARY", **shared, **told}


if __name__ == "__main__":
    sys.exit(main())
