"""Starting the jobs process, and stopping it on a signal."""

from __future__ import annotations

import os
import signal
import socket
import threading
import uuid
from dataclasses import replace

import structlog
from prometheus_client import start_http_server

from spot_server.aws.sessions import AssumedRoles
from spot_server.clock import SystemClock
from spot_server.db.factory import build_database
from spot_server.features.control_role.jobs import control_role_job
from spot_server.features.game_days.jobs import game_day_job
from spot_server.features.notice_queues.jobs import notice_queues_job
from spot_server.features.on_demand.jobs import price_list_job
from spot_server.features.price_pulls.jobs import price_pull_job
from spot_server.features.pricing.on_demand import load_catalogue
from spot_server.features.savings.jobs import savings_job
from spot_server.jobs.jobs import all_jobs
from spot_server.jobs.lease import Lease
from spot_server.jobs.leased_database import LeasedDatabase
from spot_server.jobs.process import JobsProcess
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings

STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}


def run_jobs(settings: Settings) -> None:
    """Run the jobs until SIGTERM or SIGINT."""
    # Before any thread exists, so that all inherit it: signals wait for the one thread that asks for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    process, metrics = build_jobs_process(settings)
    if settings.jobs_metrics_port:
        start_http_server(settings.jobs_metrics_port, addr=settings.bind_address, registry=metrics.registry)
    threading.Thread(target=_stop_on_signal, args=[process], name="signals", daemon=True).start()
    process.run()


def build_jobs_process(settings: Settings) -> tuple[JobsProcess, Metrics]:
    """Return the jobs process and its metrics."""
    clock = SystemClock()
    database = build_database(settings, clock)
    on_demand = load_catalogue(settings.on_demand_catalogue)
    database.policy = replace(database.policy, on_demand_usd_per_hour=on_demand.usd_per_hour())
    holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
    lease = Lease(database, holder=holder, duration_seconds=settings.lease_seconds)
    metrics = Metrics()
    context = JobContext(
        database=LeasedDatabase(database, lease),
        clock=clock,
        settings=settings,
        metrics=metrics,
        log=structlog.get_logger("jobs"),
    )
    gateway = AssumedRoles(clock)
    others = (
        game_day_job(settings, gateway),
        notice_queues_job(settings, gateway),
        price_pull_job(settings, gateway),
        price_list_job(settings, gateway),
        savings_job(settings, on_demand),
    )
    jobs = all_jobs(settings, control_role_job(settings, gateway), gateway, clock, *others)
    return JobsProcess(context, lease, jobs), metrics


def _stop_on_signal(process: JobsProcess) -> None:
    signal.sigwait(STOP_SIGNALS)
    process.stop()
