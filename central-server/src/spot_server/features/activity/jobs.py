"""Counting the hour that ended, for every agent."""

from __future__ import annotations

from functools import partial

from spot_server.features.activity.service import fold_batch
from spot_server.jobs.registry import JobContext

FOLD_PERIOD_SECONDS = 300.0
"""Often enough that an hour is read soon after its end, also where one run fails."""


def fold_activity(context: JobContext) -> str:
    """Fold the last hour into the week of each agent, once; a round that finds nothing writes nothing."""
    count, after = 0, ""
    while True:
        batch = context.database.write(partial(fold_batch, after=after))
        if not batch:
            return f"counted an hour of {count} agents" if count else ""
        count, after = count + len(batch), batch[-1]
