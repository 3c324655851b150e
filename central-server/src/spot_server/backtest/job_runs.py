"""Jobs over a trace: a job begins every so many hours on each pool, and every policy plays each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from spot_server.backtest.history import JobTick, job_ticks
from spot_server.backtest.job_bound import job_bound
from spot_server.backtest.jobs import JobPolicy, JobResult, JobTerms, play_job
from spot_server.backtest.ours_job import OurJob
from spot_server.backtest.policies import JOB_POLICIES, PolicyName, Setting, shipped_model
from spot_server.backtest.results import ALL_POOLS, Row
from spot_server.backtest.terms import SECONDS_PER_HOUR
from spot_server.backtest.traces import PoolSeries, Trace

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class JobPlan:
    """Which jobs are played."""

    setting: Setting
    """JOB: each in its own zone alone; JOB_ZONES: in all zones of its set that have its type."""
    terms: JobTerms
    every_hours: float
    """Between two jobs' starts on a pool."""


@dataclass(frozen=True, slots=True)
class _Played:
    pool: str
    policy: PolicyName
    result: JobResult
    bound: float


@dataclass(frozen=True, slots=True)
class _Zones:
    """Pools of one type that were recorded side by side from a tick on, and what is known of them at each tick from there."""

    pools: tuple[PoolSeries, ...]
    first_tick: int
    ticks: list[JobTick]


@dataclass(slots=True)
class _Player:
    """Plays the jobs of one trace; a job that several pools would begin at the same tick in the same zones is played once."""

    trace: Trace
    plan: JobPlan
    policies: Sequence[PolicyName]
    _known: dict[tuple[str, ...], _Zones] = field(default_factory=dict)
    _done: dict[tuple[tuple[str, ...], int], tuple[float, list[JobResult]]] = field(default_factory=dict)

    def play(self, pool: PoolSeries, window: range, start: int) -> Iterator[_Played]:
        """Give each policy's result of the job that begins on `pool` at the tick `start`."""
        pools = self._pools(pool, start, start + self.length)
        key = (*(one.name for one in pools), str(window.start))
        if (key, start) not in self._done:
            if key not in self._known:
                self._known[key] = _zones(pools, window, self.trace.gap_seconds)
            self._done[key, start] = self._results(self._known[key], start)
        bound, results = self._done[key, start]
        for name, result in zip(self.policies, results, strict=True):
            yield _Played(pool.name, name, result, bound)

    @property
    def length(self) -> int:
        """Of a job, in ticks."""
        return math.ceil(self.plan.terms.total_seconds / self.trace.gap_seconds)

    def _pools(self, pool: PoolSeries, begin: int, end: int) -> tuple[PoolSeries, ...]:
        """Return the pools that a job may use: its own, or those of its type that were recorded, and may be played, until its deadline."""
        if self.plan.setting is Setting.JOB:
            return (pool,)
        return tuple(
            one
            for one in self.trace.pools
            if one.instance_type == pool.instance_type
            and one.first_tick <= begin
            and end <= one.end_tick
            and (begin < pool.cut_tick or begin >= one.cut_tick)
        )

    def _results(self, zones: _Zones, start: int) -> tuple[float, list[JobResult]]:
        terms, gap = self.plan.terms, self.trace.gap_seconds
        ticks = zones.ticks[start - zones.first_tick : start - zones.first_tick + self.length]
        bound = job_bound(terms, [[tick.zones[place].has_capacity for tick in ticks] for place in range(len(zones.pools))], gap)
        names = [pool.name for pool in zones.pools]
        return bound, [play_job(_policy(name, terms, names), terms, ticks, gap) for name in self.policies]


def play_jobs(trace: Trace, plan: JobPlan, policies: Sequence[PolicyName], tell: Progress, *, is_test: bool) -> list[Row]:
    """Return a row for each policy and pool, and for all pools: the mean of all jobs. Empty where no job fits in.

    `is_test`: only jobs that begin in a series' last third; what was recorded before counts as known. The jobs of both settings are the
    same: where and when each begins does not depend on where it may go.
    """
    played: list[_Played] = []
    player = _Player(trace, plan, policies)
    for number, pool in enumerate(trace.pools, start=1):
        tell(f"{trace.name}: {plan.setting}, jobs on pool {number} of {len(trace.pools)}")
        for window, start in _starts(trace, pool, plan, player.length, is_test=is_test):
            played += player.play(pool, window, start)
    names = [pool.name for pool in trace.pools]
    wanted = [(pool, policy) for pool in (*names, ALL_POOLS) for policy in policies]
    rows = (_row(trace, plan, pool, policy, played) for pool, policy in wanted)
    return [row for row in rows if row is not None]


def _policy(name: PolicyName, terms: JobTerms, zones: Sequence[str]) -> JobPolicy:
    return OurJob(shipped_model(), terms.spot_price, zones) if name is PolicyName.OURS else JOB_POLICIES[name]()


def _starts(trace: Trace, pool: PoolSeries, plan: JobPlan, length: int, *, is_test: bool) -> Iterator[tuple[range, int]]:
    """Give the ticks at which jobs begin on a pool, and the window in which each is."""
    step = max(1, int(plan.every_hours * SECONDS_PER_HOUR / trace.gap_seconds))
    for window in trace.windows:
        begin, end = max(window.start, pool.first_tick), min(window.stop, pool.end_tick)
        first = max(begin, pool.cut_tick) if is_test else begin
        for start in range(first, end - length + 1, step):
            yield window, start


def _zones(pools: tuple[PoolSeries, ...], window: range, gap_seconds: float) -> _Zones:
    begin = max(window.start, *(pool.first_tick for pool in pools))
    end = min(window.stop, *(pool.end_tick for pool in pools))
    series = [[bool(pool.count_at(tick)) for tick in range(begin, end)] for pool in pools]
    return _Zones(pools, begin, job_ticks(series, gap_seconds))


def _row(trace: Trace, plan: JobPlan, pool: str, policy: PolicyName, played: Sequence[_Played]) -> Row | None:
    mine = [one for one in played if one.policy is policy and pool in {one.pool, ALL_POOLS}]
    if not mine:
        return None
    in_time = [one for one in mine if not one.result.is_late]
    return Row(
        set_name=trace.name,
        setting=plan.setting,
        pool=pool,
        policy=policy,
        cost=sum(one.result.cost for one in mine) / len(mine),
        optimum=sum(one.bound for one in mine) / len(mine),
        availability=len(in_time) / len(mine),
        moves=sum(max(0, one.result.starts - 1) for one in mine),
        losses=sum(one.result.losses for one in mine),
        losses_survived=sum(one.result.losses for one in in_time),
        runs=len(mine),
        hours=len(mine) * plan.terms.total_seconds / SECONDS_PER_HOUR,
    )
