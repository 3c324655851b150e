"""Which prices go, a few at a time, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from spot_server.features.pricing.rules import BUCKET


@dataclass(frozen=True, slots=True)
class Slice:
    """The beginning of a pool's prices, up to a bucket (left out)."""

    pool_id: int
    until: datetime


def plan_batches(oldest: Mapping[int, datetime], before: datetime, most_buckets: int) -> Iterator[list[Slice]]:
    """Yield batches of slices that together delete what begins before `before`, each of at most `most_buckets` (>= 1) buckets.

    `oldest` has the first bucket of each pool, `before` is the start of one. Within a pool the older goes first: what is kept has no hole.
    """
    batch: list[Slice] = []
    room = most_buckets
    for pool_id, first in sorted(oldest.items()):
        begin = first
        while begin < before:
            until = min(before, begin + room * BUCKET)
            room -= (until - begin) // BUCKET
            batch.append(Slice(pool_id, until))
            begin = until
            if room == 0:
                yield batch
                batch, room = [], most_buckets
    if batch:
        yield batch
