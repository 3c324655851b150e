"""The measurements one after the other: what reads first, what deletes last."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures import percentile
from bench.fleet import make_agents
from bench.plan import HEARTBEAT_SECONDS, Seen, Window, read_seen
from bench.prices.asking import database_ms, p50_p95, time_page
from bench.prices.jobs import Ran, run_consolidation, run_retention, writer_beside
from bench.prices.load import PricePlan, write_plan
from bench.prices.loading import BUCKETS_A_DAY, Filled, fill
from bench.prices.markets import REGION, type_names
from bench.prices.report import Figure
from bench.proc import total_cpu_seconds
from bench.server import Server
from bench.wire import Daemon
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.features.agent_config.service import Intervals
from spot_server.features.pricing.chart_rules import choose_window
from spot_server.features.pricing.history import Choice, read_history
from spot_server.features.pricing.on_demand import OnDemandCatalogue
from spot_server.features.pricing.service import read_pricing
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.service import accept_or_raise, register
from spot_server.features.tokens.service import create_token
from spot_server.words import Carry, Mode, TokenKind
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.world import free_port

HISTORY_BAR_MS, LATEST_BAR_MS, CONSOLIDATION_BAR_SECONDS, WRITER_BAR_MS, HEARTBEAT_BAR_MS = 30.0, 20.0, 10.0, 100.0, 50.0
OWN_TIMES = 20
REGISTERED = 100
WARM_UP = 5
"""Answers of a page that do not count: web processes compile their statements, each its own."""
QUIET_SECONDS = 10.0
SETTLE_SECONDS = 2 * HEARTBEAT_SECONDS + 10.0
"""Each agent is heard twice before anything counts: the first use of a token is written down, once in its life."""
WATCHER = "i-00000000000ffffff"


@dataclass(frozen=True, slots=True)
class Bench:
    """What the measurements work with."""

    database: Database
    url: str
    directory: Path
    agents: int
    seconds: float
    times: int
    say: Callable[[str], None]
    mariadb_pid: int | None = None
    """Of the database server, where its processor time can be read; None: it is counted nowhere."""

    def processor_seconds(self, server: Server | None) -> float:
        """Return what the server's web processes, or this process where there is no server, and the database have used so far."""
        own = os.times()
        used = own.user + own.system if server is None else server.web_cpu_seconds()
        return used + (0.0 if self.mariadb_pid is None else total_cpu_seconds([self.mariadb_pid]))


@dataclass(frozen=True, slots=True)
class Tenant:
    """A client with one agent of the measured type, which is asked about, and many that report."""

    client_id: str
    client_token: str
    watcher: Daemon
    daemons: tuple[Daemon, ...]


def measure_all(bench: Bench, *, rows: int, pools: int, seen_days: int) -> tuple[Filled, list[Figure], list[str]]:
    """Load and measure everything; return what was loaded, the figures and remarks."""
    filled = fill(bench.database, rows=rows, pools=pools, seen_days=seen_days, say=bench.say)
    what = f"{filled.canonical_rows:,} consolidated prices of {filled.days:.0f} days, and {filled.seen_rows:,} as they were seen"
    bench.say(f"loaded {what}, in {filled.seconds:.0f} s")
    bench.say(f"registering {bench.agents:,} agents")
    tenant = _make_tenant(bench.database, bench.agents, type_names(pools)[0])
    processes = Processes(bench.directory / "logs", SystemClock())
    server = Server(processes, bench.url, free_port(), {})
    try:
        # A jobs process would consolidate at once.
        server.start(with_jobs=False)
        figures = _measure_pages(bench, server, tenant)
        load, notes = _measure_reports(bench, server, tenant, pools)
    finally:
        processes.stop_all()
    figures += load
    figures += _measure_consolidation(bench, notes)
    figures += _measure_retention(bench, tenant, filled, notes)
    notes.append(_sizes(bench.database))
    return filled, figures, notes


