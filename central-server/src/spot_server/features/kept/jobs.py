"""The sweep that goes on with ends that people asked for."""

from __future__ import annotations

from spot_server.features.kept import queries, service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def end_kept_instances(context: JobContext) -> str:
    """Take the next step towards each end that a person asked for, each in its own transaction."""
    wanted = context.database.read(queries.ends_asked_for)
    for_each(wanted, lambda pair: context.database.write(lambda tx: service.advance_end(tx, *pair)))
    return ""
