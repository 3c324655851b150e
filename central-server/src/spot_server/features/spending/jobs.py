"""Looking for instances that are paid beside their primary for too long."""

from __future__ import annotations

from functools import partial

from spot_server.features.spending import service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def watch_overlaps(context: JobContext) -> str:
    """Tell of each instance that runs beside its primary for longer than the guard allows, each in its own transaction."""
    overlaps = context.database.read(partial(service.untold_overlaps, overlap_hours=context.settings.spending_overlap_hours))
    for_each(overlaps, lambda overlap: context.database.write(partial(service.tell_overlap, overlap=overlap)))
    return f"told of {len(overlaps)} that run beside their primary" if overlaps else ""
