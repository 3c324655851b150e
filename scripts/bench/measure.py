"""Runs one measurement of the server: its processes, the generator, the looks at the metrics before and after."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.figures import Row, Spread, per_request, spread_of
from bench.flat_out import NO_OP, PAGES
from bench.generator import MIXED
from bench.issuer import Order
from bench.plan import Plan, Seen, Window, rates_of, read_seen, write_json
from bench.proc import total_cpu_seconds
from bench.server import PageCounts, Server
from bench.wire import Daemon
from spot_server.clock import SystemClock
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.world import free_port

START_PROCESS_SECONDS = 2.0
END_PROCESS_SECONDS = 30.0
FLAT_OUT_WARM_UP_SECONDS = 0.5
LOOK_SECONDS = 0.1

ENDPOINTS = {
    NO_OP: "health.healthz",
    "heartbeat": "heartbeats.record_heartbeat",
    "config": "daemon_config.get_daemon_config",
    "poll": "commands.pending",
    "price report": "price_reports.report_prices",
    "executed": "commands.executed",
}
TARGETS_P99_MS = {"heartbeat": 50.0, "config": 100.0, "poll": 80.0, "delivery": 1000.0}
FLEET, ALONE = "fleet", "alone"


class GeneratorFailed(Exception):
    """The load generator ended without figures."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a measurement works with."""

    processes: Processes
    directory: Path
    database_name: str
    database_url: str
    server: Server
    client_id: str
    daemons: tuple[Daemon, ...]
    mariadb_pid: int | None
    say: Callable[[str], None]


@dataclass(slots=True)
class FleetResult:
    """The figures of the whole fleet's load, and what the parts used meanwhile."""

    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def measure_fleet(bench: Bench, *, settle_seconds: float, seconds: float) -> FleetResult:
    """Put the fleet's load on; measure for `seconds` once it has run for `settle_seconds`."""
    start_seconds = SystemClock().monotonic_seconds() + START_PROCESS_SECONDS
    window = Window(start_seconds, start_seconds + settle_seconds, start_seconds + settle_seconds + seconds)
    rates = rates_of(len(bench.daemons))
    generator = _start_generator(bench, Plan(MIXED, bench.server.port, window, bench.daemons, rates), MIXED)
    order = Order(bench.database_url, bench.client_id, window, rates.commands, bench.daemons)
    issuer = _start(bench, "issuer", order)
    _sleep_until(window.begin_seconds)
    counts, used = bench.server.counts(), _cpu_seconds(bench)
    _sleep_until(window.end_seconds)
    counts_after, used_after = bench.server.counts(), _cpu_seconds(bench)
    seen, issued_seconds = read_seen(_finish(bench, generator)), _read_issued(_finish(bench, issuer))
    late_ms = {key: (seen.arrivals_seconds[key] - issued_seconds[key]) * 1000 for key in issued_seconds if key in seen.arrivals_seconds}
    rows = [
        _fleet_row(bench, page, seen, window, counts, counts_after) for page in ("heartbeat", "config", "poll", "price report", "executed")
    ]
    rows.append(_row(bench, FLEET, "delivery", list(late_ms.values()), len(issued_seconds) - len(late_ms), window))
    rows.append(_row(bench, FLEET, "wait (over its time)", seen.times_ms.get("wait", []), seen.errors.get("wait", 0), window))
    return FleetResult(rows, _fleet_notes(bench, seen, window, used, used_after))


