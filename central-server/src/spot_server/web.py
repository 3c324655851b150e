"""The web process: gunicorn, started from Python with our settings, so that no second configuration exists."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from prometheus_client import multiprocess

from spot_server.bootstrap import build_app, build_context
from spot_server.clock import SystemClock
from spot_server.http.context import EXTENSION
from spot_server.http.poller import start_poller
from spot_server.listening import listen
from spot_server.parent_death import signal_on_parent_death
from spot_server.settings import Settings, WorkerKind

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time of common load balancers (60 s), which must be the ones to close."""

SILENT_WORKER_SECONDS = 60
"""A worker whose loop stands still for this long is replaced. Waiting requests do not count: the loop goes on."""

PORT_PATIENCE_SECONDS = 10
"""How much longer than their time to stop the processes of a killed predecessor may hold the port before the start is given up."""

WORKER_CLASSES = {WorkerKind.GTHREAD: "spot_server.thread_worker.PromptWorker", WorkerKind.GEVENT: "gevent"}

SPARE_CONNECTIONS = 2000
"""Connections of one web process beyond those that wait: idle ones that are kept, and those at work."""


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn with our settings; every worker builds its own context, so that nothing is shared over a fork."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        """Keep the settings, and take the listening socket over; gunicorn asks for the rest."""
        self._settings = settings
        self._listener_fd = listener.detach()
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        for name, value in gunicorn_options(self._settings, self._listener_fd).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application, in the worker."""
        return build_app(build_context(self._settings))


def gunicorn_options(settings: Settings, listener_fd: int) -> dict[str, Any]:
    """Return gunicorn's options for these settings."""
    options: dict[str, Any] = {
        "bind": f"fd://{listener_fd}",
        "workers": settings.web_processes,
        "worker_class": WORKER_CLASSES[settings.web_worker_kind],
        "worker_connections": settings.waiting_room_seats + SPARE_CONNECTIONS,
        "timeout": SILENT_WORKER_SECONDS,
        "graceful_timeout": settings.web_stop_seconds,
        "keepalive": KEEP_ALIVE_SECONDS,
        "control_socket_disable": True,
        "accesslog": None,
        "loglevel": settings.log_level.value,
        "logger_class": "spot_server.log_setup.GunicornLogger",
        "proc_name": "spot-server web",
        "post_fork": after_fork,
        "post_worker_init": _after_worker_start,
        "child_exit": _after_worker_end,
    }
    if settings.web_worker_kind is WorkerKind.GTHREAD:
        options["threads"] = settings.waiting_room_seats + settings.web_threads
    return options


def serve(settings: Settings) -> None:
    """Serve until told to stop; CannotListen when the port cannot be had. PROMETHEUS_MULTIPROC_DIR must not change any more."""
    patience_seconds = settings.web_stop_seconds + PORT_PATIENCE_SECONDS
    listener = listen(settings.bind_address, settings.bind_port, patience_seconds=patience_seconds, clock=SystemClock())
    WebServer(settings, listener).run()


def after_fork(_server: Any, _worker: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
    """Have a new web process end at once when it is told to stop, or when its master dies, as long as it has nothing to finish.

    What comes before gunicorn has set the handlers of its web processes would be dropped, and a stop would take all its time.
    """
    signal_on_parent_death(signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _after_worker_start(worker: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
    app: Flask = worker.wsgi
    # Without its master a worker lets go of the port at once, and ends after its last request.
    signal_on_parent_death(signal.SIGTERM)
    if worker.ppid != os.getppid():
        worker.alive = False
    start_poller(app.extensions[EXTENSION], is_stopping=lambda: not worker.alive or worker.ppid != os.getppid())


def _after_worker_end(_server: Any, worker: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
