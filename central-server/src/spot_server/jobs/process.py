"""The jobs process: leads while it holds the lease, stands by otherwise, and lets go when it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC

import structlog
from apscheduler.events import EVENT_SCHEDULER_STARTED
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler

from spot_server.clock import Clock
from spot_server.errors import ProductError
from spot_server.jobs.lease import Lease
from spot_server.jobs.registry import Job, JobContext
from spot_server.jobs.running import JobRunner
from spot_server.settings import Settings

RENEWAL = "renew_lease"

log = structlog.get_logger()


class JobsProcess:
    """Runs `jobs` whenever this process leads."""

    def __init__(self, context: JobContext, lease: Lease, jobs: Sequence[Job]) -> None:
        """`context.database` must be guarded by `lease`."""
        self._context = context
        self._lease = lease
        self._jobs = tuple(jobs)
        self._stop = threading.Event()
        self._term: _Term | None = None

    def run(self) -> None:
        """Stand by and lead until `stop` is called from another thread."""
        is_first = True
        while not self._stop.is_set():
            if self._try_to_lead():
                self._lead()
            elif is_first:
                log.info("jobs_standing_by")
            is_first = False
            self._stop.wait(self._context.settings.lease_renew_period_seconds)
        self._release()

    def stop(self) -> None:
        """End the present term after the runs that are going on, give the lease back, and return from `run`."""
        self._stop.set()
        term = self._term
        if term is not None:
            term.end()

    def _try_to_lead(self) -> bool:
        try:
            return self._lease.acquire()
        except ProductError as error:
            log.warning("lease_not_read", error=error.detail)
            return False

    def _lead(self) -> None:
        self._term = _Term(self._context, self._lease, self._jobs)
        if self._stop.is_set():
            return
        self._context.metrics.is_jobs_leader.set(1)
        log.info("jobs_leading", epoch=self._lease.epoch)
        self._term.run()
        self._context.metrics.is_jobs_leader.set(0)
        log.info("jobs_leading_no_more")

    def _release(self) -> None:
        try:
            self._lease.release()
        except ProductError as error:
            log.warning("lease_not_released", error=error.detail)


class _Term:
    """One time of leading, from taking the lease to losing or leaving it."""

    def __init__(self, context: JobContext, lease: Lease, jobs: Sequence[Job]) -> None:
        self._clock: Clock = context.clock
        self._settings: Settings = context.settings
        self._lease = lease
        self._jobs = tuple(jobs)
        self._renewed_seconds = self._clock.monotonic_seconds()
        self._ending = threading.Event()
        self._started = threading.Event()
        runner = JobRunner(context, on_lease_lost=self.end)
        # The renewal has a thread of its own: jobs that take long must not cost the lease.
        self._scheduler = BlockingScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(max(1, len(jobs))), RENEWAL: ThreadPoolExecutor(1)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(lambda _event: self._started.set(), EVENT_SCHEDULER_STARTED)
        now = self._clock.now()
        self._scheduler.add_job(self._renew, "interval", seconds=self._settings.lease_renew_period_seconds, executor=RENEWAL, id=RENEWAL)
        for job in jobs:
            self._scheduler.add_job(runner.run, "interval", seconds=job.period_seconds, args=[job], id=job.name, next_run_time=now)

    def run(self) -> None:
        """Run jobs until `end`; returns after the last run has ended."""
        ender = threading.Thread(target=self._end_when_told, name="jobs-ender", daemon=True)
        ender.start()
        self._scheduler.start()
        ender.join()

    def end(self) -> None:
        """Start no more runs; `run` returns when those that go on have ended."""
        self._ending.set()

    def _end_when_told(self) -> None:
        self._ending.wait()
        self._started.wait()
        # Waiting happens here and not in a job's own thread, which would wait for itself.
        self._scheduler.shutdown(wait=True)
        for job in self._jobs:
            if job.settle is not None:
                job.settle()

    def _renew(self) -> None:
        started_seconds = self._clock.monotonic_seconds()
        try:
            still_leads = self._lease.renew()
        except Exception as error:  # noqa: BLE001 - whatever happened, the lease runs out by itself
            log.warning("lease_not_renewed", error=str(error))
            still_leads = self._clock.monotonic_seconds() - self._renewed_seconds < self._settings.lease_seconds
            if not still_leads:
                self._lease.give_up()
        else:
            self._renewed_seconds = started_seconds
        if not still_leads:
            log.warning("lease_lost")
            self.end()
