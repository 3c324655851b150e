"""The pretend workload of an instance: an HTTP server that keeps numbered writes on its own disk copy.

Run it as ``python -m spot_simulator.workload``. It imports the standard library only, so that a start is short.

* ``POST /writes {"number": N, "sent_at": "..."}`` appends the write to ``<INSTANCE_ROOT>/srv/workload/writes.log``, with
  fsync, and only then answers ``{"number", "instance_id", "count"}``: what was acknowledged is on the disk.
* ``GET /writes?after=N`` lists the numbers above N that this disk copy holds; ``GET /health`` answers 200 while it serves.
* SIGTERM: it stops accepting, finishes what is in hand (at most ``DRAIN_SECONDS``) and exits 0.
"""

import errno
import json
import os
import signal
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, urlsplit

from spot_simulator.clock import SystemClock, rfc3339

MAX_BODY_BYTES = 64 * 1024
CONNECTION_IDLE_SECONDS = 5.0
DRAIN_SECONDS = 1.0
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})

Answer = tuple[int, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says about this workload; ``start_seconds`` >= 0 passes before it listens."""

    instance_ip: str
    instance_root: Path
    instance_id: str
    port: int
    start_seconds: float
    must_fail_start: bool

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Raise ``KeyError`` or ``ValueError``, which name the setting, if one is missing or malformed."""
        return cls(
            instance_ip=env["INSTANCE_IP"],
            instance_root=Path(env["INSTANCE_ROOT"]),
            instance_id=env["INSTANCE_ID"],
            port=int(env.get("WORKLOAD_PORT", "8080")),
            start_seconds=float(env.get("WORKLOAD_START_SECONDS", "0")),
            must_fail_start=env.get("WORKLOAD_FAIL_START", "0") == "1",
        )


class WriteLog:
    """The numbered writes of one disk copy: JSON lines, appended one at a time, each on the disk before ``append`` returns."""

    def __init__(self, path: Path) -> None:
        """Open the log, and drop a torn last line: it was never acknowledged. Raise ``ValueError`` on damage further up."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        content = path.read_bytes()
        whole_bytes = content.rfind(b"\n") + 1
        self._numbers = [int(json.loads(line)["number"]) for line in content[:whole_bytes].splitlines()]
        os.ftruncate(self._fd, whole_bytes)
        os.fsync(self._fd)
        _fsync_folder(path.parent)

    def append(self, number: int, sent_at: str) -> int:
        """Put one write on the disk and return how many it holds now; raise ``OSError``, and hold nothing new, if that fails."""
        line = (json.dumps({"number": number, "sent_at": sent_at, "written_at": _now()}) + "\n").encode()
        with self._lock:
            size_bytes = os.fstat(self._fd).st_size
            try:
                is_whole = os.write(self._fd, line) == len(line)
                os.fsync(self._fd)
            except OSError:
                os.ftruncate(self._fd, size_bytes)
                raise
            if not is_whole:
                os.ftruncate(self._fd, size_bytes)
                raise OSError(errno.ENOSPC, "the write did not fit")
            self._numbers.append(number)
            return len(self._numbers)

    def count(self) -> int:
        """Return how many writes it holds."""
        with self._lock:
            return len(self._numbers)

    def numbers_after(self, number: int) -> list[int]:
        """List the held numbers above ``number``, in the order in which they came."""
        with self._lock:
            return [held for held in self._numbers if held > number]

    def close(self) -> None:
        """Close the file; an append that is in hand is finished first, a later one fails."""
        with self._lock:
            os.close(self._fd)
            self._fd = -1


class Workload(socketserver.ThreadingTCPServer):
    """The listening socket, one thread a connection, and the count of requests in hand."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, settings: Settings, log: WriteLog) -> None:
        """Bind and listen at once; requests are answered from ``serve_forever`` on."""
        self.instance_id = settings.instance_id
        self.log = log
        self._in_hand = 0
        self._changed = threading.Condition()
        super().__init__((settings.instance_ip, settings.port), Handler)

    def take(self) -> None:
        """Count one request in."""
        with self._changed:
            self._in_hand += 1

    def give(self) -> None:
        """Count one request out."""
        with self._changed:
            self._in_hand -= 1
            self._changed.notify_all()

    def drain(self, bound_seconds: float) -> bool:
        """Wait until nothing is in hand; False if ``bound_seconds`` went by first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._in_hand == 0, bound_seconds)

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about a client that went away; anything else is told on standard error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0), so that an address that moves never leaves a kept connection behind."""

    timeout = CONNECTION_IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer the health check and the list of held numbers."""
        self._serve(self._get)

    def do_POST(self) -> None:
        """Accept one numbered write."""
        self._serve(self._post)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class named it
        """Say nothing: standard output carries events only."""

    @property
    def _workload(self) -> Workload:
        return cast("Workload", self.server)

    def _serve(self, answer: Callable[[], Answer]) -> None:
        self._workload.take()
        try:
            status, body = answer()
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        finally:
            self._workload.give()

    def _get(self) -> Answer:
        workload, url = self._workload, urlsplit(self.path)
        if url.path == "/health":
            return 200, {"instance_id": workload.instance_id, "serving": True, "count": workload.log.count()}
        if url.path != "/writes":
            return 404, {"error": "unknown path"}
        try:
            after = int(parse_qs(url.query).get("after", ["-1"])[0])
        except ValueError:
            return 400, {"error": "after must be a whole number"}
        numbers = workload.log.numbers_after(after)
        return 200, {"instance_id": workload.instance_id, "numbers": numbers, "count": len(numbers)}

    def _post(self) -> Answer:
        if self.path != "/writes":
            return 404, {"error": "unknown path"}
        write = self._read_write()
        if write is None:
            return 400, {"error": 'the body must be {"number": whole number, "sent_at": text}'}
        number, sent_at = write
        try:
            count = self._workload.log.append(number, sent_at)
        except OSError as error:
            return 500, {"error": f"not written: {error}"}
        return 200, {"number": number, "instance_id": self._workload.instance_id, "count": count}

    def _read_write(self) -> tuple[int, str] | None:
        """Read the write's number and sending time, or None if the body is not one whole write."""
        try:
            length_bytes = int(self.headers.get("Content-Length", "0"))
            if not 0 < length_bytes <= MAX_BODY_BYTES:
                return None
            body = json.loads(self.rfile.read(length_bytes))
            number, sent_at = body["number"], body["sent_at"]
        except (ValueError, KeyError, TypeError):
            return None
        is_write = isinstance(number, int) and not isinstance(number, bool) and isinstance(sent_at, str)
        return (number, sent_at) if is_write else None


def _now() -> str:
    return rfc3339(SystemClock().now())


def _fsync_folder(folder: Path) -> None:
    """Make the entry of a new file durable, as fsync of the file alone does not."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _tell(event: str, settings: Settings, **facts: object) -> None:
    line = {"event": event, "at": _now(), "instance_id": settings.instance_id, **facts}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _serve_until_stopped(settings: Settings) -> None:
    log = WriteLog(settings.instance_root / "srv" / "workload" / "writes.log")
    workload = Workload(settings, log)
    acceptor = threading.Thread(target=workload.serve_forever, kwargs={"poll_interval": 0.1}, name="acceptor")
    acceptor.start()
    _tell("serving", settings, count=log.count(), port=workload.server_address[1])
    signal.sigwait(STOP_SIGNALS)
    workload.shutdown()
    workload.server_close()
    is_drained = workload.drain(DRAIN_SECONDS)
    log.close()
    _tell("stopped", settings, count=log.count(), is_drained=is_drained)


def main() -> int:
    """Run until SIGTERM and return the exit code: 0 stopped as asked, 1 could not start."""
    # Blocked before any thread starts, and taken up with sigwait: no handler runs in the middle of anything.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    settings = Settings.from_env(os.environ)
    if signal.sigtimedwait(STOP_SIGNALS, settings.start_seconds) is not None:
        _tell("stopped", settings, reason="before it served")
        return 0
    if settings.must_fail_start:
        _tell("failed", settings, reason="WORKLOAD_FAIL_START is set")
        return 1
    try:
        _serve_until_stopped(settings)
    except (OSError, ValueError) as error:
        _tell("failed", settings, reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
