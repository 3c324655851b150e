"""Taking note of pools without capacity. The caller holds its agent's row; a pool's row comes after it."""

from __future__ import annotations

from datetime import datetime

from spot_server.db.runner import Transaction
from spot_server.features.cooldowns import queries
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.cooldowns.rules import Cooldown, is_answered_by, next_cooldown


def note_shortage(tx: Transaction, pool: PoolKey, *, code: str) -> Cooldown:
    """Put the pool into a cool-down that all agents of the region respect; `code` is EC2's error code."""
    first = next_cooldown(None, tx.now)
    earlier = queries.hold_cooldown(tx, pool, first, code)
    if earlier is None:
        return first
    cooldown = next_cooldown(earlier, tx.now)
    queries.store_cooldown(tx, pool, cooldown, code)
    return cooldown


def note_capacity(tx: Transaction, pool: PoolKey, launched_at: datetime) -> bool:
    """An instance was launched there: end the cool-down, and forget the shortage, unless that was told later. Return whether it did."""
    cooldown = queries.find_cooldown(tx, pool)
    if cooldown is None or not is_answered_by(cooldown, launched_at):
        return False
    queries.forget_cooldown(tx, pool)
    return True
