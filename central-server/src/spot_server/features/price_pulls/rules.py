"""What is asked of EC2, and what its list of changes says of each five minutes, decided from values alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from spot_server.features.pricing.rules import BUCKET, Observation, bucket_from, bucket_of
from spot_server.words import PriceSource

BACKFILL = timedelta(days=7)
"""How far back a pool's prices are read when it is first seen. Design, section 8."""

LOOK_BACK_MAX = timedelta(days=90)
"""What EC2 keeps. Source: the EC2 API reference, DescribeSpotPriceHistory."""

MOST_TYPES = 100
"""Of one question; more are asked in several."""


@dataclass(frozen=True, slots=True)
class Question:
    """The types whose prices are wanted from a bucket on."""

    instance_types: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """From `effective_at` on, a pool costs so much."""

    usd_per_hour: Decimal
    effective_at: datetime


def plan_questions(pulled_until: Mapping[str, datetime | None], now: datetime) -> list[Question]:
    """Return what to ask, the least first: types that are read up to the same bucket together, and each that was never read by itself.

    `pulled_until` has for each wanted type how far the one of its pools is read that is read least, None: one of them was never read.
    """
    until = _end(now)
    begun = {name: max(at, bucket_from(now - LOOK_BACK_MAX)) for name, at in pulled_until.items() if at is not None and at < until}
    questions = []
    in_order = sorted(begun, key=lambda name: (begun[name], name))
    for since, names in groupby(in_order, key=begun.__getitem__):
        together = tuple(names)
        questions += [Question(together[start : start + MOST_TYPES], since) for start in range(0, len(together), MOST_TYPES)]
    new = sorted(name for name, at in pulled_until.items() if at is None)
    return questions[::-1] + [Question((name,), bucket_from(now - BACKFILL)) for name in new]


def _end(now: datetime) -> datetime:
    """The end of the present bucket: what is in force now stands for it."""
    return bucket_of(now) + BUCKET


def observe(pool_id: int, changes: Iterable[Change], since: datetime, now: datetime) -> list[Observation]:
    """Return one observation for each bucket from `since` to the present one in which a price was in force, oldest first.

    The price is the one at the bucket's end, or now. Before the first change nothing is known.
    """
    in_order = sorted(changes, key=attrgetter("effective_at"))
    observations = []
    position, bucket_at = -1, since
    while bucket_at < _end(now):
        seen_at = min(now, bucket_at + BUCKET - timedelta(microseconds=1))
        while position + 1 < len(in_order) and in_order[position + 1].effective_at <= seen_at:
            position += 1
        if position >= 0:
            change = in_order[position]
            observations.append(Observation(pool_id, bucket_at, PriceSource.SERVER, change.usd_per_hour, 1, change.effective_at, seen_at))
        bucket_at += BUCKET
    return observations


def in_batches(of_pools: Iterable[Sequence[Observation]], most: int) -> Iterator[list[Observation]]:
    """Yield batches of at most `most` observations (>= 1), each pool's in order: what is stored of a pool is always its beginning."""
    batch: list[Observation] = []
    for observations in of_pools:
        for seen in observations:
            batch.append(seen)
            if len(batch) == most:
                yield batch
                batch = []
    if batch:
        yield batch
