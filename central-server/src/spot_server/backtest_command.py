"""What `spot-server backtest` does: it plays policies over recorded traces, prints what they came to, and draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from spot_server.backtest.fleet import FleetTerms
from spot_server.backtest.fleet_runs import FleetPlan, play_fleets
from spot_server.backtest.job_runs import JobPlan, play_jobs
from spot_server.backtest.jobs import JobTerms
from spot_server.backtest.plot import plots
from spot_server.backtest.policies import JOB_SETTINGS, PLAYED, PolicyName, Setting
from spot_server.backtest.results import ALL_POOLS, Row, markdown, table
from spot_server.backtest.terms import SECONDS_PER_HOUR, ImpossibleTerms, require
from spot_server.backtest.traces import Part, Trace, TraceError, TraceKind, read_traces

E = TypeVar("E", bound=StrEnum)

MOST_HOURS_BETWEEN = 10_000.0


class BacktestRefused(Exception):
    """What was asked for cannot be played; one line for a person."""


@dataclass(frozen=True, slots=True)
class WantedBacktest:
    """The arguments of `spot-server backtest`, as they were given."""

    traces: str
    policies: tuple[str, ...]
    settings: tuple[str, ...]
    sets: tuple[str, ...]
    part: str
    work_hours: float
    deadline_hours: float
    changeover_hours: float
    every_hours: float
    job_price_ratio: float
    replicas: int
    cold_start_seconds: float
    price_ratio: float
    value_per_minute: str
    gap_seconds: float | None
    plots: str | None
    is_by_pool: bool
    is_markdown: bool


def run_backtest(wanted: WantedBacktest, tell: Callable[[str], None]) -> str:
    """Return the table of results; `tell` is told, while it lasts, what is being played. BacktestRefused."""
    try:
        settings = _chosen(wanted.settings, Setting, "setting")
        policies = _chosen(wanted.policies, PolicyName, "policy")
        _refuse_what_is_never_played(wanted, policies, settings)
        jobs, fleets = _plans(wanted)
        traces = _traces(wanted)
    except (TraceError, ImpossibleTerms) as error:
        raise BacktestRefused(str(error)) from error
    rows = [row for trace in traces for setting in settings for row in _play(trace, setting, policies, (jobs, fleets), wanted, tell)]
    if not rows:
        raise BacktestRefused("no trace is long enough: nothing was played")
    if wanted.plots is not None:
        _write_plots(Path(wanted.plots), rows)
    shown = [row for row in rows if wanted.is_by_pool or row.pool == ALL_POOLS]
    return markdown(shown) if wanted.is_markdown else table(shown)


def _chosen(names: Sequence[str], kind: type[E], what: str) -> tuple[E, ...]:
    """Return the members of these names in their own order; all of them where none is named."""
    for name in names:
        if name not in set(kind):
            raise BacktestRefused(f"there is no {what} {name!r}: expected one of {', '.join(kind)}")
    return tuple(one for one in kind if not names or one in names)


def _refuse_what_is_never_played(wanted: WantedBacktest, policies: Sequence[PolicyName], settings: Sequence[Setting]) -> None:
    for policy in policies if wanted.policies else ():
        if not any(policy in PLAYED[setting] for setting in settings):
            plays = [setting for setting in Setting if policy in PLAYED[setting]]
            raise BacktestRefused(f"policy {policy} is not made for setting {', '.join(settings)}: expected {', '.join(plays)}")


def _plans(wanted: WantedBacktest) -> tuple[dict[Setting, JobPlan], dict[Setting, FleetPlan]]:
    """Return what is to be played. ImpossibleTerms."""
    hours = wanted.every_hours
    require(0 < hours <= MOST_HOURS_BETWEEN, "hours between jobs", hours, "a number above 0, to 10000")
    gap = wanted.gap_seconds
    require(gap is None or 1 <= gap <= SECONDS_PER_HOUR, "gap seconds", gap, "a number from 1 to 3600")
    terms = JobTerms(
        work_seconds=wanted.work_hours * SECONDS_PER_HOUR,
        total_seconds=wanted.deadline_hours * SECONDS_PER_HOUR,
        changeover_seconds=wanted.changeover_hours * SECONDS_PER_HOUR,
        price_ratio=wanted.job_price_ratio,
    )
    try:
        value = Decimal(wanted.value_per_minute)
    except InvalidOperation as error:
        raise ImpossibleTerms(f"value per minute {wanted.value_per_minute}: expected USD, such as 0.10") from error
    require(value.is_finite(), "value per minute", value, "USD, such as 0.10")
    fleets = {
        setting: FleetPlan(setting, FleetTerms(count, wanted.price_ratio, wanted.cold_start_seconds), value)
        for setting, count in ((Setting.ALWAYS_ON, 1), (Setting.REPLICAS, wanted.replicas))
    }
    return {setting: JobPlan(setting, terms, hours) for setting in JOB_SETTINGS}, fleets


def _traces(wanted: WantedBacktest) -> list[Trace]:
    """Read the sets that are wanted; of a test everything, for policies remember. TraceError."""
    directory = Path(wanted.traces)
    if not directory.is_dir():
        raise BacktestRefused(f"{directory} is no folder: expected one with trace files, avail_*.csv.gz or preempt_*.csv.gz")
    part = Part.WHOLE if wanted.part == Part.TEST else Part.TRAIN
    traces = read_traces(directory, part, gap_seconds=wanted.gap_seconds)
    names = [trace.name for trace in traces]
    for name in wanted.sets:
        if name not in names:
            raise BacktestRefused(f"there is no set {name!r} in {directory}: expected one of {', '.join(names)}")
    return [trace for trace in traces if not wanted.sets or trace.name in wanted.sets]


def _play(
    trace: Trace,
    setting: Setting,
    policies: Sequence[PolicyName],
    plans: tuple[dict[Setting, JobPlan], dict[Setting, FleetPlan]],
    wanted: WantedBacktest,
    tell: Callable[[str], None],
) -> list[Row]:
    mine = [policy for policy in policies if policy in PLAYED[setting]]
    is_test = wanted.part == Part.TEST
    if setting not in JOB_SETTINGS:
        return play_fleets(trace, plans[1][setting], mine, tell, is_test=is_test)
    if trace.kind is TraceKind.PREEMPTION and not wanted.sets:
        tell(f"{trace.name}: no jobs, for it records what ran and is too short; --set plays them")
        return []
    return play_jobs(trace, plans[0][setting], mine, tell, is_test=is_test)


def _write_plots(directory: Path, rows: Sequence[Row]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in plots(rows).items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BacktestRefused(f"plots cannot be written to {directory}: {error.strerror}") from error
