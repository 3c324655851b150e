"""One jobs process of the server: every job at its period while it holds the lease, as the real process under APScheduler."""

import random
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import timedelta
from inspect import isfunction

import structlog

from spot_server.db.factory import policy_of
from spot_server.errors import ProductError
from spot_server.features.control_role.jobs import ControlRoleActs, job_of
from spot_server.features.heartbeats.jobs import OfflineSweep
from spot_server.features.notice_watch.jobs import NoticeWatch
from spot_server.features.retention.jobs import RetentionSweep
from spot_server.features.silences.jobs import SilenceWatch
from spot_server.features.sweeper.jobs import Sweeper
from spot_server.jobs.jobs import all_jobs
from spot_server.jobs.lease import Lease
from spot_server.jobs.leased_database import LeasedDatabase
from spot_server.jobs.registry import Job, JobContext
from spot_server.jobs.running import JobRunner
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.foresight import Foresight
from spot_simulator.virtual.gateway import VirtualGateway
from spot_simulator.virtual.insight import Insight, OfControlRole, OfSilences
from spot_simulator.virtual.limits import Limits
from spot_simulator.virtual.patience import patience_seconds, until_tick_seconds
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.quiet_looks import QuietLooks, Ticks
from spot_simulator.virtual.table_watch import CLOCKS, EC2
from spot_simulator.virtual.ways import Ways

_OF_THE_LEASE = frozenset({"leases"})
START_SECONDS = 1.0
"""From the start of the process to its first look at the lease. Source: the kill test's log, a free core."""