def measure_alone(bench: Bench, *, seconds: float, rounds: int) -> list[Row]:
    """Send each page flat out, the no-op page too, `rounds` times in turn; figures are of all rounds together."""
    times_ms: dict[str, list[float]] = {page: [] for page in PAGES}
    errors = dict.fromkeys(PAGES, 0)
    counted: dict[str, list[tuple[float, float]]] = {page: [] for page in PAGES}
    for turn in range(rounds):
        for page in PAGES:
            before = bench.server.counts()
            seen = _flat_out(bench, page, bench.server.port, seconds, f"alone-{page.replace(' ', '-')}-{turn}")
            counted[page].append(bench.server.counts().since(before, ENDPOINTS[page]))
            times_ms[page] += seen.times_ms.get(page, [])
            errors[page] += seen.errors.get(page, 0)
            _say_errors(bench, seen)
    no_op_count = len(times_ms[NO_OP])
    return [
        Row(
            load=ALONE,
            endpoint=page,
            database=bench.database_name,
            per_second=len(times_ms[page]) / (seconds * rounds),
            spread=spread_of(times_ms[page]),
            errors=errors[page],
            queries=per_request(sum(one[0] for one in counted[page]), sum(one[1] for one in counted[page])),
            of_no_op_ratio=per_request(len(times_ms[page]), no_op_count),
        )
        for page in PAGES
    ]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the load generator can do by itself."""

    per_second: float
    spread: Spread
    cpu_us_a_request: float


def measure_ceiling(bench: Bench, *, seconds: float) -> Ceiling:
    """Send the no-op request to a server that always gives the same answer."""
    port = free_port()
    bench.processes.start("canned", [sys.executable, "-m", "bench.canned", str(port)], {})
    SystemClock().sleep(START_PROCESS_SECONDS / 2)
    seen = _flat_out(bench, NO_OP, port, seconds, "ceiling")
    bench.processes.kill("canned")
    times_ms = seen.times_ms.get(NO_OP, [])
    return Ceiling(len(times_ms) / seconds, spread_of(times_ms), per_request(seen.cpu_seconds * 1e6, len(times_ms)))


def _flat_out(bench: Bench, page: str, port: int, seconds: float, name: str) -> Seen:
    start_seconds = SystemClock().monotonic_seconds() + START_PROCESS_SECONDS / 2
    begin_seconds = start_seconds + FLAT_OUT_WARM_UP_SECONDS
    window = Window(start_seconds, begin_seconds, begin_seconds + seconds)
    _start_generator(bench, Plan(page, port, window, bench.daemons, rates_of(len(bench.daemons))), name)
    _sleep_until(window.end_seconds)
    return read_seen(_finish(bench, name))


def _fleet_row(bench: Bench, page: str, seen: Seen, window: Window, before: PageCounts, after: PageCounts) -> Row:
    statements, requests = after.since(before, ENDPOINTS[page])
    queries = per_request(statements, requests)
    return _row(bench, FLEET, page, seen.times_ms.get(page, []), seen.errors.get(page, 0), window, queries)


def _row(bench: Bench, load: str, endpoint: str, times_ms: list[float], errors: int, window: Window, queries: float | None = None) -> Row:
    return Row(
        load=load,
        endpoint=endpoint,
        database=bench.database_name,
        per_second=len(times_ms) / window.duration_seconds,
        spread=spread_of(times_ms),
        errors=errors,
        queries=queries,
        target_p99_ms=TARGETS_P99_MS.get(endpoint),
    )


def _cpu_seconds(bench: Bench) -> dict[str, float]:
    used = {"web": bench.server.web_cpu_seconds(), "jobs": bench.server.jobs_cpu_seconds()}
    if bench.database_name != "sqlite" and bench.mariadb_pid is not None:
        used["mariadb"] = total_cpu_seconds([bench.mariadb_pid])
    return used


def _fleet_notes(bench: Bench, seen: Seen, window: Window, used: dict[str, float], used_after: dict[str, float]) -> list[str]:
    _say_errors(bench, seen)
    cores = {part: (used_after[part] - used[part]) / window.duration_seconds for part in used}
    cores["generator"] = seen.cpu_seconds / window.duration_seconds
    lag = spread_of(seen.lag_ms)
    parked = f"least {min(seen.parked)}, median {median(seen.parked):.0f}" if seen.parked else "none"
    name = bench.database_name
    return [
        f"{name}: requests parked: {parked} of {len(bench.daemons)}; waits turned away for want of room: {seen.refused_waits}",
        f"{name}: failures while all connected and settled, before the measured time: {seen.errors_while_settling}",
        f"{name}: cores used: " + ", ".join(f"{part} {value:.2f}" for part, value in cores.items()),
        f"{name}: the generator sent later than planned: p50 {lag.p50_ms:.1f} ms, p99 {lag.p99_ms:.1f} ms",
    ]


def _say_errors(bench: Bench, seen: Seen) -> None:
    for example in seen.error_examples:
        bench.say(f"  error: {example}")


def _start_generator(bench: Bench, plan: Plan, name: str) -> str:
    return _start(bench, name, plan, module="bench.generator")


def _start(bench: Bench, name: str, work: Plan | Order, *, module: str = "bench.issuer") -> str:
    work_path = bench.directory / f"{name}-work.json"
    write_json(work_path, work)
    bench.processes.start(name, [sys.executable, "-m", module, str(work_path), str(bench.directory / f"{name}-done.json")], {})
    return name


def _finish(bench: Bench, name: str) -> Path:
    """Wait for a process that should be done, and return where its figures are."""
    process = bench.processes.running[name]
    code = process.wait(END_PROCESS_SECONDS)
    del bench.processes.running[name]
    if code != 0:
        raise GeneratorFailed(f"{name} ended with code {code}:\n{bench.processes.tail(name)}")
    return bench.directory / f"{name}-done.json"


def _read_issued(path: Path) -> dict[str, float]:
    issued: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return issued


def _sleep_until(moment_seconds: float) -> None:
    clock = SystemClock()
    clock.sleep(max(0.0, moment_seconds - clock.monotonic_seconds()))
