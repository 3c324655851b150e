"""The sweep that finishes what is left: time-outs, lost answers, deaths between two steps."""

from __future__ import annotations

from functools import partial

from spot_server.features.switches import queries, service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def sweep_switches(context: JobContext) -> str:
    """Advance every switch that is under way or has something left to do now, each in its own transaction."""
    due = context.database.read(queries.due_switches)
    for_each(due, lambda pair: context.database.write(partial(service.advance_switch, agent_id=pair[0], switch_id=pair[1])))
    return ""
