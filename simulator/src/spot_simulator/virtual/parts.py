"""A campaign in parts: what each part counted, in a file, and the sum of several.

Ten thousand runs take hours on one machine. They count as one campaign only if all played the same: the product, the world and what both
stand on (played.py).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spot_simulator.virtual.campaign import Totals
from spot_simulator.virtual.figures import Answer

FORMAT = 5


class PartRefused(Exception):
    """The file is none of ours, or does not go with the others. Its text is one line for a person."""


@dataclass(frozen=True, slots=True)
class Part:
    """The runs of the seeds from `first_seed` on, without a gap; as many seeds as its totals count."""

    played: str
    """The identity of what was played (played.py)."""
    commit: str
    """One that has it."""
    first_seed: int
    is_fair: bool
    took_seconds: float
    futures: int = 0
    """How many of each run were played as well, at most."""
    totals: Totals = field(default_factory=Totals)

    @property
    def seeds(self) -> range:
        """The seeds that were played."""
        return range(self.first_seed, self.first_seed + self.totals.seeds)


def write_part(path: Path, part: Part) -> None:
    """Write a part; a reader sees the old file or the new one. OSError when it cannot be written."""
    totals = part.totals
    counted = {
        **{name: getattr(totals, name) for name in _PLAIN},
        "answers": [asdict(answer) for answer in totals.answers],
        "met": [[*cell, count] for cell, count in sorted(totals.met.items())],
        "broken": [[seed, lines] for seed, lines in sorted(totals.broken.items())],
    }
    body = {"format": FORMAT, **{name: getattr(part, name) for name in _OF_PART}, "totals": counted}
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(json.dumps(body))
    beside.replace(path)


_OF_PART = ("played", "commit", "first_seed", "is_fair", "took_seconds", "futures")
_PLAIN = (
    *("seeds", "runs", "events", "faults", "aimed", "missed", "agent_hours", "beyond_help", "alone", "moves", "downtimes"),
    "longest_outages",
)


def read_part(path: Path) -> Part:
    """Read a part. PartRefused when the file cannot be read, or is not one."""
    try:
        body = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PartRefused(f"{path}: {error}") from error
    try:
        if body["format"] != FORMAT:
            raise PartRefused(f"{path}: format {body['format']!r}, this program reads {FORMAT}")
        return Part(**{name: body[name] for name in _OF_PART}, totals=_totals_of(body["totals"]))
    except (KeyError, TypeError) as error:
        raise PartRefused(f"{path}: not a file of --json: {error!r}") from error


def _totals_of(counted: Mapping[str, Any]) -> Totals:
    values = {name: counted[name] for name in _PLAIN}
    values |= {
        "missed": Counter(counted["missed"]),
        "moves": Counter(counted["moves"]),
        "downtimes": defaultdict(list, counted["downtimes"]),
        "answers": [Answer(**answer) for answer in counted["answers"]],
        "broken": dict(counted["broken"]),
        "met": Counter({(trigger, step, kind): count for trigger, step, kind, count in counted["met"]}),
    }
    return Totals(**values)


def go_on(path: Path, begun: Part) -> Part:
    """Return the part to go on with: what the file holds of it, or `begun`, which has no runs yet, where there is no file.

    PartRefused when the file is of another campaign, or none of ours: it is not written over.
    """
    if not path.exists():
        return begun
    kept = read_part(path)
    if kept.played != begun.played:
        raise PartRefused(
            f"{path}: played by other code ({kept.played}, commit {kept.commit}) than this ({begun.played}); name another file"
        )
    if (kept.first_seed, kept.is_fair, kept.futures) != (begun.first_seed, begun.is_fair, begun.futures):
        how = f"{' with --fair' if kept.is_fair else ''}{f' with --futures {kept.futures}' if kept.futures else ''}"
        raise PartRefused(f"{path}: holds the runs from --seed {kept.first_seed} on{how}; name another file for others")
    return kept


def add_up(parts: Mapping[str, Part]) -> tuple[Totals, float]:
    """Return what all parts counted, and how long they took together; `parts` by the names to call them by.

    PartRefused when two played different code, are of different kinds, or played a seed twice.
    """
    totals, took_seconds = Totals(), 0.0
    for name, other_name in _pairs(list(parts)):
        _refuse_unlike(name, parts[name], other_name, parts[other_name])
    for part in parts.values():
        totals.add_all(part.totals)
        took_seconds += part.took_seconds
    return totals, took_seconds


def _pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, other) for number, name in enumerate(names) for other in names[:number]]


def _refuse_unlike(name: str, part: Part, other_name: str, other: Part) -> None:
    if part.played != other.played:
        raise PartRefused(
            f"{name}: played by other code ({part.played}, commit {part.commit}) than {other_name} ({other.played}, commit {other.commit})"
        )
    if part.is_fair != other.is_fair:
        raise PartRefused(f"{name} and {other_name}: one was played with --fair, the other without")
    both = range(max(part.seeds.start, other.seeds.start), min(part.seeds.stop, other.seeds.stop))
    if both:
        raise PartRefused(f"{name}: seeds {both.start} to {both.stop - 1} were played in {other_name} too")
