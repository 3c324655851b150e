"""One web process of the server: the whole WSGI application behind the pretend network."""

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import ref

from flask import Flask

from spot_server.bootstrap import build_app, context_on
from spot_server.db.event_log import NewEvent
from spot_server.db.factory import policy_of
from spot_server.features.commands.ledger import ISSUED
from spot_server.http.context import EXTENSION, AppContext
from spot_server.http.poller import Poller
from spot_server.settings import Settings
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.foresight import Foresight
from spot_simulator.virtual.insight import OfDeliveries
from spot_simulator.virtual.network import Network, Request, Response
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.quiet_looks import QuietLooks, Ticks
from spot_simulator.virtual.waiting import VirtualEvent
from spot_simulator.virtual.ways import Ways

SERVER = "server"
"""The server's name on the network."""

START_SECONDS = 1.5
"""From the start of the process to its first answer. Source: the kill test's log, a free core."""


class WebHost:
    """Starts with its construction; ends when `process` is killed."""

    def __init__(self, process: Process, network: Network, database: DatabaseServer, settings: Settings, ways: Ways) -> None:
        """Begin to start."""
        self.process = process
        self._leaves_out_looks = ways.leaves_out_looks
        self._network = network
        self._database = database
        self._settings = settings
        self.clock = ProcessClock(process, skew_seconds=ways.skew_seconds)
        process.spawn(self._run)

    def _run(self) -> None:
        self.process.sleep(START_SECONDS)
        context = context_on(
            self._settings,
            self._database.database_of(self.process, self.clock, policy_of(self._settings)),
            self.clock,
            new_event=lambda: VirtualEvent(self.process),
        )
        self._announce(context)
        app = _lend(context, self.process)
        poller = _WatchedPoller(context, self._settings, self._database)

        def hear(request: Request) -> Response:
            if self._leaves_out_looks:
                poller.vouch()
            return answer(app, request)

        self._network.listen(SERVER, self.process, hear)
        self._poll(context, poller)

    def _announce(self, context: AppContext) -> None:
        """Have what is committed here known to the daemons whose waiting was left out, as to those who wait."""
        wake, announced = context.database.on_commit, self._database.announced

        def tell(events: Sequence[NewEvent]) -> None:
            announced.update(event.instance_id for event in events if event.kind == ISSUED and event.instance_id)
            if wake is not None:
                wake(events)

        context.database.on_commit = tell

    def _poll(self, context: AppContext, poller: "_WatchedPoller") -> None:
        """Look as the poller's thread does, without the looks that would find what the last one found (insight.py)."""
        period_seconds, watch = self._settings.poller_period_ms / 1000, self._database.watch
        ticks = Ticks(period_seconds, self.clock.monotonic_seconds())
        quiet = QuietLooks(self.process, self.clock, watch, Foresight(self._database, self.clock, policy_of(self._settings)))
        while True:
            poller.step()
            if self._leaves_out_looks:
                quiet.wait_knowing(ticks, OfDeliveries(self._database, self.clock, context.waiting_room))
            else:
                self.process.sleep(period_seconds)


class _WatchedPoller:
    """The poller. In the stead of its looks that are left out, it says what they would say of revoked tokens."""

    def __init__(self, context: AppContext, settings: Settings, database: DatabaseServer) -> None:
        self._poller = Poller(context, period_seconds=settings.poller_period_ms / 1000)
        self._context = context
        self._database = database
        self._seen: int | None = None
        self._looked_seconds = 0.0

    def step(self) -> None:
        """Look."""
        self.vouch()
        self._looked_seconds = self._context.clock.monotonic_seconds()
        self._seen = self._database.watch.version(_TOKENS) if self._database.is_certain else None
        self._poller.step()

    def vouch(self) -> None:
        """No token was revoked since a look: let the cache know, as one look after the other would have."""
        if self._seen is not None and self._database.is_certain and self._database.watch.version(_TOKENS) == self._seen:
            now_seconds = self._context.clock.monotonic_seconds()
            self._context.token_cache.watched((), since_seconds=self._looked_seconds, looked_seconds=now_seconds)


_TOKENS = frozenset({"tokens"})

_lent: list[tuple[Flask, ref[Process]]] = []
"""Applications, and who had them last. To build one costs as much as a hundred requests, and all that a process knows is in its context."""


def _lend(context: AppContext, process: Process) -> Flask:
    """Return an application that no other process of this run has: those of the runs before never go on."""
    for place, (app, reference) in enumerate(_lent):
        last = reference()
        if last is None or not last.is_alive or last.scheduler is not process.scheduler:
            _lent[place] = (app, ref(process))
            app.extensions[EXTENSION] = context
            return app
    app = build_app(context)
    _lent.append((app, ref(process)))
    return app


def answer(app: Flask, request: Request) -> Response:
    """Let the application answer one request."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], _error: object = None) -> Callable[[bytes], None]:
        started.append((status, headers))
        return _write_nothing

    chunks: Iterable[bytes] = app.wsgi_app(_environ(request), start_response)
    body = b"".join(chunks)
    close = getattr(chunks, "close", None)
    if close is not None:
        close()
    status, headers = started[0]
    retry_after = next((value for name, value in headers if name == "Retry-After"), None)
    return Response(int(status[:3]), body, retry_after)


def _write_nothing(_chunk: bytes) -> None:
    """WSGI's old way to write a body; the application does not use it."""


def _environ(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": SERVER,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": SERVER,
        "HTTP_AUTHORIZATION": f"Bearer {request.token}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body or b""),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if request.body is not None:
        environ["CONTENT_TYPE"] = "application/json"
        environ["CONTENT_LENGTH"] = str(len(request.body))
    return environ