class JobsHost:
    """Starts with its construction; ends when `process` is killed."""

    def __init__(self, process: Process, database: DatabaseServer, settings: Settings, gateway: VirtualGateway, ways: Ways) -> None:
        """`gateway` leads to EC2 with the clients' roles."""
        self.process = process
        self._leaves_out_looks = ways.leaves_out_looks
        self._settings, self._gateway = settings, gateway
        self.clock = ProcessClock(process, skew_seconds=ways.skew_seconds)
        self._server, self._watch = database, database.watch
        self._database = database.database_of(process, self.clock, policy_of(settings))
        self._lease = Lease(
            self._database,
            holder=process.name,
            duration_seconds=settings.lease_seconds,
            read_now=lambda _tx: process.scheduler.now(),  # the database server's own clock: SQLite would ask this machine's
        )
        self._is_leading = False
        draw = random.Random(f"jobs-{process.name}-{ways.seed}").random
        acts = ControlRoleActs(gateway, most_at_once=settings.control_role_threads, spawn=process.spawn, draw=draw)
        self._control_role = job_of(acts, settings)
        self._jobs = all_jobs(settings, self._control_role, gateway, self.clock)
        self._context = JobContext(
            database=LeasedDatabase(self._database, self._lease),
            clock=self.clock,
            settings=settings,
            metrics=_shared_metrics(),
            log=structlog.get_logger("jobs"),
        )
        self._foresight = foresight = Foresight(database, self.clock, policy_of(settings))
        self._rehearsed = replace(self._context, database=LeasedDatabase(foresight.database, self._lease), clock=foresight.later)
        self._quiet = QuietLooks(process, self.clock, self._watch, foresight)
        process.spawn(self._run)

    def _run(self) -> None:
        self.process.sleep(START_SECONDS)
        while True:
            if self._tried(self._lease.acquire):
                self._lead()
            self.process.sleep(self._settings.lease_renew_period_seconds)
            while self._leaves_out_looks and (held_seconds := self._held_for_seconds()) > 0:
                self.process.sleep(held_seconds)

    def _held_for_seconds(self) -> float:
        """Return how long the lease is held by another in any case: looks at it before that would find nothing, and are left out."""
        expires_at = self._server.lease_expires_at()
        return 0.0 if expires_at is None else (expires_at - self.process.scheduler.now()).total_seconds()

    def _lead(self) -> None:
        """Run jobs, each in a task of its own, until the lease is lost."""
        self._is_leading = True
        runner = JobRunner(self._context, on_lease_lost=self._stop_leading)
        for job in self._jobs:
            self.process.spawn(lambda job=job: self._repeat(runner, job))  # type: ignore[misc]
        renewed_seconds = self.clock.monotonic_seconds()
        while self._is_leading:
            self.process.sleep(self._settings.lease_renew_period_seconds)
            began_seconds = self.clock.monotonic_seconds()
            still_leads = self._renew()
            if still_leads:
                renewed_seconds = began_seconds
            elif still_leads is None and began_seconds - renewed_seconds < self._settings.lease_seconds:
                continue
            else:
                self._lease.give_up()
                self._stop_leading()

    def _renew(self) -> bool | None:
        """A renewal that is certain to be made is made directly: nothing but its time is new."""
        if not self._leaves_out_looks or not self._server.is_certain or self._lease.epoch is None:
            return self._tried(self._lease.renew)
        until = self.process.scheduler.now() + timedelta(seconds=self._settings.lease_seconds)
        return self._server.prolong_lease(self.process.name, self._lease.epoch, until)

    def _stop_leading(self) -> None:
        self._is_leading = False

    def _repeat(self, runner: JobRunner, job: Job) -> None:
        """Run a job again and again, at its period; looks that would come to nothing are left out (foresight.py, patience.py)."""
        term, began_seconds = self._lease.epoch, self.clock.monotonic_seconds()
        besides = CLOCKS | EC2 if isinstance(job.run, NoticeWatch | Sweeper) else CLOCKS
        ticks, changed_seconds = Ticks(job.period_seconds, began_seconds, besides), began_seconds
        insight = self._insight_into(job)
        while self._is_leading and self._lease.epoch == term:
            doings = self._database.doings
            limits = self._limits_of(job)
            tables, was_changed = self._look(runner, job, limits)
            if self._leaves_out_looks and insight is not None:
                self._quiet.wait_knowing(ticks, insight)
            elif was_changed or not tables or self._is_reaching_out(job, doings) or not self._leaves_out_looks:
                ticks.begin_anew()
                changed_seconds = self.clock.monotonic_seconds()
                self.process.sleep(job.period_seconds)
            elif _may_be_rehearsed(job) and self._watch.has_written_nothing_in_vain:
                self._quiet.wait(ticks, tables, lambda: self._rehearse(job), limits)
            elif self._wait_patiently(ticks, tables, self.clock.monotonic_seconds() - changed_seconds):
                changed_seconds = self.clock.monotonic_seconds()

    def _insight_into(self, job: Job) -> Insight | None:
        if isinstance(job.run, SilenceWatch):
            return OfSilences(self._server, self.clock, job.run, self._database.policy.daemon_fresh_seconds)
        return OfControlRole(self._server, self.clock, job.run) if isinstance(job.run, ControlRoleActs) else None

    def _rehearse(self, job: Job) -> None:
        if not isinstance(job.run, NoticeWatch | Sweeper):
            job.run(self._rehearsed)
            return
        with self._gateway.rehearsal():
            copy(job.run)(self._rehearsed)  # what it would remember goes with the copy

    def _wait_patiently(self, ticks: Ticks, tables: frozenset[str], unchanged_seconds: float) -> bool:
        """Let time pass until a table is changed, or the job's memory may have come to something (patience.py); tell whether one was."""
        version = self._watch.version(tables)
        self._watch.wait_for_change(self.process, tables, patience_seconds(ticks.period_seconds, unchanged_seconds))
        was_changed = self._watch.version(tables) != version
        self.process.sleep(until_tick_seconds(ticks.period_seconds, self.clock.monotonic_seconds() - ticks.began_seconds))
        return was_changed

    def _limits_of(self, job: Job) -> Limits | None:
        """Return what is to note the limits of a job's look: where nothing else can be done while it looks, and nothing kept from it."""
        return Limits(self._foresight.heard_moments()) if self._leaves_out_looks and isfunction(job.run) else None

    def _look(self, runner: JobRunner, job: Job, limits: Limits | None) -> tuple[frozenset[str], bool]:
        """Run a job; return the tables that it read, and whether it changed any."""
        before = self._watch.changes
        self._watch.begin()
        runner.run(job if limits is None else replace(job, run=lambda context: self._run_watched(job, context, limits)))
        return self._watch.named - _OF_THE_LEASE, self._watch.changes != before

    def _run_watched(self, job: Job, context: JobContext, limits: Limits) -> str:
        self.clock.limits = limits
        try:
            return job.run(context)
        finally:
            self.clock.limits = None

    def _is_reaching_out(self, job: Job, doings: int) -> bool:
        """Whether a run of the job asked EC2 something: what EC2 says may change with no row."""
        return job is self._control_role and self._database.doings != doings

    @staticmethod
    def _tried(act: Callable[[], bool]) -> bool | None:
        """None when the database did not say."""
        try:
            return act()
        except ProductError:
            return None


def _may_be_rehearsed(job: Job) -> bool:
    """Whether a rehearsal of the job leaves nothing behind in it, nor in the world."""
    return isfunction(job.run) or isinstance(job.run, OfflineSweep | RetentionSweep | NoticeWatch | Sweeper)


def _shared_metrics() -> Metrics:
    """Metrics are not looked at in a simulation: one set will do, and making one costs as much as a hundred requests."""
    global _metrics  # noqa: PLW0603
    _metrics = _metrics or Metrics()
    return _metrics


_metrics: Metrics | None = None
