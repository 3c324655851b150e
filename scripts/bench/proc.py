"""What the kernel says of processes: memory, processor time, threads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 2**20
KIB_A_MIB = 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process holds and has used so far. PSS counts each shared page by the share of it."""

    cpu_seconds: float
    rss_mib: float
    pss_mib: float
    threads: int


def cost_of(pid: int) -> Cost:
    """Read a living process; OSError for one that is gone."""
    values = parse_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))
    memory = parse_memory(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8"))
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    return Cost((values.user_ticks + values.system_ticks) / ticks_a_second, memory["Rss"], memory["Pss"], values.threads)


def total_cpu_seconds(pids: list[int]) -> float:
    """Return the processor time of several processes so far."""
    ticks = [parse_stat(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")) for pid in pids]
    return sum(one.user_ticks + one.system_ticks for one in ticks) / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


@dataclass(frozen=True, slots=True)
class Stat:
    """Some members of /proc/<pid>/stat; proc(5)."""

    user_ticks: int
    system_ticks: int
    threads: int


def parse_stat(text: str) -> Stat:
    """Read /proc/<pid>/stat. The command's name, in parentheses, may hold spaces and parentheses itself."""
    values = text.rpartition(")")[2].split()
    return Stat(user_ticks=int(values[11]), system_ticks=int(values[12]), threads=int(values[17]))


def parse_memory(text: str) -> dict[str, float]:
    """Read /proc/<pid>/smaps_rollup: names to MiB."""
    lines = [line.split() for line in text.splitlines() if line.endswith(" kB")]
    return {line[0].removesuffix(":"): int(line[1]) / KIB_A_MIB for line in lines}