def _make_tenant(database: Database, agents: int, instance_type: str) -> Tenant:
    client_id, daemons = make_agents(database, agents, most_registered=REGISTERED)
    make = partial(create_token, created_by="bench", client_id=client_id)
    enrolment = database.write(lambda tx: make(tx, TokenKind.ENROLMENT, logical_agent_id_pattern="*"))
    request = NewRegistration(
        logical_agent_id="watcher",
        instance_id=WATCHER,
        instance_type=instance_type,
        region=REGION,
        az_id="use1-az1",
        az_name="us-east-1a",
        product="Linux/UNIX",
        architecture="x86_64",
        mode=Mode.SPOT,
        daemon_version="0.1.0",
        mode_evidence={"metadata": "spot", "api": "spot"},
        settings={"carry": Carry.STATELESS},
        launch_specification={"vpc_id": "vpc-1", "subnets": {"use1-az1": "subnet-1"}, "security_group_ids": ["sg-1"]},
    )
    registered = database.write(lambda tx: accept_or_raise(register(tx, enrolment, request, Intervals())))
    watcher = Daemon(registered.config.agent.agent_id, WATCHER, registered.token)
    return Tenant(client_id, database.write(lambda tx: make(tx, TokenKind.CLIENT)), watcher, daemons)


def _measure_pages(bench: Bench, server: Server, tenant: Tenant) -> list[Figure]:
    """The pages of one instance, each asked again and again by one caller."""
    bench.say(f"pages: each {bench.times} times")
    path, now = f"/api/client/{tenant.client_id}/instances/{WATCHER}", SystemClock().now()
    one_pool = Choice(None, "use1-az1")
    figures = []
    for what, bucket_seconds in (("7 days of one pool, by the hour", None), ("7 days of one pool, every 5 minutes", 300)):
        query = {"az_id": "use1-az1", **({} if bucket_seconds is None else {"bucket_seconds": bucket_seconds})}
        taken_ms, used_ms = _ask(bench, server, tenant, f"{path}/price-history", query)
        window = choose_window(None, None, bucket_seconds, now)
        read = partial(
            read_history, client_id=tenant.client_id, instance_id=WATCHER, window=window, choice=one_pool, catalogue=OnDemandCatalogue()
        )
        figures.append(_page_figure(bench, what, (taken_ms, used_ms), HISTORY_BAR_MS, partial(bench.database.read, read)))
    taken_ms, used_ms = _ask(bench, server, tenant, f"{path}/pricing", {})
    latest = partial(read_pricing, client_id=tenant.client_id, instance_id=WATCHER, catalogue=OnDemandCatalogue())
    figures.append(
        _page_figure(bench, "latest price of all pools of a type", (taken_ms, used_ms), LATEST_BAR_MS, partial(bench.database.read, latest))
    )
    return figures


def _ask(bench: Bench, server: Server, tenant: Tenant, path: str, query: dict[str, Any]) -> tuple[list[float], float]:
    """Return how long each answer took, ascending, and the processor time of one. Milliseconds."""
    time_page(server.port, tenant.client_token, path, query, times=WARM_UP)
    before_seconds = bench.processor_seconds(server)
    taken_ms = time_page(server.port, tenant.client_token, path, query, times=bench.times)
    return taken_ms, (bench.processor_seconds(server) - before_seconds) * 1000 / bench.times


def _page_figure(bench: Bench, what: str, taken: tuple[list[float], float], bar_ms: float, read: Callable[[], object]) -> Figure:
    taken_ms, used_ms = taken
    p50, p95 = p50_p95(taken_ms)
    own_ms = database_ms(bench.database.engine, read, times=OWN_TIMES)
    return Figure(what, "ms", p95, bar_ms, p50, taken_ms[-1], own_ms, used_ms)


