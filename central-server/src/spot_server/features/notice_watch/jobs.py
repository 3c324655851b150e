"""The round over all control roles: ask EC2 for notices, scheduled events and failing checks of the instances that matter."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spot_server.aws.errors import ASSUME_ROLE_PREFIX, ActFailed, ErrorClass
from spot_server.aws.ports import AwsGateway, Ec2Port
from spot_server.features.interruptions.reports import Report
from spot_server.features.maintenance import service as maintenance
from spot_server.features.notice_watch import service
from spot_server.features.notice_watch.queries import Territory, Watched, list_territories
from spot_server.features.notice_watch.rules import (
    Impairment,
    events_of_statuses,
    impairments_of,
    notices_of_requests,
    over_events_of_statuses,
    pause_seconds,
)
from spot_server.jobs.each import for_each
from spot_server.jobs.registry import Job, JobContext
from spot_server.settings import Settings

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class _Pause:
    """A territory that is left alone until a steady second, after so many troubles in a row."""

    tries: int
    until_seconds: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at a territory showed."""

    reports: tuple[Report, ...]
    impairments: tuple[Impairment, ...]
    over: tuple[tuple[str, str], ...]
    has_trouble: bool


class NoticeWatch:
    """The job. It remembers only whom to leave alone for a while; what was told is in the books."""

    def __init__(self, gateway: AwsGateway, draw: Callable[[], float] = random.random) -> None:
        """`gateway` leads to the clients' accounts; `draw` returns 0..1."""
        self._gateway = gateway
        self._draw = draw
        self._pauses: dict[tuple[str, str], _Pause] = {}

    def __call__(self, context: JobContext) -> str:
        """One round. No call to AWS is made inside a transaction."""
        territories = context.database.read(list_territories)
        present = {territory.key for territory in territories}
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in present}
        told = for_each(territories, lambda territory: self._visit(context, territory))
        return f"news {sum(told)}" if sum(told) else ""

    def _visit(self, context: JobContext, territory: Territory) -> int:
        """Look once, unless it is a time to leave the account alone; return how much was news."""
        pause = self._pauses.get(territory.key)
        if pause is not None and context.clock.monotonic_seconds() < pause.until_seconds:
            return 0
        seen = self._look(context, territory)
        if seen.has_trouble:
            tries = 1 if pause is None else pause.tries + 1
            until_seconds = context.clock.monotonic_seconds() + pause_seconds(tries, self._draw())
            self._pauses[territory.key] = _Pause(tries, until_seconds)
        else:
            self._pauses.pop(territory.key, None)
        return self._record(context, territory, seen)

    def _look(self, context: JobContext, territory: Territory) -> _Seen:
        """Ask both questions. One that is refused keeps nobody from the other; an account that says nothing is not asked twice."""
        requests = self._ask(context, territory, "list spot requests", lambda ec2: ec2.spot_requests_of(territory.spot_instance_ids))
        if isinstance(requests, ActFailed) and _is_whole_account(requests):
            return _Seen((), (), (), has_trouble=True)
        statuses = self._ask(context, territory, "read status checks", lambda ec2: ec2.instance_statuses(territory.instance_ids))
        has_trouble = isinstance(requests, ActFailed) or isinstance(statuses, ActFailed)
        requests = () if isinstance(requests, ActFailed) else requests
        statuses = () if isinstance(statuses, ActFailed) else statuses
        now = context.clock.now()
        findings = [*notices_of_requests(requests), *events_of_statuses(statuses)]
        reports = tuple(service.report_of(finding, now) for finding in findings)
        return _Seen(reports, tuple(impairments_of(statuses)), tuple(over_events_of_statuses(statuses)), has_trouble)

    def _ask(self, context: JobContext, territory: Territory, what: str, ask: Callable[[Ec2Port], Found]) -> Found | ActFailed:
        try:
            return ask(self._gateway.ec2(territory.role, territory.region))
        except ActFailed as error:
            context.log.warning(
                "notice_watch_not_shown", client_id=territory.client_id, region=territory.region, what=what, error=str(error)
            )
            if error.error_class is ErrorClass.NOT_AUTHORIZED:
                self._gateway.forget(territory.role, territory.region)
                code = error.code
                context.database.write(lambda tx: service.tell_refused(tx, territory, what, code))
            return error

    def _record(self, context: JobContext, territory: Territory, seen: _Seen) -> int:
        """Take in what is news, each in a transaction of its own; return how much that was."""
        by_id: dict[str, list[Watched]] = {}
        for one in territory.watched:
            by_id.setdefault(one.instance_id, []).append(one)
        told = [(watched, report) for report in seen.reports for watched in by_id.get(report.instance_id, ())]
        news = [pair for pair in told if context.database.read(lambda tx, pair=pair: service.is_news(tx, *pair))]  # type: ignore[misc]
        taken = for_each(news, lambda pair: context.database.write(lambda tx: service.record(tx, *pair)))
        over = [(watched.agent_id, notice_id) for instance_id, notice_id in seen.over for watched in by_id.get(instance_id, ())]
        still_open = [pair for pair in over if context.database.read(lambda tx, pair=pair: maintenance.is_open(tx, *pair))]  # type: ignore[misc]
        for_each(still_open, lambda pair: context.database.write(lambda tx: maintenance.call_off(tx, *pair)))
        failing = [(watched, one) for one in seen.impairments for watched in by_id.get(one.instance_id, ())]
        new = [pair for pair in failing if context.database.read(lambda tx, pair=pair: service.is_new_impairment(tx, *pair))]  # type: ignore[misc]
        impaired = for_each(new, lambda pair: context.database.write(lambda tx: service.tell_impaired(tx, *pair)))
        return sum(one is not None for one in taken) + sum(impaired)


def _is_whole_account(error: ActFailed) -> bool:
    """Tell whether every other question would get the same answer now."""
    return error.code.startswith(ASSUME_ROLE_PREFIX) or error.error_class in {ErrorClass.THROTTLED, ErrorClass.UNREACHABLE}


def notice_watch_job(settings: Settings, gateway: AwsGateway) -> Job:
    """Return the job with its period from the settings."""
    return Job("watch_notices", settings.notice_watch_period_seconds, NoticeWatch(gateway))
