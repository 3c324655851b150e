"""Load, measure, print: `scripts/bench.sh prices` sets up what this needs."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench.databases import MARIADB, has_mariadb, lend_database
from bench.prices.loading import Filled
from bench.prices.measuring import Bench, measure_all
from bench.prices.report import Figure, figure_lines
from bench.report import machine_line
from spot_server.log_setup import set_up_logging
from spot_server.settings import LogFormat, LogLevel

FULL_ROWS, FULL_POOLS, FULL_AGENTS = 20_000_000, 500, 10_000
EXIT_USAGE = 2


def main() -> int:
    """Measure, print, and write where asked. Figures decide nothing here: the exit code is of the run itself."""
    options = _options()
    set_up_logging(LogLevel.WARNING, LogFormat.JSON)
    if not has_mariadb():
        print("bench: prices are measured on MariaDB, and there is no server here", file=sys.stderr)
        return EXIT_USAGE
    say(machine_line(platform.python_version(), os.cpu_count() or 0, os.getloadavg()[0]))
    with tempfile.TemporaryDirectory(prefix="spot-bench-prices-") as name, lend_database(MARIADB, Path(name)) as (url, database):
        bench = Bench(database, url, Path(name), options.agents, options.seconds, options.times, say, options.mariadb_pid)
        filled, figures, notes = measure_all(bench, rows=options.rows, pools=options.pools, seen_days=options.seen_days)
    for line in ("", *figure_lines(figures), "", *notes):
        say(line)
    if options.json:
        _write(Path(options.json), filled, figures, notes)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh prices", description="Measure reading, consolidating, deleting and taking in prices."
    )
    parser.add_argument("--rows", type=int, default=FULL_ROWS, help=f"consolidated prices to load; default {FULL_ROWS:,}")
    parser.add_argument("--pools", type=int, default=FULL_POOLS, help=f"pools that they are of; default {FULL_POOLS}")
    parser.add_argument("--seen-days", type=int, default=3, help="days of which what was seen is loaded as well; default 3")
    parser.add_argument("--agents", type=int, default=FULL_AGENTS, help=f"agents that report prices; default {FULL_AGENTS:,}")
    parser.add_argument("--seconds", type=float, default=60, help="how long the reports are measured; default 60")
    parser.add_argument("--times", type=int, default=200, help="how often each page is asked; default 200")
    parser.add_argument("--json", metavar="FILE", help="write all figures there, too")
    parser.add_argument("--mariadb-pid", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _write(path: Path, filled: Filled, figures: list[Figure], notes: list[str]) -> None:
    told = {"filled": {**asdict(filled), "end": filled.end.isoformat()}, "figures": [asdict(one) for one in figures], "notes": notes}
    path.write_text(json.dumps(told, indent=1), encoding="utf-8")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
