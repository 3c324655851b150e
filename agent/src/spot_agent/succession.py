"""A standby that its plan names: it watches for its predecessor's end, claims the one address, and serves. Then it tells the server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from spot_agent.clock import Clock, since_boot_seconds
from spot_agent.commands.standby_check import require_standby
from spot_agent.errors import ActFailed, Ec2Failed, ErrorClass, JournalUnwritable, ServerFailed, ServerRefused
from spot_agent.journal import Change, Journal
from spot_agent.journal_contents import ClaimRecord, JournalContents
from spot_agent.link import Link
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import TAG_HANDED_OVER, Identity, Role
from spot_agent.outcomes import Did, Failed, Outcome
from spot_agent.ports import CentralApi, Ec2, Hooks, StateCarrier
from spot_agent.roles import Roles
from spot_agent.rules.ownership import tags_of_agent
from spot_agent.rules.plans import (
    CLAIM_WINDOW_SECONDS,
    Ended,
    Hold,
    Plan,
    Watched,
    claim_report,
    decide_end,
    hold_of,
    is_overtaken,
    is_stale,
    plan_of,
    with_claim,
    with_claimed,
    without_claim,
)
from spot_agent.timestamps import from_wire

WATCH_SECONDS = 30.0
"""Between two looks at the predecessor while the server answers: it leads then, and EC2 counts the calls of a whole account."""

WATCH_ALONE_SECONDS = 3.0
"""While the server does not answer, or the predecessor has ended: every second of it is an outage."""

TELL_AGAIN_SECONDS = 5.0
PROBLEM_STEP_DOWN = "claim-refused"


@dataclass(frozen=True, slots=True)
class SuccessionParts:
    """What a succession works with."""

    identity: Identity
    api: CentralApi
    ec2: Ec2
    hooks: Hooks
    carrier: StateCarrier
    journal: Journal
    live: Live
    link: Link
    roles: Roles
    clock: Clock
    log: Log
    hook_bound_seconds: float


class Succession:
    """A turn of the replica manager's thread. What it holds in memory is when it looked; what it did is in the journal."""

    def __init__(self, parts: SuccessionParts) -> None:
        self._parts = parts
        self._plan_id: str | None = None
        self._due_seconds = 0.0
        self._seen_alive_seconds: float | None = None
        self._ended_seconds: float | None = None
        self._said: str | None = None

    def period_seconds(self) -> float:
        """Return how soon it wants another turn."""
        contents = self._parts.journal.read()
        if contents.claim is not None:
            return WATCH_ALONE_SECONDS
        return self._pause_seconds() if self._plan(contents) is not None else WATCH_SECONDS

    def step(self) -> None:
        """Watch, claim, or go on with a claim. What comes of it is logged when it is something else than before."""
        outcome = self._step()
        event = outcome.event if isinstance(outcome, Did | Failed) else None
        if isinstance(outcome, Did | Failed) and event != self._said:
            self._parts.log.warning("succession", outcome=outcome.event, **outcome.fields)
        self._said = event

    def _step(self) -> Outcome | None:
        contents = self._parts.journal.read()
        if contents.claim is not None:
            return self._go_on(contents, contents.claim)
        plan, now_seconds = self._plan(contents), since_boot_seconds(self._parts.clock)
        if plan is None or now_seconds < self._due_seconds:
            return None
        try:
            outcome = self._watch(plan)
        except Ec2Failed as error:
            outcome = Failed("predecessor_not_seen", {"code": error.code})
        self._due_seconds = since_boot_seconds(self._parts.clock) + self._pause_seconds()
        return outcome

    def _plan(self, contents: JournalContents) -> Plan | None:
        """The plan by which this standby may act; what was seen under another one counts for nothing."""
        plan = plan_of(contents)
        is_ours = plan is not None and plan.successor_instance_id == self._parts.identity.instance_id
        if plan is None or not is_ours or contents.role is not Role.REPLICA or contents.epoch >= plan.epoch:
            return None
        if plan.plan_id != self._plan_id:
            self._plan_id, self._due_seconds, self._seen_alive_seconds, self._ended_seconds = plan.plan_id, 0.0, None, None
        return None if is_stale(plan, contents, self._parts.clock.now()) else plan

    def _pause_seconds(self) -> float:
        """Measured so that the time of a suspension counts: who slept has not watched."""
        is_urgent = self._parts.live.read().is_server_missed or self._ended_seconds is not None
        return WATCH_ALONE_SECONDS if is_urgent else WATCH_SECONDS

    def _watch(self, plan: Plan) -> Outcome | None:
        predecessor = self._parts.ec2.describe_instance(plan.predecessor_instance_id)
        now_seconds = since_boot_seconds(self._parts.clock)
        if predecessor is not None and predecessor.state != "terminated":
            self._seen_alive_seconds = now_seconds
        mark = None if predecessor is None else predecessor.tags.get(TAG_HANDED_OVER)
        state = None if predecessor is None else predecessor.state
        # From the first sight of the end on it stays seen: only the time to act on it runs out.
        seen_alive_seconds = self._seen_alive_seconds if self._ended_seconds is None else now_seconds
        ended = decide_end(plan, Watched(state, mark, self._parts.clock.now(), now_seconds, seen_alive_seconds))
        if ended is None:
            return None
        if self._ended_seconds is None:
            self._ended_seconds = now_seconds
            self._parts.log.warning(
                "predecessor_ended", predecessor=plan.predecessor_instance_id, is_marked=ended.handed_over_at is not None
            )
        if now_seconds - self._ended_seconds > CLAIM_WINDOW_SECONDS:
            return None
        return self._claim(plan, ended)

    def _claim(self, plan: Plan, ended: Ended) -> Outcome | None:
        own_id = self._parts.identity.instance_id
        address = self._parts.ec2.describe_address(plan.allocation_id)
        if address is None or hold_of(address.instance_id, own_id) is Hold.OTHERS:
            return Failed("address_not_free", {"held_by": None if address is None else address.instance_id})
        contents = self._parts.journal.read()
        # Only of the agent itself: another's epoch, under the same name, says nothing.
        tags = tags_of_agent(contents.agent_id or "", contents.logical_agent_id)
        if is_overtaken(plan, own_id, {made.instance_id: made.tags for made in self._parts.ec2.find_instances(tags)}):
            return Failed("overtaken", {"epoch": plan.epoch})
        try:
            require_standby(self._parts.hooks, self._parts.hook_bound_seconds)
        except ActFailed as error:
            return Failed("standby_not_fit", {"reason": error.message})
        begun = self._change(lambda now: with_claim(now, plan, self._parts.clock.now(), ended))
        if begun is None:
            self._change(lambda now: without_claim(now, plan.plan_id))
        if begun is None or begun.claim is None or begun.claim.plan_id != plan.plan_id:
            return Failed("claim_not_begun", {"plan_id": plan.plan_id})
        return self._go_on(begun, begun.claim)

    def _go_on(self, contents: JournalContents, record: ClaimRecord) -> Outcome | None:
        """From wherever it was left: a process may have died anywhere, and the server may have spoken meanwhile."""
        if contents.epoch > record.epoch or contents.role not in (Role.REPLICA, Role.PRIMARY):
            return self._close(record, "claim_overtaken")
        if record.claimed_at is None:
            outcome = self._get_address(contents, record)
            if outcome is not None:
                return outcome
        contents = self._parts.journal.read()
        if contents.role is not Role.PRIMARY or contents.quiesced:
            failed = self._serve(record)
            if failed is not None:
                return failed
        return self._tell(record.plan_id)

    def _get_address(self, contents: JournalContents, record: ClaimRecord) -> Outcome | None:
        """None once EC2 says that the address is this instance's; it is given only while nobody has it."""
        own_id = self._parts.identity.instance_id
        if contents.role is Role.PRIMARY:
            return self._close(record, "promoted_by_server")
        if self._parts.clock.now() - from_wire(record.begun_at) > timedelta(seconds=CLAIM_WINDOW_SECONDS):
            return self._close(record, "claim_too_old")
        try:
            self._parts.ec2.associate_address(record.allocation_id, own_id, allow_reassociation=False)
        except Ec2Failed as error:
            if error.error_class is ErrorClass.REFUSED:
                return self._close(record, "address_claimed_by_another")
            return Failed("address_not_claimed", {"code": error.code})
        try:
            address = self._parts.ec2.describe_address(record.allocation_id)
        except Ec2Failed as error:
            return Failed("address_not_confirmed", {"code": error.code})
        if address is None or address.instance_id != own_id:
            return Failed("address_not_confirmed", {"held_by": None if address is None else address.instance_id})
        claimed = self._change(lambda now: with_claimed(now, record.plan_id, self._parts.clock.now()))
        if claimed is None or claimed.claim is None or claimed.claim.claimed_at is None:
            return Failed("claim_not_noted", {"plan_id": record.plan_id})
        self._parts.log.warning("address_claimed", allocation_id=record.allocation_id, epoch=record.epoch)
        return None

    def _serve(self, record: ClaimRecord) -> Outcome | None:
        """Become the PRIMARY; a start that fails is tried again at the next turn."""
        try:
            self._parts.carrier.before_serving()
            self._parts.roles.promote(record.epoch, self._parts.hook_bound_seconds)
        except ActFailed as error:
            return Failed("not_serving_yet", {"code": error.code, "reason": error.message})
        self._parts.log.warning("took_over", epoch=record.epoch, predecessor=record.predecessor_instance_id)
        return None

    def _tell(self, plan_id: str) -> Outcome | None:
        record = self._parts.journal.read().claim
        now_seconds = since_boot_seconds(self._parts.clock)
        if record is None or record.plan_id != plan_id or now_seconds < self._due_seconds or self._parts.link.why_not() is not None:
            return None
        self._due_seconds = now_seconds + TELL_AGAIN_SECONDS
        try:
            self._parts.api.report(f"replicas/{record.replica_id}/promote", claim_report(record))
        except ServerRefused as error:
            if error.problem == PROBLEM_STEP_DOWN:
                return self._step_down(record, error.detail)
            return self._parts.link.failed("claim", error)
        except ServerFailed as error:
            return self._parts.link.failed("claim", error)
        return self._close(record, "claim_told")

    def _step_down(self, record: ClaimRecord, reason: str) -> Outcome:
        """The server knows of another primary. An outage is better than two that write."""
        self._parts.log.failure("claim_refused", reason=reason)
        try:
            self._parts.roles.demote(record.epoch, self._parts.hook_bound_seconds)
        except ActFailed as error:
            return Failed("not_silenced_yet", {"code": error.code, "reason": error.message})
        return self._close(record, "stepped_down")

    def _close(self, record: ClaimRecord, event: str) -> Outcome:
        self._change(lambda now: without_claim(now, record.plan_id))
        return Did(event, {"plan_id": record.plan_id, "epoch": record.epoch})

    def _change(self, change: Change) -> JournalContents | None:
        """None when it could not be saved: what is not on the disk does not count here."""
        try:
            return self._parts.journal.change(change)
        except JournalUnwritable as error:
            self._parts.log.failure("journal_unwritable", error=str(error))
            return None
