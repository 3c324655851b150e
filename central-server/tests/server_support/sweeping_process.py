"""Run as a process of its own: wait for a line, sweep history once in small batches, and write what was deleted as JSON."""

import json
import sys

from server_support.clock import FakeClock
from server_support.retention import job_context, metered, sweep
from spot_server.clock import SystemClock
from spot_server.db.engine import create_database_engine
from spot_server.db.runner import Database
from spot_server.log_setup import set_up_logging
from spot_server.settings import LogFormat, LogLevel


def main(url: str) -> None:
    """Sweep as of the tests' time of day; waiting for locks takes real time."""
    set_up_logging(LogLevel.WARNING, LogFormat.JSON)  # on standard error: the answer has standard output to itself
    clock = FakeClock()
    context = job_context(Database(create_database_engine(url), clock=clock, sleeper=SystemClock()), clock, retention_batch_rows=2)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sweep(context, clock)
    sys.stdout.write(json.dumps(metered(context)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
