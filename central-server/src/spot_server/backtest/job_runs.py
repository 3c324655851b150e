"""Jobs over a trace: a job begins every so many hours on each pool, and every policy plays each of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from spot_server.backtest.history import Known, known_series
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

    terms: JobTerms
    every_hours: float
    """Between two jobs' starts on a pool."""


@dataclass(frozen=True, slots=True)
class _Played:
    pool: str
    policy: PolicyName
    result: JobResult
    bound: float


def play_jobs(trace: Trace, plan: JobPlan, policies: Sequence[PolicyName], tell: Progress, *, is_test: bool) -> list[Row]:
    """Return a row for each policy and pool, and for all pools: the mean of all jobs. Empty where no job fits in.

    `is_test`: only jobs that begin in a series' last third; what was recorded before counts as known.
    """
    played: list[_Played] = []
    for number, pool in enumerate(trace.pools, start=1):
        tell(f"{trace.name}: jobs on pool {number} of {len(trace.pools)}")
        for known in _stretches(trace, pool, plan, is_test=is_test):
            bound = job_bound(plan.terms, [seen.has_capacity for seen in known], trace.gap_seconds)
            for name in policies:
                result = play_job(_policy(name, plan.terms), plan.terms, known, trace.gap_seconds)
                played.append(_Played(pool.name, name, result, bound))
    names = [pool.name for pool in trace.pools]
    wanted = [(pool, policy) for pool in (*names, ALL_POOLS) for policy in policies]
    rows = (_row(trace, plan, pool, policy, played) for pool, policy in wanted)
    return [row for row in rows if row is not None]


def _policy(name: PolicyName, terms: JobTerms) -> JobPolicy:
    return OurJob(shipped_model(), terms.spot_price) if name is PolicyName.OURS else JOB_POLICIES[name]()


def _stretches(trace: Trace, pool: PoolSeries, plan: JobPlan, *, is_test: bool) -> Iterator[list[Known]]:
    """Give what is known of the pool from each job's start to its deadline."""
    length = math.ceil(plan.terms.total_seconds / trace.gap_seconds)
    step = max(1, int(plan.every_hours * SECONDS_PER_HOUR / trace.gap_seconds))
    for window in trace.windows:
        begin, end = max(window.start, pool.first_tick), min(window.stop, pool.end_tick)
        known = known_series([bool(pool.count_at(tick)) for tick in range(begin, end)], trace.gap_seconds)
        first = max(0, pool.cut_tick - begin) if is_test else 0
        for start in range(first, len(known) - length + 1, step):
            yield known[start : start + length]


def _row(trace: Trace, plan: JobPlan, pool: str, policy: PolicyName, played: Sequence[_Played]) -> Row | None:
    mine = [one for one in played if one.policy is policy and pool in {one.pool, ALL_POOLS}]
    if not mine:
        return None
    in_time = [one for one in mine if not one.result.is_late]
    return Row(
        set_name=trace.name,
        setting=Setting.JOB,
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
