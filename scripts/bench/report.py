"""The lines that a person reads. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bench.daemon import TARGET_CPU_RATIO, TARGET_RSS_MIB, DaemonCost
from bench.figures import Row
from bench.hot_paths import HotPath
from bench.measure import Ceiling
from bench.table import align, number, render


def machine_line(python_version: str, cores: int, load_average: float) -> str:
    """Return what the figures were taken on."""
    return f"Python {python_version}, {cores} cores shared by generator, server and database; load average before: {load_average:.2f}"


def summary_lines(rows: Sequence[Row], ceiling: Ceiling | None) -> list[str]:
    """Return the table, and what the generator could do at most."""
    lines = render(rows) if rows else []
    if ceiling is not None:
        lines.append("")
        lines.append(
            f"the load generator's own ceiling: {number(ceiling.per_second, 0)} requests/s against a canned answer "
            f"(p50 {number(ceiling.spread.p50_ms, 2)} ms, p99 {number(ceiling.spread.p99_ms, 2)} ms), "
            f"{number(ceiling.cpu_us_a_request, 0)} us of processor time a request"
        )
    return lines


def hot_path_lines(paths: Sequence[HotPath]) -> list[str]:
    """Return the table of what one thread needs for each part, the databases beside each other."""
    if not paths:
        return []
    databases = list(dict.fromkeys(path.database for path in paths))
    header = ["one thread, microseconds", *(f"{name} {what}" for name in databases for what in ("p50", "p99", "statements"))]
    by_key = {(path.name, path.database): path for path in paths}
    lines = [[name, *_hot_path_cells(by_key, name, databases)] for name in dict.fromkeys(path.name for path in paths)]
    return align([header, *lines], left_columns=1)


def _hot_path_cells(by_key: dict[tuple[str, str], HotPath], name: str, databases: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for database in databases:
        path = by_key.get((name, database))
        cells += ["", "", ""] if path is None else [number(path.median_us, 0), number(path.p99_us, 0), str(path.statements or "")]
    return cells


def daemon_lines(cost: DaemonCost | None) -> list[str]:
    """Return what the daemon costs its instance, with the targets."""
    if cost is None:
        return []
    memory, cpu = cost.at_end.rss_mib <= TARGET_RSS_MIB, cost.cpu_ratio < TARGET_CPU_RATIO
    used = (
        f"daemon over {cost.seconds:.0f} s: RSS {cost.at_end.rss_mib:.1f} MiB (at most {TARGET_RSS_MIB:.0f}: {_verdict(memory)}), "
        f"PSS {cost.at_end.pss_mib:.1f} MiB, at the start {cost.rss_at_start_mib:.1f} MiB"
    )
    worked = (
        f"daemon: {cost.cpu_seconds:.2f} s of processor time, {cost.cpu_ratio:.2%} of a core "
        f"(less than {TARGET_CPU_RATIO:.0%}: {_verdict(cpu)}), {cost.at_end.threads} threads"
    )
    return [used, worked]


def _verdict(is_met: bool) -> str:  # noqa: FBT001 - one question, one answer
    return "pass" if is_met else "FAIL"
