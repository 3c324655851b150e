"""What the counting application's own files say about a move: which numbers are gone, and how long none was written."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from system.counter import FILE


@dataclass(frozen=True, slots=True)
class Line:
    """One number that was on the disk when the next one was written."""

    number: int
    written_at: datetime
    instance_id: str


@dataclass(frozen=True, slots=True)
class Count:
    """One move, by the file of the side that it left and the file of the side that it led to."""

    old: list[Line]
    new: list[Line]
    new_instance_id: str

    @property
    def lost(self) -> list[Line]:
        """Return what the old side had written and the new one does not have."""
        held = set(self.new)
        return [line for line in self.old if line not in held]

    @property
    def numbers_missing(self) -> list[int]:
        """Return the numbers that the new side's file passes over; a number that was lost is written again."""
        return [number for before, after in pairwise(self.new) for number in range(before.number + 1, after.number)]

    @property
    def numbers_doubled(self) -> list[int]:
        """Return the numbers that stand in the new side's file twice, or out of their order."""
        return [after.number for before, after in pairwise(self.new) if after.number <= before.number]

    @property
    def silence_seconds(self) -> float:
        """Return the time from the old side's last number to the new one's first."""
        first = next(line for line in self.new if line.instance_id == self.new_instance_id)
        return (first.written_at - self.old[-1].written_at).total_seconds()


def read_count(instances: Path, old_id: str, new_id: str) -> Count:
    """Read both disks as they are now; the old one is looked at from outside, as no instance can."""
    return Count(_lines(instances / old_id / "disk" / FILE), _lines(instances / new_id / "disk" / FILE), new_id)


def _lines(path: Path) -> list[Line]:
    """Read the whole lines; a torn last one was never acknowledged."""
    content = path.read_text()
    lines = []
    for text in content[: content.rfind("\n") + 1].splitlines():
        number, nanoseconds, instance_id = text.split()
        written_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(nanoseconds) // 1000)
        lines.append(Line(int(number), written_at, instance_id))
    return lines
