"""Gives random daemons commands through the server's own service, a process of its own: `python -m bench.issuer ORDER.json ISSUED.json`.

The time of each commit is noted on the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import json
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.plan import Window, write_json
from bench.wire import Daemon
from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.db.runner import Database
from spot_server.features.commands.ledger import NewCommand, issue
from spot_server.settings import Settings
from spot_server.words import CommandKind

LAST_CHANCE_SECONDS = 2.0
"""Nothing is issued in the last moments of the window, so that everything can arrive within it."""

PERSONS_PRIORITY = 75


@dataclass(frozen=True, slots=True)
class Order:
    """What to issue, and where."""

    database_url: str
    client_id: str
    window: Window
    per_second: float
    daemons: tuple[Daemon, ...]


def read_order(path: Path) -> Order:
    """Read what `write_json` wrote of an order."""
    data = json.loads(path.read_text(encoding="utf-8"))
    daemons = tuple(Daemon(**one) for one in data["daemons"])
    return Order(data["database_url"], data["client_id"], Window(**data["window"]), data["per_second"], daemons)


def issue_steadily(order: Order, database: Database, clock: SystemClock) -> dict[str, float]:
    """Issue until shortly before the window's end; return when each command was committed, by its id."""
    chance = Random(2)  # noqa: S311 - a load that repeats, not a secret
    committed_seconds: dict[str, float] = {}
    until_seconds = max(order.window.end_seconds - LAST_CHANCE_SECONDS, order.window.begin_seconds + 0.5 / order.per_second)
    planned_seconds = order.window.begin_seconds
    while planned_seconds < until_seconds:
        clock.sleep(max(0.0, planned_seconds - clock.monotonic_seconds()))
        command_id = _issue_one(order, database, chance.choice(order.daemons))
        committed_seconds[command_id] = clock.monotonic_seconds()
        planned_seconds += 1 / order.per_second
    return committed_seconds


def _issue_one(order: Order, database: Database, daemon: Daemon) -> str:
    new = NewCommand(
        client_id=order.client_id,
        agent_id=daemon.agent_id,
        instance_id=daemon.instance_id,
        request_id=str(uuid.uuid4()),
        kind=CommandKind.STANDBY_CHECK,
        priority=PERSONS_PRIORITY,
        epoch=1,
    )
    return database.write(lambda tx: issue(tx, new))


def main() -> int:
    """Read the order, carry it out, write what was issued."""
    order = read_order(Path(sys.argv[1]))
    clock = SystemClock()
    database = build_database(Settings(database_url=order.database_url), clock)
    write_json(Path(sys.argv[2]), issue_steadily(order, database, clock))
    database.engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
