"""What an outside prober would have seen, from the stretches of writes that were acknowledged. Pure.

The same figures as ``probe_rules`` gives from a log of every write. A write is sent at a whole multiple of the interval after the start,
and answered, if at all, in no time.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.probe_rules import DEFAULT_RETURN_SECONDS, DEFAULT_THRESHOLD_SECONDS, Outage, Overlap


@dataclass(frozen=True, slots=True)
class Ticks:
    """When writes are sent: number 1 at ``started_at``, the next one ``interval`` later."""

    started_at: datetime
    interval: timedelta

    def at(self, number: int) -> datetime:
        """Return when a write is sent."""
        return self.started_at + (number - 1) * self.interval

    def sent_before(self, moment: datetime) -> int:
        """Return how many writes are sent before ``moment``."""
        return max(0, -((self.started_at - moment) // self.interval))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The writes from ``first`` to ``last``, all acknowledged by one instance."""

    instance_id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ProbeFigures:
    """What a prober saw until now; times are None before the first acknowledgement."""

    sent: int
    acknowledged: NumberRanges
    first_good_at: datetime | None
    last_good_at: datetime | None
    downtime_seconds: float
    outages: tuple[Outage, ...]
    overlaps: tuple[Overlap, ...]


def figures(ticks: Ticks, stretches: Sequence[Stretch], sent: int, threshold_seconds: float = DEFAULT_THRESHOLD_SECONDS) -> ProbeFigures:
    """Work the figures out; ``stretches`` are in order. Raise ``ValueError`` for a threshold below the interval."""
    if threshold_seconds < ticks.interval.total_seconds():
        raise ValueError(f"a threshold of {threshold_seconds} s is below the time between two writes")
    acknowledged = NumberRanges()
    for stretch in stretches:
        acknowledged = acknowledged.with_range(stretch.first, stretch.last)
    found = _outages(ticks, stretches, sent, threshold_seconds)
    return ProbeFigures(
        sent=sent,
        acknowledged=acknowledged,
        first_good_at=ticks.at(stretches[0].first) if stretches else None,
        last_good_at=ticks.at(stretches[-1].last) if stretches else None,
        downtime_seconds=sum(outage.seconds for outage in found),
        outages=tuple(found),
        overlaps=tuple(overlaps(ticks, stretches)),
    )


def _outages(ticks: Ticks, stretches: Sequence[Stretch], sent: int, threshold_seconds: float) -> list[Outage]:
    found = []
    for before, after in pairwise(stretches):
        since, until = ticks.at(before.last), ticks.at(after.first)
        found.append(Outage(since, until, (until - since).total_seconds(), before.instance_id, after.instance_id))
    if stretches:
        last = ticks.at(stretches[-1].last)
        open_seconds = (ticks.at(sent) - last).total_seconds()
        found.append(Outage(last, None, open_seconds, stretches[-1].instance_id, None))
    return [outage for outage in found if outage.seconds > threshold_seconds]


def overlaps(ticks: Ticks, stretches: Sequence[Stretch], return_seconds: float = DEFAULT_RETURN_SECONDS) -> list[Overlap]:
    """Return where two instances answered in turn: one of them between two answers of the other, within ``return_seconds``."""
    evidence: dict[tuple[str, str], list[Overlap]] = defaultdict(list)
    for index, stretch in enumerate(stretches):
        for other_id in {other.instance_id for other in stretches} - {stretch.instance_id}:
            before = next((one for one in reversed(stretches[:index]) if one.instance_id == other_id), None)
            after = next((one for one in stretches[index + 1 :] if one.instance_id == other_id), None)
            if before and after and (ticks.at(after.first) - ticks.at(before.last)).total_seconds() <= return_seconds:
                low, high = sorted((stretch.instance_id, other_id))
                answers = stretch.last - stretch.first + 1
                evidence[low, high].append(Overlap((low, high), ticks.at(stretch.first), ticks.at(stretch.last), answers))
    found = [overlap for pieces in evidence.values() for overlap in _merged(pieces, return_seconds)]
    return sorted(found, key=lambda overlap: (overlap.started_at, overlap.instance_ids))


def _merged(pieces: Sequence[Overlap], return_seconds: float) -> list[Overlap]:
    merged: list[Overlap] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if last is not None and (piece.started_at - last.ended_at).total_seconds() <= return_seconds:
            merged[-1] = Overlap(piece.instance_ids, last.started_at, piece.ended_at, last.answers + piece.answers)
        else:
            merged.append(piece)
    return merged
