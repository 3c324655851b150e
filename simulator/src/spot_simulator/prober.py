"""The outside prober: a numbered write to one address every 50 ms on the wall clock, never waiting for the one before.

Each write has a connection of its own and logs one JSON line when its outcome is known:
``{"number", "sent_at", "answered_at", "ok", "instance_id", "error"}``. ``answered_at`` is null when nothing came back.
The log is opened for appending, and numbering goes on after the highest number in it.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from spot_simulator.clock import SystemClock, rfc3339
from spot_simulator.probe_rules import DEFAULT_INTERVAL_SECONDS

DEFAULT_TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 64 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Where the writes go: an IPv4 address (never a name: looking one up would be measured too) and a port."""

    host: str
    port: int

    @classmethod
    def from_url(cls, url: str) -> "Target":
        """Raise ``ValueError`` unless the URL is ``http://<ip>[:port]``; the port defaults to 8080."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"not an http address: {url}")
        socket.inet_aton(parts.hostname)
        return cls(parts.hostname, parts.port or 8080)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one write ended; ``instance_id`` is set when it was acknowledged, ``error`` when it was not."""

    answered_at: str | None
    instance_id: str | None
    error: str | None


class ProbeLog:
    """The log file: one line a write, handed to the system whole and at once, so that a kill tears at most the last."""

    def __init__(self, path: Path) -> None:
        """Open for appending; a torn last line of an earlier run is closed off with a line break."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.write(self._fd, b"\n")
        self.last_number = max((_number_in(line) for line in content.splitlines()), default=0)

    def record(self, number: int, sent_at: str, outcome: Outcome) -> None:
        """Append the line of one write."""
        line = {"number": number, "sent_at": sent_at, "answered_at": outcome.answered_at, "ok": outcome.error is None}
        line |= {"instance_id": outcome.instance_id, "error": outcome.error}
        os.write(self._fd, (json.dumps(line) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _number_in(line: bytes) -> int:
    try:
        return int(json.loads(line)["number"])
    except (ValueError, KeyError, TypeError):
        return 0


def _now() -> str:
    return rfc3339(SystemClock().now())


def _is_whole(content: bytes | bytearray) -> bool:
    """Whether the answer is complete (by its length header) or too long to be one."""
    head, ending, body = content.partition(b"\r\n\r\n")
    length = _LENGTH.search(head) if ending else None
    return len(content) >= MAX_ANSWER_BYTES or (length is not None and len(body) >= int(length[1]))


def read_answer(content: bytes, number: int, answered_at: str) -> Outcome:
    """Judge the raw HTTP answer to write ``number``: only a 200 that names the number and its instance is an acknowledgement."""
    head, _, body = content.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].split(b" ")[1:2]
    if status != [b"200"]:
        told = status[0].decode("ascii", "replace") if status else "no HTTP answer"
        return Outcome(answered_at, None, f"answered {told}")
    try:
        answer = json.loads(body)
        if answer["number"] != number:
            return Outcome(answered_at, None, "answered for another write")
        return Outcome(answered_at, str(answer["instance_id"]), None)
    except (ValueError, KeyError, TypeError):
        return Outcome(answered_at, None, "answered without a whole body")


class Prober:
    """Sends the writes; the bound on those in hand is the time-out divided by the interval, because nothing waits longer."""

    def __init__(self, target: Target, log: ProbeLog, interval_seconds: float, timeout_seconds: float) -> None:
        """Send nothing yet; both durations are above zero."""
        self._target = target
        self._log = log
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._in_hand: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, max_writes: int | None) -> None:
        """Send until ``stop`` is set or ``max_writes`` are sent, then wait for what is in hand.

        A tick that was missed (the process did not get the processor) is skipped, never made up for by a burst.
        """
        loop = asyncio.get_running_loop()
        started, tick, sent = loop.time(), 0, 0
        while not stop.is_set() and (max_writes is None or sent < max_writes):
            sent += 1
            task = asyncio.create_task(self._write(self._log.last_number + sent))
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)
            tick = max(tick + 1, int((loop.time() - started) / self._interval_seconds) + 1)
            await self._wait(stop, started + tick * self._interval_seconds - loop.time())
        await asyncio.gather(*self._in_hand)

    @staticmethod
    async def _wait(stop: asyncio.Event, delay_seconds: float) -> None:
        try:
            await asyncio.wait_for(stop.wait(), delay_seconds)
        except TimeoutError:
            return

    async def _write(self, number: int) -> None:
        sent_at = _now()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                content = await self._exchange(number, sent_at)
        except TimeoutError:
            outcome = Outcome(None, None, "timed out")
        except OSError as error:
            outcome = Outcome(None, None, os.strerror(error.errno) if error.errno else type(error).__name__)
        else:
            outcome = read_answer(content, number, _now()) if content else Outcome(None, None, "closed without an answer")
        self._log.record(number, sent_at, outcome)

    async def _exchange(self, number: int, sent_at: str) -> bytes:
        """Send one write on a new connection and return what comes back: a whole answer, or less if the other side closes."""
        loop = asyncio.get_running_loop()
        body = json.dumps({"number": number, "sent_at": sent_at}).encode()
        head = f"POST /writes HTTP/1.0\r\nHost: {self._target.host}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            connection.settimeout(0)
            await loop.sock_connect(connection, (self._target.host, self._target.port))
            await loop.sock_sendall(connection, head.encode() + body)
            content = bytearray()
            while not _is_whole(content) and (chunk := await loop.sock_recv(connection, 4096)):
                content += chunk
            return bytes(content)
        finally:
            connection.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spot-simulator probe", description="Write to an address every 50 ms and log each outcome.")
    parser.add_argument("--url", required=True, help="http://<public ip>[:8080]")
    parser.add_argument("--log", required=True, type=Path, help="the JSON-lines file to append to")
    parser.add_argument("--interval-seconds", type=float, default=DEFAULT_INTERVAL_SECONDS)
    parser.add_argument("--timeout-seconds", type=float, default=DEFAULT_TIMEOUT_SECONDS)
    parser.add_argument("--max-writes", type=int, default=None, help="stop after so many (default: only on SIGTERM)")
    return parser


async def _run(arguments: argparse.Namespace) -> None:
    log = ProbeLog(arguments.log)
    stop = asyncio.Event()
    for wanted in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    try:
        prober = Prober(Target.from_url(arguments.url), log, arguments.interval_seconds, arguments.timeout_seconds)
        await prober.run(stop, arguments.max_writes)
    finally:
        log.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Probe until SIGTERM (or ``--max-writes``) and return 0."""
    asyncio.run(_run(_parser().parse_args(argv)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
