"""What the prober's log says: outages, double serving, and acknowledged writes that were lost."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

from spot_simulator.clock import parse_time, rfc3339
from spot_simulator.probe_rules import (
    DEFAULT_RETURN_SECONDS,
    DEFAULT_THRESHOLD_SECONDS,
    Outage,
    Overlap,
    Probe,
    downtime_seconds,
    good_answers,
    lost_writes,
    outages,
    overlaps,
)

READ_TIMEOUT_SECONDS = 5.0


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
