"""Every metric of the daemon. Base units in the names; labels with few values."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

REGISTRY = CollectorRegistry()

STEPS = Counter("spot_agent_steps_total", "Worker steps, by outcome.", ["worker", "outcome"], registry=REGISTRY)
STEP_SECONDS = Histogram(
    "spot_agent_step_duration_seconds",
    "Duration of one worker step.",
    ["worker"],
    buckets=(0.01, 0.05, 0.25, 1, 5, 15, 60),
    registry=REGISTRY,
)
WORKER_RESTARTS = Counter(
    "spot_agent_worker_restarts_total",
    "Worker threads that died and were started again.",
    ["worker"],
    registry=REGISTRY,
)
METADATA_FAILURES = Counter("spot_agent_metadata_failures_total", "Metadata reads with no definite answer.", registry=REGISTRY)
NOTICES = Counter("spot_agent_notices_total", "New notices seen, by kind.", ["kind"], registry=REGISTRY)
NOTICE_DELIVERY_SECONDS = Histogram(
    "spot_agent_notice_delivery_seconds",
    "From seeing a notice to the server's answer.",
    buckets=(0.1, 0.5, 1, 3, 10, 30, 120),
    registry=REGISTRY,
)
COMMANDS = Counter("spot_agent_commands_total", "Commands answered.", ["kind", "outcome"], registry=REGISTRY)
COMMAND_SECONDS = Histogram(
    "spot_agent_command_duration_seconds",
    "From starting a command to its outcome.",
    ["kind"],
    buckets=(0.1, 0.5, 1, 3, 10, 30, 120, 600),
    registry=REGISTRY,
)
UNSENT_REPORTS = Gauge("spot_agent_unsent_reports", "Reports that the server has not acknowledged.", registry=REGISTRY)
LAST_HEARTBEAT = Gauge("spot_agent_last_heartbeat_timestamp_seconds", "When the server last answered a heartbeat.", registry=REGISTRY)
SERVING = Gauge("spot_agent_serving", "1 serving, 0 not serving, -1 not known.", registry=REGISTRY)
EPOCH = Gauge("spot_agent_epoch", "The newest epoch that the daemon knows.", registry=REGISTRY)
PRICES_REPORTED = Counter("spot_agent_prices_reported_total", "Price rows the server accepted.", registry=REGISTRY)
CLEANED_UP = Counter("spot_agent_cleaned_up_total", "Images and snapshots deleted.", ["kind"], registry=REGISTRY)


NEWEST_IMAGE = Gauge(
    "spot_agent_newest_image_timestamp_seconds",
    "When the newest available image of this agent was begun, as EC2 lists it; 0 when there is none.",
    registry=REGISTRY,
)
THAW_FAILURES = Counter("spot_agent_thaw_failures_total", "Thaws that failed; they are tried again.", registry=REGISTRY)


def serve_metrics(port: int) -> None:
    """Answer Prometheus on the loopback interface; port 0 means off. OSError when the port is taken."""
    if port:
        start_http_server(port, addr="127.0.0.1", registry=REGISTRY)
