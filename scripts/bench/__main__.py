"""Measure and print: `scripts/bench.sh` sets up what this needs."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NoReturn

from bench.daemon import DaemonCost, measure_daemon
from bench.databases import MARIADB, SQLITE, has_mariadb, lend_database
from bench.figures import Row
from bench.fleet import make_agents
from bench.hot_paths import HotPath, measure_hot_paths
from bench.measure import Bench, Ceiling, measure_alone, measure_ceiling, measure_fleet
from bench.report import daemon_lines, hot_path_lines, machine_line, summary_lines
from bench.server import Server
from spot_server.clock import SystemClock
from spot_server.log_setup import set_up_logging
from spot_server.settings import LogFormat, LogLevel
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.world import free_port

MOST_AGENTS, MOST_SECONDS = 5000, 600
ALONE_ROUNDS = 2
DAEMON_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long each part takes, in seconds."""

    fleet_settle: float
    fleet: float
    alone: float
    hot_path: float
    daemon_settle: float
    daemon: float


FULL = Lengths(fleet_settle=45, fleet=60, alone=5, hot_path=1, daemon_settle=20, daemon=DAEMON_SECONDS)
QUICK = Lengths(fleet_settle=12, fleet=8, alone=1, hot_path=0.2, daemon_settle=5, daemon=5)


@dataclass(slots=True)
class Results:
    """All figures of one run."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hot_paths: list[HotPath] = field(default_factory=list)
    ceiling: Ceiling | None = None
    daemon: DaemonCost | None = None


def main() -> int:
    """Measure what was asked for, print it, and write it where asked. Figures decide nothing here: the exit code is of the run itself."""
    options = _options()
    signal.signal(signal.SIGTERM, _end)
    set_up_logging(LogLevel.WARNING, LogFormat.JSON)
    lengths = _lengths(options)
    results = Results()
    say(machine_line(platform.python_version(), os.cpu_count() or 0, os.getloadavg()[0]))
    with tempfile.TemporaryDirectory(prefix="spot-bench-") as name:
        for database_name in _databases(options.database):
            with _own_directory(Path(name), database_name) as directory:
                _measure_server(results, database_name, directory, lengths, options)
        if not options.no_daemon:
            with _own_directory(Path(name), "daemon") as directory:
                say(f"daemon: one instance in the simulated region, {lengths.daemon:g} s at real intervals")
                results.daemon = measure_daemon(
                    directory, settle_seconds=lengths.daemon_settle, seconds=lengths.daemon, say=lambda _line: None
                )
    _print(results)
    if options.json:
        Path(options.json).write_text(json.dumps(asdict(results), indent=1), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description="Measure the server under the load of a fleet, and one daemon.")
    parser.add_argument("--agents", type=int, help="daemons that wait and heartbeat; default 1000, with --quick 200")
    parser.add_argument("--seconds", type=float, help=f"how long the fleet's load is measured; default {FULL.fleet}")
    parser.add_argument("--database", choices=[SQLITE, MARIADB, "both", "none"], default="both", help="none: the daemon alone")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--quick", action="store_true", help="a short run with 200 agents: does it work, not how fast is it")
    parser.add_argument("--no-daemon", action="store_true", help="leave the daemon out")
    parser.add_argument("--mariadb-pid", type=int, help="the process of the MariaDB server, to tell what it uses")
    parser.add_argument("--setting", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server; repeat for more")
    options = parser.parse_args()
    options.agents = min(options.agents or (200 if options.quick else 1000), MOST_AGENTS)
    return options


def _lengths(options: argparse.Namespace) -> Lengths:
    base = QUICK if options.quick else FULL
    if options.seconds is None:
        return base
    return Lengths(**{**asdict(base), "fleet": min(options.seconds, MOST_SECONDS)})


def _databases(wanted: str) -> list[str]:
    if wanted == "none":
        return []
    names = [SQLITE, MARIADB] if wanted == "both" else [wanted]
    if MARIADB in names and not has_mariadb():
        say("no MariaDB server here: nothing is measured on it")
        names.remove(MARIADB)
    return names


def _measure_server(results: Results, database_name: str, directory: Path, lengths: Lengths, options: argparse.Namespace) -> None:
    clock = SystemClock()
    processes = Processes(directory / "logs", clock)
    with lend_database(database_name, directory) as (url, database):
        say(f"{database_name}: registering {options.agents} agents")
        client_id, daemons = make_agents(database, options.agents)
        say(f"{database_name}: hot paths, one thread")
        results.hot_paths += measure_hot_paths(database_name, url, database, daemons, seconds=lengths.hot_path)
        settings = dict(setting.split("=", 1) for setting in options.setting)
        server = Server(processes, url, free_port(), settings)
        bench = Bench(processes, directory, database_name, url, server, client_id, daemons, options.mariadb_pid, say)
        try:
            if results.ceiling is None:
                say("the load generator by itself")
                results.ceiling = measure_ceiling(bench, seconds=lengths.alone)
            server.start()
            say(f"{database_name}: the fleet's load, {lengths.fleet_settle:g} s to settle and {lengths.fleet:g} s measured")
            fleet = measure_fleet(bench, settle_seconds=lengths.fleet_settle, seconds=lengths.fleet)
            results.rows += fleet.rows
            results.notes += fleet.notes
            server.stop_jobs()
            say(f"{database_name}: each page alone, {ALONE_ROUNDS} rounds of {lengths.alone:g} s")
            results.rows += measure_alone(bench, seconds=lengths.alone, rounds=ALONE_ROUNDS)
            results.notes += _what_was_logged(database_name, server)
        finally:
            processes.stop_all()


def _what_was_logged(database_name: str, server: Server) -> list[str]:
    lines = server.warnings()
    if not lines:
        return []
    return [f"{database_name}: the server logged {len(lines)} warnings or errors; the first: {lines[0][:300]}"]


def _print(results: Results) -> None:
    for lines in (
        summary_lines(results.rows, results.ceiling),
        results.notes,
        hot_path_lines(results.hot_paths),
        daemon_lines(results.daemon),
    ):
        if lines:
            say("")
        for line in lines:
            say(line)


@contextlib.contextmanager
def _own_directory(parent: Path, name: str) -> Iterator[Path]:
    """Lend a directory; other processes' current directories and imports stay as they are."""
    directory = parent / name
    directory.mkdir()
    yield directory


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(143)


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
