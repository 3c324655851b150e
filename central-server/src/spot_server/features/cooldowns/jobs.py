"""Forgetting shortages that are long over."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.cooldowns import queries
from spot_server.features.cooldowns.rules import MEMORY_SECONDS
from spot_server.jobs.registry import JobContext


def clear_cooldowns(context: JobContext) -> str:
    """Delete what would not make another cool-down longer any more; a round that finds nothing writes nothing."""
    before = context.clock.now() - timedelta(seconds=MEMORY_SECONDS)
    if not context.database.read(lambda tx: queries.has_ended_before(tx, before)):
        return ""
    return f"forgot {context.database.write(lambda tx: queries.forget_before(tx, before))} shortages"
