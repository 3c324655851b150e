"""Recorded traces of spot pools: a strict reader that gives the last third of each series only to who asks for it by name.

A file is CSV, gzipped or not, named `avail_…` (instances obtainable in each tick, as a probe found) or `preempt_…` (instances running,
each started again when it is lost). Columns: `tick` (0, 1, 2, …), perhaps `window` (1, 2, …: between two windows nothing was recorded,
ticks go on counting) and `ts_utc`, then one column per pool, `<zone>_<hardware>_<count>`, with whole numbers from 0 to the set's number
of nodes. A cell may be empty only before its pool's first number.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import statistics
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from spot_server.cells import shown_cell, whole_number

FILE_PATTERNS = ("*.csv.gz", "*.csv")

TRAIN_NUMERATOR, TRAIN_DENOMINATOR = 2, 3
"""Of each series' recorded ticks the first two thirds are for training, whatever a file's other series do."""

GAP_SECONDS = {"avail_aws_16node_v100_2023q3": 300.0, "preempt_aws_v100_2023q2": 32.0, "preempt_aws_r5_16xl_2023q2": 34.0}
"""Seconds of a tick in sets without time stamps. Source: the README beside the files."""

STAMP_TOLERANCE_SECONDS = 2.0
"""Time stamps are whole seconds of a gap that is none: a step may be off by this, and by more it is a gap in the record."""

INSTANCE_TYPES = {
    "v100_1": "p3.2xlarge",
    "v100_8": "p3.16xlarge",
    "k80_1": "p2.xlarge",
    "k80_8": "p2.8xlarge",
    "intel_64": "r5.16xlarge",
}
"""Source: the README beside the files."""

_POOL_NAME = re.compile(r"(?P<zone>(?P<region>[a-z]+(?:-[a-z]+)+-\d+)[a-z])_(?P<hardware>[a-z0-9]+_\d+)")
_SET_NAME = re.compile(r"(?P<kind>avail|preempt)_\w+")
_NODES = re.compile(r"_(\d+)node_")


class TraceError(Exception):
    """A trace cannot be used; says where."""

    def __init__(self, path: Path, line: int, column: str, reason: str) -> None:
        """`line` counts from 1, the header included; 0 when it is about the whole file."""
        super().__init__(f"{path}, line {line}, column {column}: {reason}" if line else f"{path}: {reason}")
        self.line = line
        self.column = column


class TraceKind(StrEnum):
    """What a number in a trace counts."""

    AVAILABILITY = "avail"
    """Instances that could be had in that tick: nothing is lost, for nothing was kept."""
    PREEMPTION = "preempt"
    """Instances that ran in that tick."""


class Part(StrEnum):
    """How much of each series is read."""

    TRAIN = "train"
    """The first two thirds; the rest is not there. For everything that chooses, fits or looks."""
    TEST = "test"
    """The last third alone. For a score that is published, once."""
    WHOLE = "whole"
    """Both, for such a score of what remembers the past; each series says where its test begins."""


@dataclass(frozen=True, slots=True)
class PoolSeries:
    """One pool's numbers, `counts[i]` at tick `first_tick + i`; nothing is missing in between."""

    name: str
    zone: str
    region: str
    instance_type: str
    """EC2's name of the type, or the hardware as the file names it."""
    first_tick: int
    counts: tuple[int, ...]
    cut_tick: int
    """The first tick of the last third, whether it was read or not."""

    @property
    def end_tick(self) -> int:
        """The tick after the last one that was read."""
        return self.first_tick + len(self.counts)

    def count_at(self, tick: int) -> int | None:
        """Return the number of instances at `tick`, or None where this part of the series has nothing."""
        index = tick - self.first_tick
        return self.counts[index] if 0 <= index < len(self.counts) else None


@dataclass(frozen=True, slots=True)
class Trace:
    """One file, as far as its part goes."""

    name: str
    kind: TraceKind
    part: Part
    gap_seconds: float
    """Seconds of a tick: the mean step where stamps tell it."""
    node_count: int
    """The largest number that a cell may hold: how many instances were asked for."""
    windows: tuple[range, ...]
    """Ticks without a gap between them, of all series together. No run of anything goes on from one window to the next."""
    pools: tuple[PoolSeries, ...]
    stamps: tuple[datetime, ...]
    """When each tick of the file was, from tick 0, as far as this part goes; empty where the file does not say."""

    def common_ticks(self) -> tuple[range, ...]:
        """Return the ticks at which every pool has a number, window by window: what a choice between pools can be played on."""
        first = max(pool.first_tick for pool in self.pools)
        end = min(pool.end_tick for pool in self.pools)
        ranges = (range(max(window.start, first), min(window.stop, end)) for window in self.windows)
        return tuple(ticks for ticks in ranges if ticks)


