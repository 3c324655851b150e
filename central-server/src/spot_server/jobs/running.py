"""One run of one job: the place where a job's failure is caught, logged once and left to the next run."""

from __future__ import annotations

import threading
from collections.abc import Callable

from spot_server.errors import DatabaseUnavailable
from spot_server.jobs.lease import LeaseLost
from spot_server.jobs.registry import Job, JobContext


class JobRunner:
    """Runs jobs and remembers which failed last time, so that an outage is one log line per job and not one per run."""

    def __init__(self, context: JobContext, *, on_lease_lost: Callable[[], None]) -> None:
        """`on_lease_lost` is called when a job finds that another process leads."""
        self._context = context
        self._on_lease_lost = on_lease_lost
        self._failing: dict[str, str] = {}
        self._lock = threading.Lock()

    def run(self, job: Job) -> None:
        """Run `job` once; never raises."""
        context = self._context
        started_seconds = context.clock.monotonic_seconds()
        try:
            sentence = job.run(context)
        except LeaseLost:
            context.metrics.job_runs.labels(job.name, "lease_lost").inc()
            self._on_lease_lost()
            return
        except Exception as error:  # noqa: BLE001 - one of the three places that catch everything
            context.metrics.job_runs.labels(job.name, "failed").inc()
            self._note_failure(job, error)
            return
        context.metrics.job_duration_seconds.labels(job.name).observe(context.clock.monotonic_seconds() - started_seconds)
        context.metrics.job_runs.labels(job.name, "done").inc()
        context.metrics.job_last_success_timestamp_seconds.labels(job.name).set(context.clock.now().timestamp())
        if self._clear_failure(job):
            context.log.info("job_recovered", job=job.name)
        if sentence:
            context.log.info("job_done", job=job.name, what=sentence)

    def _note_failure(self, job: Job, error: Exception) -> None:
        kind = f"{type(error).__name__}: {error}"
        with self._lock:
            is_new = self._failing.get(job.name) != kind
            self._failing[job.name] = kind
        if not is_new:
            return
        if isinstance(error, DatabaseUnavailable):
            self._context.log.warning("job_failed", job=job.name, error=kind)
        else:
            self._context.log.error("job_failed", job=job.name, exc_info=error)

    def _clear_failure(self, job: Job) -> bool:
        with self._lock:
            return self._failing.pop(job.name, None) is not None
