"""The metadata endpoint of one instance: IMDSv2 only, on an address of its host, with faults on order."""

import secrets
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from spot_simulator.clock import Clock
from spot_simulator.machine import Machine, MetadataFault
from spot_simulator.network.metadata import metadata_body

LONGEST_TOKEN_SECONDS = 21600
HANG_SECONDS = 60.0
_TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
_TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
_NOT_FOUND = "<html><head><title>404 - Not Found</title></head><body><h1>404 - Not Found</h1></body></html>"


class ImdsServer(ThreadingHTTPServer):
    """Serves one instance until ``close``. Tokens are good for this instance alone, and do not survive a stop."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, machine: Machine, listens_at: tuple[str, int], clock: Clock) -> None:
        """Bind and serve at once. Raise ``OSError`` if the address cannot be bound."""
        self.machine, self._clock = machine, clock
        self._expiries: dict[str, float] = {}
        self.closing = threading.Event()
        super().__init__(listens_at, _Handler)
        threading.Thread(target=self.serve_forever, name=f"imds of {machine.instance_id}", daemon=True).start()

    def issue_token(self, ttl_seconds: int) -> str:
        """Make a token that is good for ``ttl_seconds``."""
        now = self._clock.monotonic_seconds()
        self._expiries = {token: expiry for token, expiry in self._expiries.items() if expiry > now}
        token = secrets.token_urlsafe(40)
        self._expiries[token] = now + ttl_seconds
        return token

    def is_good(self, token: str | None) -> bool:
        """Whether a token was issued here and has not expired."""
        return token is not None and self._expiries.get(token, 0.0) > self._clock.monotonic_seconds()

    def close(self) -> None:
        """Stop serving; requests that hang are let go."""
        self.closing.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30.0
    server_version = "EC2ws"

    def do_PUT(self) -> None:
        """Issue a token."""
        self._drain()
        if self._is_faulty():
            return
        ttl = self.headers.get(_TTL_HEADER, "")
        if self.path != _TOKEN_PATH:
            self._answer(404, _NOT_FOUND)
        elif self.headers.get("X-Forwarded-For"):
            self._answer(403, "")
        elif not ttl.isdigit() or not 1 <= int(ttl) <= LONGEST_TOKEN_SECONDS:
            self._answer(400, "")
        else:
            self._answer(200, self._imds.issue_token(int(ttl)), ttl)

    def do_GET(self) -> None:
        """Answer a path to whoever has a token."""
        if self._is_faulty():
            return
        if not self._imds.is_good(self.headers.get("X-aws-ec2-metadata-token")):
            self._answer(401, "")
            return
        body = metadata_body(self.path, self._imds.machine)
        if body is None:
            self._answer(404, _NOT_FOUND)
        elif self._imds.machine.metadata_fault is MetadataFault.TRUNCATED:
            self._answer(200, body[: len(body) // 2])
        else:
            self._answer(200, body)

    def do_HEAD(self) -> None:
        """Answer as GET, without the body."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        """Say nothing."""

    @property
    def _imds(self) -> ImdsServer:
        return cast("ImdsServer", self.server)

    def _drain(self) -> None:
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(int(length) if length.isdigit() else 0)

    def _is_faulty(self) -> bool:
        """Misbehave as ordered; True if that was the answer."""
        fault = self._imds.machine.metadata_fault
        if fault is MetadataFault.ERROR:
            self._answer(503, "")
        elif fault is MetadataFault.OFF:
            self._answer(403, "")
        elif fault is MetadataFault.HANG:
            self._imds.closing.wait(HANG_SECONDS)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            return False
        return True

    def _answer(self, status: int, body: str, ttl: str | None = None) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if status != 404 else "text/html")
        self.send_header("Content-Length", str(len(content)))
        if ttl is not None:
            self.send_header(_TTL_HEADER, ttl)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