def _measure_reports(bench: Bench, server: Server, tenant: Tenant, pools: int) -> tuple[list[Figure], list[str]]:
    """Heartbeats of the whole fleet alone, and with its price reports beside them."""
    figures, notes = [], []
    for with_reports in (False, True):
        bench.say(f"the fleet: heartbeats{' and price reports' if with_reports else ' alone'}, {bench.seconds:g} s")
        begin_seconds = SystemClock().monotonic_seconds() + SETTLE_SECONDS
        window = Window(begin_seconds - SETTLE_SECONDS, begin_seconds, begin_seconds + bench.seconds)
        before_seconds = bench.processor_seconds(server)
        seen = _put_on_load(bench, PricePlan(server.port, window, tenant.daemons, pools, with_reports))
        cores = (bench.processor_seconds(server) - before_seconds) / (SETTLE_SECONDS + bench.seconds)
        beside = "with reports" if with_reports else "alone"
        figures.append(_load_figure(f"heartbeats {beside}, p99", seen, "heartbeat", HEARTBEAT_BAR_MS))
        if with_reports:
            figures.append(_load_figure("price reports of 20 pools, p99", seen, "price report", None))
        sent = {kind: len(times) / bench.seconds for kind, times in seen.times_ms.items()}
        rates = ", ".join(f"{per_second:.1f} {kind}s/s" for kind, per_second in sorted(sent.items()))
        lag_ms = percentile(sorted(seen.lag_ms), 0.99)
        errors = sum(seen.errors.values())
        late = f"sent {lag_ms:.0f} ms later than planned (p99)"
        notes.append(f"{bench.agents:,} agents, {beside}: answered {rates}; {errors} errors; {late}; {cores:.2f} cores used")
        notes += seen.error_examples[:1]
    return figures, notes


def _put_on_load(bench: Bench, plan: PricePlan) -> Seen:
    plan_path, seen_path = bench.directory / "load.json", bench.directory / "load-seen.json"
    write_plan(plan_path, plan)
    subprocess.run([sys.executable, "-m", "bench.prices.load", str(plan_path), str(seen_path)], check=True)
    return read_seen(seen_path)


def _load_figure(what: str, seen: Seen, kind: str, bar_ms: float | None) -> Figure:
    ordered = sorted(seen.times_ms.get(kind, []))
    return Figure(what, "ms", percentile(ordered, 0.99), bar_ms, percentile(ordered, 0.5), ordered[-1] if ordered else None)


def _measure_consolidation(bench: Bench, notes: list[str]) -> list[Figure]:
    bench.say("consolidation of half a day")
    before_seconds = bench.processor_seconds(None)
    ran = run_consolidation(bench.database)
    notes.append(ran.sentence)
    used_seconds = bench.processor_seconds(None) - before_seconds
    return [_job_figure("consolidation of 12 hours, all pools", ran, CONSOLIDATION_BAR_SECONDS, used_seconds)]


def _measure_retention(bench: Bench, tenant: Tenant, filled: Filled, notes: list[str]) -> list[Figure]:
    plan = {"database_url": bench.url, "agent_id": tenant.watcher.agent_id, "instance_id": WATCHER, "pools": filled.pools}
    bench.say(f"a writer of prices by itself, {QUIET_SECONDS:g} s")
    with writer_beside(bench.directory, plan) as alone_ms:
        SystemClock().sleep(QUIET_SECONDS)
    keep_days = int(filled.days + 0.5 - 1)
    bench.say(f"retention: all but {keep_days} days, with the writer beside it")
    with writer_beside(bench.directory, plan) as beside_ms:
        ran = run_retention(bench.database, keep_days)
    days = filled.days + 0.5 - keep_days
    notes.append(f"retention of {days:.1f} days of {filled.pools} pools ({BUCKETS_A_DAY} buckets a day): {ran.sentence}")
    return [
        _job_figure("retention, 500 buckets a transaction", ran, None),
        Figure("longest write of prices, by itself", "ms", alone_ms[-1], None, percentile(alone_ms, 0.5), alone_ms[-1]),
        Figure("longest write of prices beside retention", "ms", beside_ms[-1], WRITER_BAR_MS, percentile(beside_ms, 0.5), beside_ms[-1]),
    ]


def _job_figure(what: str, ran: Ran, bar_seconds: float | None, used_seconds: float | None = None) -> Figure:
    return Figure(what, "s", ran.seconds, bar_seconds, database=ran.database_seconds, processor=used_seconds)


def _sizes(database: Database) -> str:
    """Say what the tables take on disk."""
    statement = (
        "SELECT TABLE_NAME, TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ('pricing_canonical', 'spot_price_snapshots') ORDER BY TABLE_NAME"
    )
    with database.engine.connect() as connection:
        rows = connection.exec_driver_sql(statement).all()
    told = [f"{name} {size / 2**20:,.0f} MiB, {size / max(1, count):.0f} bytes a row" for name, count, size in rows]
    return f"on disk: {'; '.join(told)}"
