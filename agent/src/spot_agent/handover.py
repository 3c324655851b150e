"""A primary that hears of its end while the server is away: it stops, gives its role up, and frees the address for the named successor."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spot_agent.clock import Clock
from spot_agent.errors import ActFailed, JournalUnwritable, ServerFailed, ServerUnreachable
from spot_agent.journal import Change, Journal
from spot_agent.journal_contents import HandoverRecord, JournalContents
from spot_agent.logs import Log
from spot_agent.model import TAG_HANDED_OVER, Identity
from spot_agent.outcomes import Did, Failed, Outcome
from spot_agent.ports import CentralApi, Ec2
from spot_agent.rules.notices import Notice
from spot_agent.rules.plans import (
    LEAST_LEFT_SECONDS,
    SERVER_HAS_UNTIL_SECONDS,
    Plan,
    mark_value,
    plan_of,
    why_not_hand_over,
    with_commit_taken_back,
    with_committed,
    with_handover,
    without_handover,
)
from spot_agent.workload import Workload


@dataclass(frozen=True, slots=True)
class HandoverParts:
    """What a handover works with. `urgent_api` has connections of its own, and short time-outs."""

    identity: Identity
    urgent_api: CentralApi
    ec2: Ec2
    journal: Journal
    workload: Workload
    clock: Clock
    log: Log
    hook_bound_seconds: float


class Handover:
    """Called at every look of the notices thread while an end is announced. Each of its acts may be repeated, by another process too.

    The journal orders it against the server's commands: what is committed here answers every order of the old epoch with `stale_epoch`, and
    what the server took in hand first is not committed any more.
    """

    def __init__(self, parts: HandoverParts) -> None:
        self._parts = parts
        self._said: str | None = None

    def consider(self, notice: Notice | None) -> Outcome | None:
        """Begin, or go on; None when there is nothing to do."""
        contents = self._parts.journal.read()
        record = contents.handover
        if record is not None and record.handed_over_at is None:
            return self._stop_and_commit(record)
        if record is not None:
            return None if record.is_released or contents.epoch != record.epoch else self._release(record)
        if notice is None or notice.action not in ("terminate", "stop") or not contents.may_serve:
            return None
        return self._begin(notice, contents)

    def _begin(self, notice: Notice, contents: JournalContents) -> Outcome | None:
        plan, now = plan_of(contents), self._parts.clock.now()
        reason = why_not_hand_over(contents, plan, self._parts.identity.instance_id, now, notice.at)
        if plan is None or reason is not None:
            self._not_now(reason or "no successor is named")
            return None
        is_told = all(report.body.get("notice_id") != notice.notice_id for report in contents.unsent)
        if is_told and (notice.at - now).total_seconds() > SERVER_HAS_UNTIL_SECONDS:
            return None
        if self._is_server_there():
            return None
        try:
            association_id = self._prepare(plan)
        except ActFailed as error:
            self._not_now(f"{error.code}: {error.message}")
            return None
        if association_id is None:
            return None
        begun = self._change(lambda journalled: with_handover(journalled, plan, now, association_id))
        if begun is None:
            self._change(lambda journalled: without_handover(journalled, plan.plan_id))
        if begun is None or begun.handover is None or begun.handover.plan_id != plan.plan_id:
            self._not_now("the journal cannot be written, or the server spoke meanwhile")
            return None
        self._parts.log.warning("handover_begun", successor=plan.successor_instance_id, epoch=plan.epoch, plan_id=plan.plan_id)
        return self._stop_and_commit(begun.handover)

    def _is_server_there(self) -> bool:
        """One short question. Any answer at all counts, also a refusal: whoever refuses is there."""
        try:
            self._parts.urgent_api.config()
        except ServerUnreachable:
            return False
        except ServerFailed:
            return True
        return True

    def _prepare(self, plan: Plan) -> str | None:
        """Find out, before anything is stopped, whether it can be done at all. The association to free; None, said, when it cannot."""
        address = self._parts.ec2.describe_address(plan.allocation_id)
        if address is None or address.instance_id != self._parts.identity.instance_id or not address.association_id:
            self._not_now(f"{plan.allocation_id} does not lead here")
            return None
        successor = self._parts.ec2.describe_instance(plan.successor_instance_id)
        if successor is None or successor.state != "running":
            self._not_now(f"the successor {plan.successor_instance_id} is {successor.state if successor else 'not known'}")
            return None
        self._parts.ec2.tag(self._parts.identity.instance_id, {TAG_HANDED_OVER: f"{plan.plan_id} begun"})
        return address.association_id

    def _stop_and_commit(self, record: HandoverRecord) -> Outcome:
        try:
            self._parts.workload.stop(min(self._parts.hook_bound_seconds, 3 * LEAST_LEFT_SECONDS))
        except ActFailed as error:
            return self._call_off(record, f"the workload does not stop: {error.code}")
        committed = self._change(lambda now: with_committed(now, record.plan_id, self._parts.clock.now()))
        if committed is None:
            self._change(lambda now: with_commit_taken_back(now, record.plan_id))
            return self._call_off(record, "the journal cannot be written")
        given_up = committed.handover
        if given_up is None or given_up.handed_over_at is None:
            return Did("handover_left_to_server", {"plan_id": record.plan_id}, next_after_seconds=0.0)
        self._parts.log.warning("handed_over", successor=record.successor_instance_id, epoch=record.epoch)
        return self._release(given_up)

    def _release(self, record: HandoverRecord) -> Outcome:
        """Say in EC2 that it is over, then free the address: by the association, so that it is taken from nobody who came after."""
        try:
            self._parts.ec2.tag(self._parts.identity.instance_id, {TAG_HANDED_OVER: mark_value(record)})
            self._parts.ec2.disassociate_address(record.association_id)
        except ActFailed as error:
            return Failed("address_not_released", {"code": error.code, "reason": error.message})
        self._change(lambda now: _with_released(now, record.plan_id))
        return Did("address_released", {"successor": record.successor_instance_id})

    def _call_off(self, record: HandoverRecord, reason: str) -> Outcome:
        """Nothing is given away: this instance serves on for as long as it is there."""
        self._change(lambda now: without_handover(now, record.plan_id))
        self._parts.workload.start_alone(self._parts.hook_bound_seconds)
        self._not_now(reason)
        return Failed("handover_called_off", {"reason": reason})

    def _not_now(self, reason: str) -> None:
        if reason != self._said:
            self._parts.log.warning("not_handed_over", reason=reason)
        self._said = reason

    def _change(self, change: Change) -> JournalContents | None:
        """None when it could not be saved: what is not on the disk does not count here."""
        try:
            return self._parts.journal.change(change)
        except JournalUnwritable as error:
            self._parts.log.failure("journal_unwritable", error=str(error))
            return None


def _with_released(contents: JournalContents, plan_id: str) -> JournalContents:
    record = contents.handover
    return replace(contents, handover=replace(record, is_released=True)) if record is not None and record.plan_id == plan_id else contents
