"""Getting notices to the server: at once and briefly from the notices thread, patiently from the heartbeat's."""

from __future__ import annotations

from dataclasses import dataclass

from spot_agent import metrics
from spot_agent.clock import Bell, Clock, Stop
from spot_agent.journal import Journal
from spot_agent.journal_contents import UnsentReport
from spot_agent.link import Link, Reports
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject, Role
from spot_agent.outcomes import Failed
from spot_agent.ports import CentralApi
from spot_agent.rules.notices import REBALANCE, TERMINATION

EMERGENCY_REPLICA = "create-emergency-replica"
REASONS = {TERMINATION: "termination", REBALANCE: "rebalance"}
TRIES = 3
TRY_EVERY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class DeliveryParts:
    """What delivery works with. `urgent_api` has connections of its own, and short time-outs."""

    identity: Identity
    urgent_api: CentralApi
    api: CentralApi
    journal: Journal
    link: Link
    reports: Reports
    commands_bell: Bell
    heartbeat_bell: Bell
    clock: Clock
    stop: Stop
    log: Log


class Delivery:
    """Reports are in the journal before they come here, and leave it when the server has them."""

    def __init__(self, parts: DeliveryParts) -> None:
        self._parts = parts

    def deliver(self, report: UnsentReport) -> None:
        """Three tries in about 3 s; then the heartbeat thread is asked to try patiently."""
        if not self._is_deliverable(report):
            return
        began_seconds = self._parts.clock.monotonic_seconds()
        for number in range(TRIES):
            if number and self._parts.stop.wait(self._pause_seconds(began_seconds, number)):
                return
            if self._send(self._parts.urgent_api, report) is None:
                metrics.NOTICE_DELIVERY_SECONDS.observe(self._parts.clock.monotonic_seconds() - began_seconds)
                return
        self._parts.log.failure("notice_not_delivered", key=report.key)
        self._parts.heartbeat_bell.ring()

    def retry_briefly(self) -> Failed | None:
        """One quick try of the oldest report; None when there was none, or it arrived."""
        unsent = self._parts.journal.read().unsent
        if not unsent or not self._is_deliverable(unsent[0]):
            return None
        return self._send(self._parts.urgent_api, unsent[0])

    def flush(self) -> Failed | None:
        """All that is kept, oldest first, up to the first that does not arrive."""
        for report in self._parts.journal.read().unsent:
            if self._is_deliverable(report):
                failed = self._send(self._parts.api, report)
                if failed is not None:
                    return failed
        return None

    def _send(self, api: CentralApi, report: UnsentReport) -> Failed | None:
        answer = self._parts.reports.send(api, report)
        if isinstance(answer, Failed):
            return answer
        if report.kind in REASONS:
            self._on_answer(report, answer)
        return None

    def _on_answer(self, report: UnsentReport, answer: JsonObject) -> None:
        """The server says what it will do. A replica that it wants and has not made yet is asked for by name."""
        response = answer.get("response")
        self._parts.log.info("notice_answered", key=report.key, response=response, is_new=answer.get("is_new"))
        self._parts.commands_bell.ring()
        if response == "launch_replica" and not answer.get("replica_id"):
            notice_id = report.body["notice_id"]
            body = {
                "notice_id": notice_id,
                "instance_id": self._parts.identity.instance_id,
                "reason": REASONS[report.kind],
            }
            asked = UnsentReport(f"{EMERGENCY_REPLICA}/{notice_id}", EMERGENCY_REPLICA, body)
            self._parts.reports.keep(asked)
            self._parts.reports.send(self._parts.urgent_api, asked)

    def _pause_seconds(self, began_seconds: float, number: int) -> float:
        passed_seconds = self._parts.clock.monotonic_seconds() - began_seconds
        return max(0.0, number * TRY_EVERY_SECONDS - passed_seconds)

    def _is_deliverable(self, report: UnsentReport) -> bool:
        """A ZOMBIE's notices concern nobody, as its agent is served elsewhere: unless it gave its role up without the server."""
        is_notice = report.kind in REASONS or report.kind == EMERGENCY_REPLICA
        contents = self._parts.journal.read()
        if is_notice and contents.role in (Role.ZOMBIE, Role.TERMINATED) and contents.handover is None:
            self._parts.reports.drop(report)
            return False
        return self._parts.link.why_not() is None