def read_traces(directory: Path, part: Part = Part.TRAIN, *, gap_seconds: float | None = None) -> list[Trace]:
    """Read every trace file in `directory`, by name. TraceError where there is none, one cannot be used, or two are of the same set."""
    files = sorted({file for pattern in FILE_PATTERNS for file in directory.glob(pattern)})
    if not files:
        raise TraceError(directory, 0, "", f"no trace file here: expected files named {' or '.join(FILE_PATTERNS)}")
    firsts: dict[str, Path] = {}
    for file in files:
        first = firsts.setdefault(set_name(file), file)
        if first != file:
            raise TraceError(file, 0, "", f"the set {set_name(file)} is there twice, also as {first.name}: leave one of them")
    return [read_trace(file, part, gap_seconds=gap_seconds) for file in files]


def set_name(path: Path) -> str:
    """Return the name of the set that a file is of: its own, without what it ends with."""
    return path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".train_dev")


def read_trace(path: Path, part: Part = Part.TRAIN, *, gap_seconds: float | None = None) -> Trace:
    """Read one file. Without `part` nothing of the last third is given away.

    `gap_seconds` is needed for a file that has no time stamps and is none of the known sets, and is not looked at otherwise.
    TraceError names the first wrong line and column.
    """
    name = set_name(path)
    match = _SET_NAME.fullmatch(name)
    if match is None:
        raise TraceError(path, 0, "", f"{name!r} is no name of a set; it begins with avail_ or preempt_, to say what is counted")
    nodes = _NODES.search(name)
    table = _Table(path, node_count=int(nodes[1]) if nodes else 1)
    windows = table.windows()
    stamps = table.stamps()
    gap = table.gap_seconds(stamps, windows) or GAP_SECONDS.get(name) or gap_seconds
    if gap is None:
        raise TraceError(path, 0, "", "without a column ts_utc the seconds of a tick must be given (gap_seconds)")
    pools = tuple(_part_of(series, part) for series in table.pools())
    end = max(pool.end_tick for pool in pools)
    first = min(pool.first_tick for pool in pools)
    return Trace(
        name=name,
        kind=TraceKind(match["kind"]),
        part=part,
        gap_seconds=gap,
        node_count=table.node_count,
        windows=tuple(window for window in (range(max(first, w.start), min(w.stop, end)) for w in windows) if window),
        pools=pools,
        stamps=tuple(stamps[:end]),
    )


def _part_of(series: PoolSeries, part: Part) -> PoolSeries:
    """Leave of a series what belongs to `part`."""
    cut = series.cut_tick - series.first_tick
    match part:
        case Part.TRAIN:
            return replace(series, counts=series.counts[:cut])
        case Part.TEST:
            return replace(series, first_tick=series.cut_tick, counts=series.counts[cut:])
        case Part.WHOLE:
            return series


