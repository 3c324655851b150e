"""The notices thread: termination and rebalance every 2 s, scheduled events every 60 s, delivery at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from spot_agent import metrics
from spot_agent.clock import Clock
from spot_agent.delivery import Delivery
from spot_agent.handover import Handover
from spot_agent.journal import Journal
from spot_agent.journal_contents import UnsentReport, with_notice, with_unsent
from spot_agent.link import Link
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject
from spot_agent.outcomes import Did, Failed, Idle, Outcome
from spot_agent.ports import Absent, Found, Imds, Reading
from spot_agent.rules.notices import (
    TERMINATION,
    Notice,
    parse_rebalance,
    parse_scheduled,
    parse_termination,
)
from spot_agent.settings import Settings
from spot_agent.suspension import SuspensionWatch
from spot_agent.timestamps import to_wire

PATH_TERMINATION = "meta-data/spot/instance-action"
PATH_REBALANCE = "meta-data/events/recommendations/rebalance"
PATH_SCHEDULED = "meta-data/events/maintenance/scheduled"
RETRY_UNSENT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class NoticesParts:
    """What the notices thread works with."""

    identity: Identity
    settings: Settings
    imds: Imds
    journal: Journal
    live: Live
    link: Link
    delivery: Delivery
    handover: Handover
    suspension: SuspensionWatch
    clock: Clock
    log: Log


class Notices:
    """One step is one look at the metadata service. What could not be read is unknown, never none."""

    def __init__(self, parts: NoticesParts) -> None:
        self._parts = parts
        self._scheduled_due_seconds = parts.clock.monotonic_seconds()
        self._unsent_due_seconds = parts.clock.monotonic_seconds()
        self._end: Notice | None = None

    def step(self) -> Outcome:
        """New notices are journalled, delivered, and only then is anything else looked at.

        But for one thing: an instance that comes back from a suspension is silenced first.
        """
        away_seconds = self._parts.suspension.look()
        if away_seconds is not None:
            return Did("silenced_after_suspension", {"away_seconds": round(away_seconds, 1)}, next_after_seconds=0.0)
        instance_id = self._parts.identity.instance_id
        unknown: list[str] = []
        new = [
            *self._look(PATH_TERMINATION, lambda body: parse_termination(instance_id, body), unknown),
            *self._look(PATH_REBALANCE, lambda body: parse_rebalance(instance_id, body), unknown),
        ]
        for notice in new:
            self._parts.delivery.deliver(self._keep(notice))
        handed_over = self._parts.handover.consider(self._end)
        if handed_over is not None:
            return handed_over
        if not new:
            self._retry_unsent()
        self._look_at_scheduled(unknown)
        if unknown:
            return Failed("metadata_unknown", {"paths": unknown})
        if new:
            return Did("notices_seen", {"kinds": [notice.kind for notice in new]})
        return Idle("no notice")

    def _look(self, path: str, parse: Callable[[str], Notice | None], unknown: list[str]) -> list[Notice]:
        reading = self._parts.imds.read(path)
        notice = parse(reading.text) if isinstance(reading, Found) else None
        if notice is None:
            if not isinstance(reading, Absent):
                unknown.append(_why(path, reading))
            return []
        if notice.kind == TERMINATION:
            self._end = notice
        return [] if notice.notice_id in self._parts.journal.read().known_notices else [notice]

    def _keep(self, notice: Notice) -> UnsentReport:
        detected_at = to_wire(self._parts.clock.now())
        body: JsonObject = {
            "notice_id": notice.notice_id,
            "instance_id": self._parts.identity.instance_id,
            "detected_at": detected_at,
            "source": "imds",
        }
        if notice.kind == TERMINATION:
            body |= {"action": notice.action, "action_at": to_wire(notice.at)}
        else:
            body |= {"noticed_at": to_wire(notice.at)}
        report = UnsentReport(f"{notice.kind}/{notice.notice_id}", notice.kind, body)
        is_end = notice.kind == TERMINATION
        self._parts.link.note(
            lambda now: replace(with_unsent(with_notice(now, notice.notice_id), report), end_announced=now.end_announced or is_end)
        )
        metrics.NOTICES.add(notice.kind)
        self._parts.log.warning("notice_seen", kind=notice.kind, notice_id=notice.notice_id, action=notice.action)
        return report

    def _retry_unsent(self) -> None:
        """Brief, and not at every look: a server that hangs must not keep us from seeing the next notice."""
        now_seconds = self._parts.clock.monotonic_seconds()
        if now_seconds >= self._unsent_due_seconds and self._parts.delivery.retry_briefly() is not None:
            self._unsent_due_seconds = self._parts.clock.monotonic_seconds() + RETRY_UNSENT_SECONDS

    def _look_at_scheduled(self, unknown: list[str]) -> None:
        now_seconds = self._parts.clock.monotonic_seconds()
        if now_seconds < self._scheduled_due_seconds:
            return
        self._scheduled_due_seconds = now_seconds + self._parts.settings.scheduled_events_poll_interval_seconds
        reading = self._parts.imds.read(PATH_SCHEDULED)
        events = parse_scheduled(reading.text) if isinstance(reading, Found) else None
        if isinstance(reading, Absent):
            events = ()
        if events is None:
            unknown.append(_why(PATH_SCHEDULED, reading))
            return
        if events != self._parts.live.read().scheduled_events:
            if events or self._parts.live.read().scheduled_events:
                self._parts.log.warning("scheduled_events_changed", events=list(events))
            self._parts.live.change(lambda facts: replace(facts, scheduled_events=events))


def _why(path: str, reading: Reading) -> str:
    reason = "not a whole answer" if isinstance(reading, Found) else getattr(reading, "reason", "")
    return f"{path}: {reason}"
