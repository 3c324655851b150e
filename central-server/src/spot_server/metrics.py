"""Every metric of the server. Base units in the names; labels have few values, never ids."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from spot_server.metrics_directory import VARIABLE

REQUEST_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """One set of metrics per process (and per test), on its own registry."""

    def __init__(self) -> None:
        """Declare all of them; nothing is measured yet."""
        self.registry = CollectorRegistry()
        self.requests = Counter("spot_http_requests", "Requests answered.", ["endpoint", "method", "status_class"], registry=self.registry)
        self.request_duration_seconds = Histogram(
            "spot_http_request_duration_seconds",
            "Time to answer a request; waiting requests are left out.",
            ["endpoint"],
            buckets=REQUEST_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.sql_statements = Counter(
            "spot_http_sql_statements",
            "SQL statements that requests executed; BEGIN and COMMIT are left out.",
            ["endpoint"],
            registry=self.registry,
        )
        self.unhandled_errors = Counter("spot_http_unhandled_errors", "Requests that ended in a 500.", registry=self.registry)
        self.unknown_fields = Counter(
            "spot_unknown_fields", "Fields in agent-side requests that this server does not know.", registry=self.registry
        )
        self.token_lookups = Counter(
            "spot_token_lookups", "Tokens checked, by where the answer came from.", ["source"], registry=self.registry
        )
        self.waiters = Gauge(
            "spot_waiting_requests", "Requests that wait for commands now.", multiprocess_mode="livesum", registry=self.registry
        )
        self.waits_refused = Counter(
            "spot_waiting_room_full", "Waits answered at once because the waiting room was full.", registry=self.registry
        )
        self.poll_duration_seconds = Histogram(
            "spot_poller_duration_seconds", "Time of one look for open commands and revoked tokens.", registry=self.registry
        )
        self.poll_failures = Counter("spot_poller_failures", "Looks of the poller that failed.", registry=self.registry)
        self._declare_jobs()

    def _declare_jobs(self) -> None:
        """What the jobs process measures."""
        self.job_runs = Counter("spot_job_runs", "Runs of a job.", ["job", "outcome"], registry=self.registry)
        self.job_duration_seconds = Histogram("spot_job_duration_seconds", "Time of one run of a job.", ["job"], registry=self.registry)
        self.job_last_success_timestamp_seconds = Gauge(
            "spot_job_last_success_timestamp_seconds",
            "When a job last did its work, in seconds since 1970.",
            ["job"],
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.retention_deleted_rows = Counter(
            "spot_retention_deleted_rows", "Rows deleted because they were old enough.", ["table"], registry=self.registry
        )
        self.decision_failures = Counter(
            "spot_decision_model_failures", "Answers of decision models that count as STAY, by why.", ["answer"], registry=self.registry
        )
        self.silent_primaries = Gauge(
            "spot_silent_primaries",
            "Primaries that nothing was heard of for longer than a daemon may be silent.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.many_silent = Gauge(
            "spot_many_silent",
            "1 while so many primaries fell silent together that the server doubts itself: somebody should look at it.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.oldest_image_age_seconds = Gauge(
            "spot_oldest_image_age_seconds",
            "Age of the state that a lost instance would be brought back with, of the agent for which it is oldest; without standbys.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.agents_without_image = Gauge(
            "spot_agents_without_image",
            "Enabled agents with state of which there is no image.",
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self.is_jobs_leader = Gauge(
            "spot_jobs_leader", "1 while this process holds the jobs lease.", multiprocess_mode="livemax", registry=self.registry
        )


def expose(metrics: Metrics) -> tuple[bytes, str]:
    """Return the metrics as Prometheus reads them, of all web processes where PROMETHEUS_MULTIPROC_DIR is set; and their media type."""
    registry = metrics.registry
    if VARIABLE in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
