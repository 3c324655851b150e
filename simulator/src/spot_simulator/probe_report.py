"""What the prober's log says: outages, double serving, and acknowledged writes that were lost.

Everything but ``main`` and its readers is a pure function over log records. Only a good answer proves something, and
what it proves is that its instance accepted a write at some moment between ``sent_at`` and ``answered_at``.
"""

import argparse
import json
import sys
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.request import urlopen

from spot_simulator.clock import parse_time, rfc3339

DEFAULT_THRESHOLD_SECONDS = 0.2  # three writes in a row without an answer, at one every 50 ms
DEFAULT_RETURN_SECONDS = 2.0
READ_TIMEOUT_SECONDS = 5.0


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


def parse_line(line: str) -> Probe:
    """Read one log line; raise ``ValueError`` (or ``KeyError``) if it is not one."""
    fields = json.loads(line)
    answered_at = fields["answered_at"]
    return Probe(
        number=int(fields["number"]),
        sent_at=parse_time(fields["sent_at"]),
        answered_at=parse_time(answered_at) if answered_at else None,
        ok=bool(fields["ok"]),
        instance_id=fields["instance_id"],
        error=fields["error"],
    )


def read_log(path: Path) -> tuple[list[Probe], int]:
    """Return the probes of a log file and how many lines could not be read (a kill tears one)."""
    probes: list[Probe] = []
    unreadable = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            probes.append(parse_line(line))
        except (ValueError, KeyError, TypeError):
            unreadable += 1
    return probes, unreadable


def read_held_numbers(source: str) -> frozenset[int]:
    """Read the numbers that an instance holds from its ``http://…:8080`` or from its ``writes.log``."""
    if source.startswith("http://"):
        with urlopen(f"{source.rstrip('/')}/writes", timeout=READ_TIMEOUT_SECONDS) as response:  # noqa: S310 - http only, seen above
            return frozenset(json.load(response)["numbers"])
    whole_lines = Path(source).read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
    return frozenset(int(json.loads(line)["number"]) for line in whole_lines)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one log says; ``lost`` is None when nobody said which writes are held."""

    sent: int
    acknowledged: int
    unreadable_lines: int
    downtime_seconds: float
    outages: tuple[Outage, ...]
    overlaps: tuple[Overlap, ...]
    lost: tuple[int, ...] | None


def table(report: Report) -> str:
    """Lay the report out for reading."""
    lost = "not asked (--held)" if report.lost is None else _count_and_first(report.lost)
    rows = [
        ("writes sent", str(report.sent)),
        ("acknowledged", str(report.acknowledged)),
        ("acknowledged and lost", lost),
        ("downtime", f"{report.downtime_seconds:.3f} s in {len(report.outages)} outages"),
        ("two instances at once", f"{len(report.overlaps)} times"),
        ("unreadable lines", str(report.unreadable_lines)),
    ]
    lines = [f"{name:<22} {value}" for name, value in rows]
    for outage in report.outages:
        ended = rfc3339(outage.ended_at) if outage.ended_at else "goes on"
        change = f"{outage.before_instance_id} -> {outage.after_instance_id or '?'}"
        lines.append(f"outage   {rfc3339(outage.started_at)}  {ended}  {outage.seconds:8.3f} s  {change}")
    for overlap in report.overlaps:
        between = f"{rfc3339(overlap.started_at)}  {rfc3339(overlap.ended_at)}"
        lines.append(f"overlap  {between}  {overlap.answers} answers  {' and '.join(overlap.instance_ids)}")
    return "\n".join(lines)


def _count_and_first(numbers: Sequence[int]) -> str:
    first = ", ".join(map(str, numbers[:10]))
    return f"{len(numbers)} ({first}{', …' if len(numbers) > 10 else ''})" if numbers else "0"


def _json_time(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"not for JSON: {value!r}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spot-simulator probe-report", description="Tell what a prober's log says.")
    parser.add_argument("log", type=Path, help="the JSON lines that the prober wrote")
    parser.add_argument("--threshold-seconds", type=float, default=DEFAULT_THRESHOLD_SECONDS, help="shorter gaps are no outage")
    parser.add_argument("--return-seconds", type=float, default=DEFAULT_RETURN_SECONDS, help="a longer silence is a way back")
    parser.add_argument("--held", help="what the present primary holds: http://<address>:8080, or a writes.log")
    parser.add_argument("--start", type=parse_time, help="count downtime from here (RFC 3339; default: the log's first time)")
    parser.add_argument("--end", type=parse_time, help="count downtime up to here (default: the log's last time)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def report_on(probes: Sequence[Probe], arguments: argparse.Namespace, unreadable_lines: int) -> Report:
    """Work out the report that the command line asks for."""
    held = None if arguments.held is None else read_held_numbers(arguments.held)
    known = [moment for probe in probes for moment in (probe.sent_at, probe.answered_at) if moment is not None]
    start, end = arguments.start or min(known, default=None), arguments.end or max(known, default=None)
    return Report(
        sent=len(probes),
        acknowledged=len(good_answers(probes)),
        unreadable_lines=unreadable_lines,
        downtime_seconds=downtime_seconds(probes, arguments.threshold_seconds, start, end) if start and end else 0.0,
        outages=tuple(outages(probes, arguments.threshold_seconds)),
        overlaps=tuple(overlaps(probes, arguments.return_seconds)),
        lost=None if held is None else tuple(lost_writes(probes, held)),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report of one log; exit 1 if instances served at once or acknowledged writes are missing."""
    arguments = _parser().parse_args(argv)
    probes, unreadable_lines = read_log(arguments.log)
    report = report_on(probes, arguments, unreadable_lines)
    sys.stdout.write(json.dumps(asdict(report), default=_json_time, indent=2) if arguments.json else table(report))
    sys.stdout.write("\n")
    return 1 if report.overlaps or report.lost else 0


if __name__ == "__main__":
    raise SystemExit(main())
