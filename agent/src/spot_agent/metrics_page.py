"""The page that Prometheus reads: the only file that knows its library, loaded only where a port is set (1.2 MiB)."""

from __future__ import annotations

from typing import cast

import prometheus_client

from spot_agent import metrics
from spot_agent.measures import Gauge, Histogram, Kept, Measure


def serve(port: int) -> None:
    """Answer on the loopback interface, and keep from now on what is measured. OSError when the port is taken."""
    registry = prometheus_client.CollectorRegistry()
    kept = [(measure, _kept(measure, registry)) for measure in metrics.all_measures()]
    prometheus_client.start_http_server(port, addr="127.0.0.1", registry=registry)
    for measure, target in kept:
        measure.keep_in(target)


def _kept(measure: Measure, registry: prometheus_client.CollectorRegistry) -> Kept:
    name, meaning, labels = measure.name, measure.meaning, measure.label_names
    if isinstance(measure, Histogram):
        return cast("Kept", prometheus_client.Histogram(name, meaning, labels, buckets=measure.buckets, registry=registry))
    kind = prometheus_client.Gauge if isinstance(measure, Gauge) else prometheus_client.Counter
    return cast("Kept", kind(name, meaning, labels, registry=registry))
