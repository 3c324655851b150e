"""Keeping what daemons are told up to date, and forgetting what nobody can act on any more."""

from __future__ import annotations

from functools import partial

from spot_server.features.autonomy import service
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import JobContext


def keep_plans(context: JobContext) -> str:
    """Change each plan that is not what it should be, and forget each that is spent, in a transaction of its own."""
    write = context.database.write
    spent = context.database.read(service.find_spent)
    for_each(spent, lambda one: write(partial(service.forget_plan, agent_id=one[0], plan_id=one[1])))
    changes = context.database.read(service.find_changes)
    changed = sum(for_each(changes, lambda agent_id: write(partial(service.keep_plan, agent_id=agent_id))))
    return f"changed {changed} plans, forgot {len(spent)}" if changed or spent else ""