class _Table:
    """The cells of a file, and where they stand."""

    def __init__(self, path: Path, node_count: int) -> None:
        self.path = path
        self.node_count = node_count
        self._rows = _rows(path)
        self._header = self._rows[0]
        self._check_header()
        for line, row in enumerate(self._rows[1:], start=2):
            if len(row) != len(self._header):
                raise TraceError(path, line, str(len(row)), f"{len(row)} cells where the header has {len(self._header)}")
        self._check_ticks()

    def _check_header(self) -> None:
        for index, name in enumerate(self._header):
            if name in self._header[:index]:
                raise self._wrong(1, index, f"{name!r} is there twice")
            if name not in {"tick", "window", "ts_utc"} and not _POOL_NAME.fullmatch(name):
                raise self._wrong(1, index, f"{name!r} is none of tick, window, ts_utc, and no pool: <zone>_<hardware>_<count>")
        if self._header[0] != "tick":
            raise self._wrong(1, 0, f"{self._header[0]!r} where the first column is tick")
        if len(self._rows) == 1 or not self._pool_columns():
            raise TraceError(self.path, 0, "", "a header, a row and a pool are the least of a trace")

    def _check_ticks(self) -> None:
        for tick, (line, cell) in enumerate(self._cells(0)):
            if self._whole(line, 0, cell) != tick:
                raise self._wrong(line, 0, f"tick {cell} where {tick} comes next: a gap, or rows that are out of order")

    def _pool_columns(self) -> list[int]:
        return [index for index, name in enumerate(self._header) if _POOL_NAME.fullmatch(name)]

    def _cells(self, column: int) -> Iterator[tuple[int, str]]:
        """Give each row's line and its cell of a column."""
        for line, row in enumerate(self._rows[1:], start=2):
            yield line, row[column]

    def _whole(self, line: int, column: int, cell: str) -> int:
        number = whole_number(cell)
        if number is None or cell.startswith("-"):
            raise self._wrong(line, column, f"{shown_cell(cell)} is no whole number of 0 or more")
        return number

    def _wrong(self, line: int, column: int, reason: str) -> TraceError:
        return TraceError(self.path, line, f"{column + 1} ({self._header[column]})", reason)

    def windows(self) -> list[range]:
        """Return the ticks of each window; one for a file that names none."""
        tick_count = len(self._rows) - 1
        if "window" not in self._header:
            return [range(tick_count)]
        column = self._header.index("window")
        starts = [0]
        before = 1
        for line, cell in self._cells(column):
            number = self._whole(line, column, cell)
            if number not in {before, before + 1} or (line == 2 and number != 1):  # the first row
                raise self._wrong(line, column, f"window {number} after {before}: windows count 1, 2, 3 and never go back")
            if number > before:
                starts.append(line - 2)
            before = number
        return [range(start, end) for start, end in pairwise([*starts, tick_count])]

    def stamps(self) -> list[datetime]:
        """Return when each tick was, or nothing for a file that does not say."""
        if "ts_utc" not in self._header:
            return []
        column = self._header.index("ts_utc")
        stamps: list[datetime] = []
        for line, cell in self._cells(column):
            try:
                stamp = datetime.strptime(cell, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            except ValueError as error:
                raise self._wrong(line, column, f"{shown_cell(cell)} is no time such as 2022-10-26T22:05:04Z") from error
            if stamps and stamp <= stamps[-1]:
                raise self._wrong(line, column, f"{cell} is not later than the row before")
            stamps.append(stamp)
        return stamps

    def gap_seconds(self, stamps: Sequence[datetime], windows: Sequence[range]) -> float | None:
        """Return the mean step of the stamps; TraceError where one within a window is far from the median. None without two stamps."""
        steps = {tick: (stamps[tick] - stamps[tick - 1]).total_seconds() for window in windows for tick in window[1:] if stamps}
        if not steps:
            return None
        median = statistics.median(steps.values())
        for tick, step in steps.items():
            if abs(step - median) > STAMP_TOLERANCE_SECONDS:
                reason = f"{step:.0f} s after the row before, where the others are {median:.0f} s apart: a gap is a new window"
                raise self._wrong(tick + 2, self._header.index("ts_utc"), reason)
        return statistics.fmean(steps.values())

    def pools(self) -> Iterator[PoolSeries]:
        """Give each pool's whole series. TraceError at a number that cannot be, and at one that is missing after the first."""
        for column in self._pool_columns():
            name = self._header[column]
            counts = [self._count(line, column, cell) for line, cell in self._after_first_number(column)]
            if not counts:
                raise self._wrong(2, column, "there is no number in this column")
            match = _POOL_NAME.fullmatch(name)
            assert match is not None  # noqa: S101 - the header was checked
            first_tick = len(self._rows) - 1 - len(counts)
            cut_tick = first_tick + len(counts) * TRAIN_NUMERATOR // TRAIN_DENOMINATOR
            hardware = match["hardware"]
            yield PoolSeries(
                name, match["zone"], match["region"], INSTANCE_TYPES.get(hardware, hardware), first_tick, tuple(counts), cut_tick
            )

    def _after_first_number(self, column: int) -> Iterator[tuple[int, str]]:
        has_begun = False
        for line, cell in self._cells(column):
            has_begun = has_begun or cell != ""
            if has_begun:
                yield line, cell

    def _count(self, line: int, column: int, cell: str) -> int:
        if cell == "":
            raise self._wrong(line, column, "empty after the pool's first number: a gap")
        count = self._whole(line, column, cell)
        if count > self.node_count:
            raise self._wrong(line, column, f"{count} instances where {self.node_count} were asked for")
        return count


def _rows(path: Path) -> list[list[str]]:
    """Read a file's cells. TraceError where it cannot be read, is cut short, or is no CSV."""
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TraceError(path, 0, "", f"cannot be read: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as error:
        raise TraceError(path, reader.line_num, "1", f"is no CSV: {error}") from error
    if not rows or not rows[0]:
        raise TraceError(path, 1, "1", "a trace begins with the names of its columns")
    return rows
