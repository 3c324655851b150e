"""Looking for primaries that an interruption of another should warn."""

from __future__ import annotations

from functools import partial

from spot_server.features.pool_warnings import service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def warn_neighbours(context: JobContext) -> str:
    """Warn some of those that are to be warned, each in its own transaction; a later round goes on with the rest."""
    found = context.database.read(service.find_unwarned)
    told = for_each(found, lambda neighbour: context.database.write(partial(service.warn, neighbour=neighbour)))
    count = sum(one is not None for one in told)
    return f"warned {count} of interruptions in their pools" if count else ""
