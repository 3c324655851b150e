"""The load of a large fleet, a process of its own: heartbeats and price reports at the product's intervals, over kept connections."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.connection import Connection
from bench.plan import HEARTBEAT_SECONDS, PRICE_REPORT_SECONDS, Seen, Window, write_json
from bench.prices.markets import markets, report_body
from bench.recorder import Recorder
from bench.wire import Daemon, agent_request, heartbeat_body

CONNECTIONS = 64
"""Kept connections that all daemons share, as behind a proxy: ten thousand of their own are not what is measured here."""


@dataclass(frozen=True, slots=True)
class PricePlan:
    """What is to be sent. `with_reports`: price reports beside the heartbeats."""

    port: int
    window: Window
    daemons: tuple[Daemon, ...]
    pools: int
    with_reports: bool


class PriceLoad:
    """Runs a plan inside one event loop."""

    def __init__(self, plan: PricePlan) -> None:
        """Nothing is sent yet."""
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder(plan.window)
        self._connections = [Connection(plan.port) for _ in range(CONNECTIONS)]
        self._markets: Sequence[tuple[str, str]] = markets(plan.pools)
        self._turn = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._wall_offset = datetime.now(UTC) - timedelta(seconds=self._loop.time())  # noqa: TID251 - daemons tell the time of day

    async def run(self) -> Seen:
        """Put the load on until the window's end, and return what was seen."""
        count = len(self._plan.daemons)
        senders = [asyncio.ensure_future(self._steadily(count / HEARTBEAT_SECONDS, 0, self._beat))]
        if self._plan.with_reports:
            senders.append(asyncio.ensure_future(self._steadily(count / PRICE_REPORT_SECONDS, count // 2, self._report)))
        await asyncio.sleep(max(0.0, self._plan.window.end_seconds - self._loop.time()))
        for task in [*senders, *self._tasks]:
            task.cancel()
        await asyncio.gather(*senders, *self._tasks, return_exceptions=True)
        return self._recorder.seen

    async def _steadily(self, per_second: float, first: int, send: Callable[[int], Awaitable[object]]) -> None:
        start_seconds, number = self._loop.time(), 0
        while True:
            planned_seconds = start_seconds + number / per_second
            await asyncio.sleep(max(0.0, planned_seconds - self._loop.time()))
            if self._recorder.is_open(planned_seconds):
                self._recorder.seen.lag_ms.append((self._loop.time() - planned_seconds) * 1000)
            task = asyncio.ensure_future(send((first + number) % len(self._plan.daemons)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            number += 1

    def _free(self) -> Connection:
        """Return an idle connection; while none is, each in turn, so that the requests that wait are spread over them."""
        idle = next((one for one in self._connections if not one.is_busy), None)
        if idle is not None:
            return idle
        self._turn = (self._turn + 1) % CONNECTIONS
        return self._connections[self._turn]

    def _now(self) -> str:
        return (self._wall_offset + timedelta(seconds=self._loop.time())).isoformat()

    async def _beat(self, number: int) -> None:
        daemon = self._plan.daemons[number]
        request = agent_request(daemon, "POST", "heartbeat", heartbeat_body(daemon.instance_id, self._now()))
        await self._recorder.send("heartbeat", self._free(), request)

    async def _report(self, number: int) -> None:
        daemon, now = self._plan.daemons[number], self._now()
        body = report_body(number, daemon.instance_id, f"{daemon.instance_id}/{now}", now, self._markets)
        await self._recorder.send("price report", self._free(), agent_request(daemon, "POST", "pricing-report", body))


def write_plan(path: Path, plan: PricePlan) -> None:
    """Write a plan for the other process."""
    write_json(path, asdict(plan))


def read_plan(path: Path) -> PricePlan:
    """Read what `write_plan` wrote."""
    data = json.loads(path.read_text(encoding="utf-8"))
    daemons = tuple(Daemon(**one) for one in data["daemons"])
    return PricePlan(data["port"], Window(**data["window"]), daemons, data["pools"], data["with_reports"])


async def _run(plan: PricePlan) -> Seen:
    return await PriceLoad(plan).run()


def main() -> int:
    """Read the plan, carry it out, write what was seen."""
    plan = read_plan(Path(sys.argv[1]))
    # A collection of the whole heap stops the loop for milliseconds, which would be counted as the server's.
    gc.disable()
    write_json(Path(sys.argv[2]), asyncio.run(_run(plan)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
