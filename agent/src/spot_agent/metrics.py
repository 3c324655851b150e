"""Every metric of the daemon. Base units in the names; labels with few values."""

from __future__ import annotations

from spot_agent.measures import Counter, Gauge, Histogram, Measure

STEPS = Counter("spot_agent_steps_total", "Worker steps, by outcome.", ("worker", "outcome"))
STEP_SECONDS = Histogram(
    "spot_agent_step_duration_seconds", "Duration of one worker step.", ("worker",), buckets=(0.01, 0.05, 0.25, 1, 5, 15, 60)
)
WORKER_RESTARTS = Counter("spot_agent_worker_restarts_total", "Worker threads that died and were started again.", ("worker",))
METADATA_FAILURES = Counter("spot_agent_metadata_failures_total", "Metadata reads with no definite answer.")
NOTICES = Counter("spot_agent_notices_total", "New notices seen, by kind.", ("kind",))
NOTICE_DELIVERY_SECONDS = Histogram(
    "spot_agent_notice_delivery_seconds", "From seeing a notice to the server's answer.", buckets=(0.1, 0.5, 1, 3, 10, 30, 120)
)
COMMANDS = Counter("spot_agent_commands_total", "Commands answered.", ("kind", "outcome"))
COMMAND_SECONDS = Histogram(
    "spot_agent_command_duration_seconds", "From starting a command to its outcome.", ("kind",), buckets=(0.1, 0.5, 1, 3, 10, 30, 120, 600)
)
UNSENT_REPORTS = Gauge("spot_agent_unsent_reports", "Reports that the server has not acknowledged.")
LAST_HEARTBEAT = Gauge("spot_agent_last_heartbeat_timestamp_seconds", "When the server last answered a heartbeat.")
SERVING = Gauge("spot_agent_serving", "1 serving, 0 not serving, -1 not known.")
EPOCH = Gauge("spot_agent_epoch", "The newest epoch that the daemon knows.")
PRICES_REPORTED = Counter("spot_agent_prices_reported_total", "Price rows the server accepted.")
CLEANED_UP = Counter("spot_agent_cleaned_up_total", "Images and snapshots deleted.", ("kind",))
NEWEST_IMAGE = Gauge(
    "spot_agent_newest_image_timestamp_seconds",
    "When the newest available image of this agent was begun, as EC2 lists it; 0 when there is none.",
)
THAW_FAILURES = Counter("spot_agent_thaw_failures_total", "Thaws that failed; they are tried again.")


def all_measures() -> list[Measure]:
    """Every metric above."""
    return [value for value in globals().values() if isinstance(value, Measure)]


def serve_metrics(port: int) -> None:
    """Answer Prometheus on the loopback interface; port 0 means off. OSError when the port is taken."""
    if port:
        from spot_agent.metrics_page import serve  # noqa: PLC0415 - where nobody reads, its library need not take memory

        serve(port)
