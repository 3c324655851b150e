"""Who writes prices all the time, a process of its own, and notes how long each write took: `python -m bench.prices.writer PLAN`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bench.prices.markets import markets, report_body
from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.features.pricing.schemas import PriceReportSchema
from spot_server.features.pricing.service import report_prices
from spot_server.settings import Settings

PAUSE_SECONDS = 0.005
WARM_UP = 20
"""Writes that do not count: the first connects, and compiles its statements."""


def main() -> int:
    """Report prices until the file `stop` is there; print the times in milliseconds as JSON."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    clock = SystemClock()
    database = build_database(Settings(database_url=plan["database_url"]), clock)
    schema, every = PriceReportSchema(), markets(plan["pools"])
    taken_ms, number, stop = [], 0, Path(plan["stop"])
    while not stop.exists():
        body = report_body(number, plan["instance_id"], f"report-{number}", clock.now().isoformat(), every)
        report = schema.load(body)[1]
        began_seconds = clock.monotonic_seconds()
        database.write(lambda tx, report=report: report_prices(tx, plan["agent_id"], plan["instance_id"], report))  # type: ignore[misc]
        taken_ms.append((clock.monotonic_seconds() - began_seconds) * 1000)
        if number == WARM_UP:
            taken_ms.clear()
            Path(plan["ready"]).touch()
        number += 1
        clock.sleep(PAUSE_SECONDS)
    database.engine.dispose()
    print(json.dumps(taken_ms))
    return 0


if __name__ == "__main__":
    sys.exit(main())
