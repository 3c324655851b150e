"""The load of a fleet: every daemon waits for commands, and all send what daemons send, at the product's own intervals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from bench.connection import Answer, Connection
from bench.plan import Plan, Seen
from bench.recorder import Recorder
from bench.wire import Daemon, agent_request, heartbeat_body, outcome_body, price_report_body

LONGEST_WAIT_SECONDS = 50
PLAIN_POLL_SECONDS = 15
SIT_DOWN_SECONDS = 10.0
PARKED_LOOK_SECONDS = 0.5
STOP_SECONDS = 5.0

Send = Callable[["Member"], Awaitable[object]]


@dataclass(eq=False, slots=True)
class Member:
    """One daemon with its two kept connections: its commands thread's, and its heartbeat thread's."""

    number: int
    daemon: Daemon
    waiting: Connection
    calling: Connection


class MixedLoad:
    """Runs the plan inside one event loop."""

    def __init__(self, plan: Plan) -> None:
        """Make the members; nothing is sent yet."""
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder(plan.window)
        self._members = [Member(number, daemon, Connection(plan.port), Connection(plan.port)) for number, daemon in enumerate(plan.daemons)]
        self._chance = Random(1)  # noqa: S311 - a load that repeats, not a secret
        self._tasks: set[asyncio.Task[object]] = set()
        self._parked_count = 0
        self._wall_offset = datetime.now(UTC) - timedelta(seconds=self._loop.time())  # noqa: TID251 - daemons tell the time of day

    async def run(self) -> Seen:
        """Put the load on at the plan's start, take it off at its end, and return what was seen."""
        await self._sleep_until(self._plan.window.start_seconds)
        rates = self._plan.rates
        for member in self._members:
            self._start(self._wait_for_commands(member))
        # Config reads and polls go to other daemons than the heartbeats of that moment: each connection carries one request at a time.
        count = len(self._members)
        self._start(self._send_steadily(rates.heartbeats, 0, self._beat))
        self._start(self._send_steadily(rates.configs, count // 3, self._read_config))
        self._start(self._send_steadily(rates.polls, 2 * count // 3, self._poll))
        self._start(self._send_steadily(rates.price_reports, count // 2, self._report_prices))
        self._start(self._count_parked())
        await self._sleep_until(self._plan.window.end_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        return self._recorder.seen

    def _start(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sleep_until(self, moment_seconds: float) -> None:
        await asyncio.sleep(max(0.0, moment_seconds - self._loop.time()))

    def _wall_time(self) -> str:
        return (self._wall_offset + timedelta(seconds=self._loop.time())).isoformat()

    async def _wait_for_commands(self, member: Member) -> None:
        """Wait, answer, wait again. The first wait is of any length, so that the fleet's waits end spread over time."""
        await asyncio.sleep(self._chance.random() * SIT_DOWN_SECONDS)
        wait_seconds = self._chance.randint(1, LONGEST_WAIT_SECONDS)
        is_first = True
        while True:
            asked_seconds = self._loop.time()
            answer = await self._park(member, wait_seconds) if wait_seconds else await self._ask_plainly(member)
            if answer is None:
                await asyncio.sleep(1)
                continue
            body = json.loads(answer.body)
            if wait_seconds and not (is_first or body["commands"]) and self._recorder.is_open(answer.arrived_seconds):
                self._recorder.note("wait", answer.arrived_seconds - asked_seconds - wait_seconds)
            is_first = False
            await self._carry_out(member.daemon, member.waiting, answer)
            wait_seconds = min(body["wait_seconds"], LONGEST_WAIT_SECONDS)
            if wait_seconds == 0:
                self._recorder.seen.refused_waits += 1
                await asyncio.sleep(PLAIN_POLL_SECONDS)

    async def _carry_out(self, daemon: Daemon, connection: Connection, answer: Answer) -> None:
        """Note when each command of the answer arrived, and tell the server at once that it succeeded."""
        for command in json.loads(answer.body)["commands"]:
            self._recorder.seen.arrivals_seconds.setdefault(command["command_id"], answer.arrived_seconds)
            page = f"commands/{command['command_id']}/executed"
            await self._recorder.send("executed", connection, agent_request(daemon, "POST", page, outcome_body(command["request_id"])))

    async def _park(self, member: Member, wait_seconds: int) -> Answer | None:
        request = agent_request(member.daemon, "GET", f"pending-commands?wait={wait_seconds}")
        self._parked_count += 1
        try:
            return await self._recorder.send("wait", member.waiting, request, wait_seconds=wait_seconds)
        finally:
            self._parked_count -= 1

    async def _ask_plainly(self, member: Member) -> Answer | None:
        return await self._recorder.send("poll", member.waiting, agent_request(member.daemon, "GET", "pending-commands"))

    async def _send_steadily(self, per_second: float, first: int, send: Send) -> None:
        """Begin a request every 1/`per_second` seconds, whatever became of those before, each from the next daemon."""
        start_seconds, number = self._loop.time(), 0
        while per_second > 0:
            planned_seconds = start_seconds + number / per_second
            await self._sleep_until(planned_seconds)
            if self._recorder.is_open(planned_seconds):
                self._recorder.seen.lag_ms.append((self._loop.time() - planned_seconds) * 1000)
            member = self._next_free(first + number)
            self._start(send(member))
            number += 1

    def _next_free(self, number: int) -> Member:
        count = len(self._members)
        places = (self._members[(number + step) % count] for step in range(count))
        return next((member for member in places if not member.calling.is_busy), self._members[number % count])

    async def _beat(self, member: Member) -> None:
        body = heartbeat_body(member.daemon.instance_id, self._wall_time())
        await self._recorder.send("heartbeat", member.calling, agent_request(member.daemon, "POST", "heartbeat", body))

    async def _read_config(self, member: Member) -> None:
        await self._recorder.send("config", member.calling, agent_request(member.daemon, "GET", "config"))

    async def _poll(self, member: Member) -> None:
        """Ask plainly. A command that is there goes to whoever asks first, so it may be this one and not the parked request."""
        answer = await self._recorder.send("poll", member.calling, agent_request(member.daemon, "GET", "pending-commands"))
        if answer is not None:
            await self._carry_out(member.daemon, member.calling, answer)

    async def _report_prices(self, member: Member) -> None:
        """Send a report on a connection of its own: the server has closed the last one, five minutes ago."""
        report_id = f"{member.daemon.instance_id}/{self._loop.time():.3f}"
        body = price_report_body(member.daemon.instance_id, report_id, self._wall_time())
        connection = Connection(self._plan.port)
        await self._recorder.send("price report", connection, agent_request(member.daemon, "POST", "pricing-report", body))
        connection.close()

    async def _count_parked(self) -> None:
        while True:
            await asyncio.sleep(PARKED_LOOK_SECONDS)
            if self._recorder.is_open(self._loop.time()):
                self._recorder.seen.parked.append(self._parked_count)
