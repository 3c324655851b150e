"""What good answers prove: outages, double serving, and acknowledged writes that were lost. Pure.

Only a good answer proves something, and what it proves is that its instance accepted a write at some moment between ``sent_at`` and
``answered_at``.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

DEFAULT_INTERVAL_SECONDS = 0.05
DEFAULT_THRESHOLD_SECONDS = 0.2  # three writes in a row without an answer, at one every 50 ms
DEFAULT_RETURN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One line of the log: a write, and how it ended. ``instance_id`` and ``answered_at`` are set on every good one."""

    number: int
    sent_at: datetime
    answered_at: datetime | None
    ok: bool
    instance_id: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class GoodAnswer:
    """An acknowledged write: its instance served at some moment of ``sent_at <= moment <= answered_at``."""

    number: int
    sent_at: datetime
    answered_at: datetime
    instance_id: str


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without good answers: from the last one to the first one (``ended_at`` None: none has come yet).

    ``seconds`` runs to the end, or to the last thing that the log knows of an outage that goes on.
    """

    started_at: datetime
    ended_at: datetime | None
    seconds: float
    before_instance_id: str
    after_instance_id: str | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Double serving: within this time both instances accepted writes, ``answers`` of them provably between the other's."""

    instance_ids: tuple[str, str]
    started_at: datetime
    ended_at: datetime
    answers: int


def good_answers(probes: Iterable[Probe]) -> list[GoodAnswer]:
    """Return the acknowledged writes in the order in which they were answered."""
    good = [
        GoodAnswer(probe.number, probe.sent_at, probe.answered_at, probe.instance_id)
        for probe in probes
        if probe.ok and probe.answered_at is not None and probe.instance_id is not None
    ]
    return sorted(good, key=lambda answer: (answer.answered_at, answer.number))


def outages(probes: Sequence[Probe], threshold_seconds: float) -> list[Outage]:
    """Return every gap longer than ``threshold_seconds`` between consecutive good answers, by the time they were answered.

    Time before the first good answer is no outage: nothing is known to have served yet.
    """
    good = good_answers(probes)
    found = [
        Outage(last.answered_at, first.answered_at, _seconds(last.answered_at, first.answered_at), last.instance_id, first.instance_id)
        for last, first in pairwise(good)
        if _seconds(last.answered_at, first.answered_at) > threshold_seconds
    ]
    if good:
        known_until = max(probe.answered_at or probe.sent_at for probe in probes)
        open_seconds = _seconds(good[-1].answered_at, known_until)
        if open_seconds > threshold_seconds:
            found.append(Outage(good[-1].answered_at, None, open_seconds, good[-1].instance_id, None))
    return found


def downtime_seconds(probes: Sequence[Probe], threshold_seconds: float, start: datetime, end: datetime) -> float:
    """Return how much of ``start..end`` lies inside outages; one that goes on counts to ``end``."""
    parts = ((max(outage.started_at, start), min(outage.ended_at or end, end)) for outage in outages(probes, threshold_seconds))
    return sum(max(0.0, _seconds(since, until)) for since, until in parts)


def overlaps(probes: Sequence[Probe], return_seconds: float = DEFAULT_RETURN_SECONDS) -> list[Overlap]:
    """Return where two instances' good answers are interleaved: one answered wholly between two answers of the other.

    "Between" is strict: answered before it was sent, sent after it was answered. A late line therefore never looks like
    double serving. A silence of the other instance longer than ``return_seconds`` is taken as a handover and a way back.
    """
    good = good_answers(probes)
    by_instance: dict[str, list[GoodAnswer]] = defaultdict(list)
    for answer in good:
        by_instance[answer.instance_id].append(answer)
    evidence: dict[tuple[str, str], list[GoodAnswer]] = defaultdict(list)
    for other_id, others in by_instance.items():
        answered = [other.answered_at for other in others]
        sent = sorted(other.sent_at for other in others)
        for answer in good:
            if answer.instance_id != other_id and _is_between(answer, answered, sent, return_seconds):
                low, high = sorted((answer.instance_id, other_id))
                evidence[low, high].append(answer)
    found = [overlap for pair, answers in evidence.items() for overlap in _merged(pair, answers, return_seconds)]
    return sorted(found, key=lambda overlap: (overlap.started_at, overlap.instance_ids))


def _is_between(answer: GoodAnswer, answered: list[datetime], sent: list[datetime], return_seconds: float) -> bool:
    """Whether another instance (its answering and sending times, each sorted) served before and after this answer."""
    before, after = bisect_left(answered, answer.sent_at), bisect_right(sent, answer.answered_at)
    if before == 0 or after == len(sent):
        return False
    return _seconds(answered[before - 1], sent[after]) <= return_seconds


def _merged(pair: tuple[str, str], answers: Iterable[GoodAnswer], return_seconds: float) -> list[Overlap]:
    """Join pieces of evidence that are at most ``return_seconds`` apart."""
    merged: list[Overlap] = []
    for answer in sorted(answers, key=lambda answer: answer.sent_at):
        if merged and _seconds(merged[-1].ended_at, answer.sent_at) <= return_seconds:
            last = merged[-1]
            merged[-1] = Overlap(pair, last.started_at, max(last.ended_at, answer.answered_at), last.answers + 1)
        else:
            merged.append(Overlap(pair, answer.sent_at, answer.answered_at, 1))
    return merged


def lost_writes(probes: Iterable[Probe], held_numbers: AbstractSet[int]) -> list[int]:
    """Return the acknowledged numbers, sorted, that ``held_numbers`` lacks."""
    return sorted({answer.number for answer in good_answers(probes)} - held_numbers)


def _seconds(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds()
