"""Serving a region over HTTP until it is told to stop."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from spot_simulator.control_api import control_app
from spot_simulator.region import Region, RegionSettings

HOST = "127.0.0.1"


class _QuietHandler(WSGIRequestHandler):
    """No line per request: the region's own log says what changed."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - named by werkzeug
        """Say nothing but errors."""
        if type == "error":
            super().log(type, message, *args)


class _Router:
    """Sends ``/_region`` to the control API and all else to EC2; the region is set once it is built."""

    def __init__(self) -> None:
        self.control: Any = None
        self.shim: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        is_control = environ.get("PATH_INFO", "").startswith("/_region")
        application = self.control if is_control else self.shim
        answer: Iterable[bytes] = application(environ, start_response)
        return answer


def open_server(host: str, port: int) -> tuple[BaseWSGIServer, _Router]:
    """Bind the port (0: any free one) before the region is built, so that its URL is known. Raise ``OSError``."""
    router = _Router()
    server = make_server(host, port, router, threaded=True, request_handler=_QuietHandler)
    return server, router


def serve_region(server: BaseWSGIServer, router: _Router, settings: RegionSettings) -> None:
    """Build the region, print one ready line, and serve until SIGTERM or SIGINT; then end everything it started."""
    stop_signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    region = Region(settings)
    router.shim, router.control = region.shim, control_app(region, region.lock)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    ready = {
        "event": "ready",
        "url": settings.api_url,
        "region": settings.region,
        "time_scale": settings.time_scale,
        "seed": settings.seed,
        "state_dir": str(settings.state_dir),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    signal.sigwait(stop_signals)
    region.stop()
