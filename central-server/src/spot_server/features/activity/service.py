"""Learning when agents are quiet, and forgetting it."""

from __future__ import annotations

from spot_server.db.runner import Transaction
from spot_server.features.activity import queries
from spot_server.features.activity.rules import fold, hour_of

AGENTS_IN_BATCH = 500
"""Whose hours are counted in one transaction: one statement reads them, another writes them."""


def fold_batch(tx: Transaction, after: str) -> list[str]:
    """Count the hour that ended last for the next agents by id; return their ids, [] when there are no more.

    A repeat finds nothing left to do. Two that overlap read the same profile and write the same hour: profiles are written whole, under
    the hour up to which they count, and nothing is added to what is stored.
    """
    due = queries.list_due(tx, hour_of(tx.now), after=after, most=AGENTS_IN_BATCH)
    queries.store_profiles(tx, [(one.agent_id, fold(one.profile, one.reading, tx.now, one.time_zone)) for one in due])
    return [one.agent_id for one in due]
