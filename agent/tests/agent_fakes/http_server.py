"""A small threaded HTTP server for the fakes below."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive, silent."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Silence."""

    def body(self) -> Any:
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length)
        return json.loads(raw) if raw else {}

    def answer(self, status: int, text: str, content_type: str = "text/plain", missing_bytes: int = 0) -> None:
        """`missing_bytes`: promise more than is sent, then hang up."""
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(payload) + missing_bytes))
        self.end_headers()
        self.wfile.write(payload)
        self.close_connection = self.close_connection or missing_bytes > 0


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of the tests."""


class HttpFake:
    """Listens while entered. `closing` ends every request that hangs on purpose."""

    def __init__(self, handler: type[Handler], port: int = 0, trust: ssl.SSLContext | None = None) -> None:
        self.closing = threading.Event()
        bound = type("Bound", (handler,), {"fake": self})
        self._server = _QuietServer(("127.0.0.1", port), bound)
        self._scheme = "http" if trust is None else "https"
        if trust is not None:
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def __enter__(self) -> HttpFake:  # noqa: PYI034 - Self needs Python 3.11
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
