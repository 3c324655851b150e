"""Keeping the table of tokens small."""

from __future__ import annotations

from datetime import timedelta

from spot_server.features.tokens.queries import delete_dead
from spot_server.jobs.registry import JobContext

KEEP_DEAD_TOKENS = timedelta(days=30)
"""Revoked and expired tokens stay visible this long, so that a person can see why a daemon is refused."""


def sweep_tokens(context: JobContext) -> str:
    """Delete tokens that have been revoked or expired for KEEP_DEAD_TOKENS."""
    count = context.database.write(lambda tx: delete_dead(tx, before=tx.now - KEEP_DEAD_TOKENS))
    return f"deleted {count} tokens that were revoked or expired long ago" if count else ""
