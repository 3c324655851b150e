"""The web process: gunicorn, started from Python with our settings, so that no second configuration exists."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from prometheus_client import multiprocess

from spot_server.bootstrap import build_app, build_context
from spot_server.http.context import EXTENSION
from spot_server.http.poller import start_poller
from spot_server.log_setup import set_up_logging
from spot_server.settings import Settings, WorkerKind

KEEP_ALIVE_SECONDS = 75
"""Longer than the idle time of common load balancers (60 s), which must be the ones to close."""

SILENT_WORKER_SECONDS = 60
"""A worker whose loop stands still for this long is replaced. Waiting requests do not count: the loop goes on."""

SPARE_CONNECTIONS = 2000
"""Connections of one web process beyond those that wait: idle ones that are kept, and those at work."""


class WebServer(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn with our settings; every worker builds its own context, so that nothing is shared over a fork."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; gunicorn asks for the rest."""
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn."""
        for name, value in gunicorn_options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Build the application, in the worker."""
        return build_app(build_context(self._settings))


def gunicorn_options(settings: Settings) -> dict[str, Any]:
    """Return gunicorn's options for these settings."""
    options: dict[str, Any] = {
        "bind": f"{settings.bind_address}:{settings.bind_port}",
        "workers": settings.web_processes,
        "worker_class": settings.web_worker_kind.value,
        "worker_connections": settings.waiting_room_seats + SPARE_CONNECTIONS,
        "timeout": SILENT_WORKER_SECONDS,
        "graceful_timeout": settings.web_stop_seconds,
        "keepalive": KEEP_ALIVE_SECONDS,
        "control_socket_disable": True,
        "accesslog": None,
        "loglevel": settings.log_level.value,
        "logger_class": "spot_server.log_setup.GunicornLogger",
        "proc_name": "spot-server web",
        "post_worker_init": _after_worker_start,
        "child_exit": _after_worker_end,
    }
    if settings.web_worker_kind is WorkerKind.GTHREAD:
        options["threads"] = settings.waiting_room_seats + settings.web_threads
    return options


def serve(settings: Settings) -> None:
    """Serve until told to stop. PROMETHEUS_MULTIPROC_DIR must not change after this process has begun."""
    set_up_logging(settings.log_level, settings.log_format)
    WebServer(settings).run()


def _after_worker_start(worker: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
    app: Flask = worker.wsgi
    # Without its master a worker ends, but not before its last waiting request.
    start_poller(app.extensions[EXTENSION], is_stopping=lambda: not worker.alive or worker.ppid != os.getppid())


def _after_worker_end(_server: Any, worker: Any) -> None:  # noqa: ANN401 - gunicorn carries no types
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
