"""How busy the instance was, from what the kernel counts of its processors."""

from __future__ import annotations

from dataclasses import dataclass

LEAST_FIELDS = 8
"""user nice system idle iowait irq softirq steal: as of Linux 2.6.11. What follows (guest) is counted in user already."""


@dataclass(frozen=True, slots=True)
class ProcessorTimes:
    """Time of all processors since the boot, in the kernel's ticks (1/100 s as a rule). What the host took (steal) is in neither."""

    busy_ticks: int
    idle_ticks: int
    """Waiting for a disk is idle too."""


def parse_processor_times(text: str) -> ProcessorTimes | None:
    """Read `/proc/stat`; None when it is none."""
    words = text.partition("\n")[0].split()
    if not words or words[0] != "cpu" or not all(word.isascii() and word.isdecimal() for word in words[1:]):
        return None
    ticks = [int(word) for word in words[1:]]
    if len(ticks) < LEAST_FIELDS:
        return None
    user, nice, system, idle, iowait, irq, softirq, _steal = ticks[:LEAST_FIELDS]
    return ProcessorTimes(user + nice + system + irq + softirq, idle + iowait)


def busy_ratio(before: ProcessorTimes | None, after: ProcessorTimes | None) -> float | None:
    """Return the share (0..1) of the time between two readings that was not idle; None when a reading is missing or nothing passed.

    The kernel lets iowait go back now and then: a count that did is taken for one that stood still.
    """
    if before is None or after is None:
        return None
    busy_ticks = max(0, after.busy_ticks - before.busy_ticks)
    idle_ticks = max(0, after.idle_ticks - before.idle_ticks)
    passed_ticks = busy_ticks + idle_ticks
    return None if passed_ticks == 0 else round(busy_ticks / passed_ticks, 4)
