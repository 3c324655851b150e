"""Putting the health page together from what the parts say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spot_server.clock import Clock
from spot_server.db.runner import Database, Transaction
from spot_server.features.health import queries, rules
from spot_server.features.health.queries import Counts
from spot_server.features.health.rules import Health
from spot_server.http.waiting import WaitingRoom
from spot_server.jobs.lease import database_now, read_lease
from spot_server.migrations import SchemaState, schema_state
from spot_server.settings import Settings


@dataclass(frozen=True, slots=True)
class LeaseFacts:
    """Who leads the jobs. `seconds_left` is on the database's clock, negative when the lease has run out."""

    holder: str | None
    epoch: int | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What one transaction read."""

    schema: SchemaState
    lease: LeaseFacts
    counts: Counts
    read_at: datetime


def read_facts(tx: Transaction) -> Facts:
    """Read all that the health page shows of the database."""
    row = read_lease(tx)
    lease = LeaseFacts(None, None, None)
    if row is not None:
        lease = LeaseFacts(row.holder, row.epoch, round((row.expires_at - database_now(tx)).total_seconds(), 3))
    return Facts(schema_state(tx.connection), lease, queries.count_all(tx), tx.now)


def measure_latency_ms(database: Database, clock: Clock) -> float:
    """Return how long a trivial query takes, connection included."""
    started_seconds = clock.monotonic_seconds()
    database.read(queries.ping)
    return round((clock.monotonic_seconds() - started_seconds) * 1000, 3)


def system_health(database: Database, clock: Clock, settings: Settings, room: WaitingRoom) -> dict[str, Any]:
    """Return the health of every part and of the whole."""
    latency_ms = measure_latency_ms(database, clock)
    facts = database.read(read_facts)
    parts = {
        "database": {
            "status": rules.judge_database(latency_ms),
            "latency_ms": latency_ms,
            "backend": database.engine.dialect.name,
        },
        "schema": {
            "status": Health.OK if facts.schema.is_current else Health.FAILING,
            "current": facts.schema.current,
            "expected": facts.schema.expected,
        },
        "jobs": {
            "status": rules.judge_lease(facts.lease.seconds_left),
            "holder": facts.lease.holder,
            "epoch": facts.lease.epoch,
            "lease_seconds_left": facts.lease.seconds_left,
        },
        **_judge_counts(facts, settings),
        "waiting_room": {"status": rules.judge_room(room.occupied, room.seats), "seats": room.seats, "occupied": room.occupied},
    }
    return {"status": rules.worst(part["status"] for part in parts.values()), "checked_at": facts.read_at, **parts}


def _judge_counts(facts: Facts, settings: Settings) -> dict[str, Any]:
    counts = facts.counts
    oldest_seconds = None
    if counts.oldest_queued_at is not None:
        oldest_seconds = round((facts.read_at - counts.oldest_queued_at).total_seconds(), 3)
    limit_seconds = 2.0 * settings.pending_commands_check_interval_seconds
    return {
        "agents": {
            "status": rules.judge_agents(counts.agents_online, counts.agents_offline),
            "online": counts.agents_online,
            "offline": counts.agents_offline,
        },
        "commands": {
            "status": rules.judge_commands(oldest_seconds, limit_seconds),
            "open": counts.commands_open,
            "oldest_queued_seconds": oldest_seconds,
        },
        "switches": {"status": Health.OK, "running": counts.switches_running},
    }
