"""What a daemon may do while the server is away: who is named in its plan, and when it may hand over, or take over.

Two never serve, because both of these must be so, whatever anybody believes: the predecessor has stopped its workload and given its role
up on its disk, or EC2 says that it is terminated; and EC2 gave the one address to the successor, which it does only while nobody has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from spot_agent.journal_contents import ClaimRecord, HandoverRecord, JournalContents
from spot_agent.model import TAG_EPOCH, JsonObject, Role
from spot_agent.timestamps import optional_from_wire, to_wire

LEAST_LEFT_SECONDS = 10.0
"""Of a notice's time: with less the stop might not be confirmed any more, and the successor acts on EC2's word a little later."""

SERVER_HAS_UNTIL_SECONDS = 60.0
"""Before a notice's end: until then a server that took the notice, and is not heard since, may still be leading the move."""

MARK_VALID_SECONDS = 900.0
"""How old a predecessor's mark may be. Clocks of two instances differ by less; a successor that finds an older one has slept through it."""

WITNESS_SECONDS = 120.0
"""A successor that saw its predecessor alive no longer ago than this has seen it end. One that was away has not: others may have acted."""

CLAIM_WINDOW_SECONDS = 300.0
"""For how long a successor tries to get the address after its predecessor's end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the server said while all was well."""

    plan_id: str
    epoch: int
    predecessor_instance_id: str
    successor_instance_id: str
    successor_replica_id: str
    allocation_id: str
    valid_seconds: float


def plan_of(contents: JournalContents) -> Plan | None:
    """Return the plan that came with the configuration that the daemon goes by; None when there is none that can be read."""
    told = (contents.config or {}).get("plan")
    if not isinstance(told, dict):
        return None
    names = ("plan_id", "predecessor_instance_id", "successor_instance_id", "successor_replica_id", "allocation_id")
    texts = [told.get(name) for name in names]
    epoch, valid_seconds = told.get("epoch"), told.get("valid_seconds")
    if not all(isinstance(text, str) and text for text in texts) or type(epoch) is not int or not isinstance(valid_seconds, int | float):
        return None
    return Plan(
        plan_id=str(texts[0]),
        epoch=epoch,
        predecessor_instance_id=str(texts[1]),
        successor_instance_id=str(texts[2]),
        successor_replica_id=str(texts[3]),
        allocation_id=str(texts[4]),
        valid_seconds=float(valid_seconds),
    )


def acknowledged_config_version(contents: JournalContents) -> int | None:
    """Return by which configuration this instance goes, for the server: it then acts on no older plan, now or later.

    None while it claims under a plan, or has claimed and the server does not know: `with_claim` takes plans only from that configuration.
    """
    version = (contents.config or {}).get("config_version")
    return version if contents.claim is None and type(version) is int else None


def is_stale(plan: Plan, contents: JournalContents, now: datetime) -> bool:
    """Tell whether the server's last word is too long ago to act on what it said."""
    seen_at = optional_from_wire(contents.plan_seen_at)
    return seen_at is None or now - seen_at > timedelta(seconds=plan.valid_seconds)


def why_not_hand_over(contents: JournalContents, plan: Plan | None, instance_id: str, now: datetime, end_at: datetime) -> str | None:
    """Return what keeps this primary from handing over by itself; None when it may."""
    if plan is None or plan.predecessor_instance_id != instance_id:
        return "no successor is named"
    if not contents.may_serve or contents.epoch != plan.epoch - 1:
        return "this instance is not the primary that the plan is for, or was told to stop"
    if is_stale(plan, contents, now):
        return "the plan is too old"
    if end_at - now < timedelta(seconds=LEAST_LEFT_SECONDS):
        return "there is no time left"
    return None


def with_handover(contents: JournalContents, plan: Plan, begun_at: datetime, association_id: str) -> JournalContents:
    """Note that a handover begins, and that the workload may not serve meanwhile; unchanged where it may not begin after all."""
    if not contents.may_serve or contents.epoch != plan.epoch - 1 or plan_of(contents) != plan or contents.handover is not None:
        return contents
    record = HandoverRecord(plan.plan_id, plan.epoch, plan.successor_instance_id, association_id, to_wire(begun_at))
    return replace(contents, quiesced=True, handover=record)


def with_committed(contents: JournalContents, plan_id: str, at: datetime) -> JournalContents:
    """Give the role up for good; unchanged when the server has taken the handover into its own hands since it began."""
    record = contents.handover
    is_ours = record is not None and record.plan_id == plan_id and record.handed_over_at is None
    if record is None or not is_ours or contents.role is not Role.PRIMARY or contents.may_serve or contents.epoch != record.epoch - 1:
        return contents
    committed = replace(record, handed_over_at=to_wire(at))
    return replace(contents, role=Role.ZOMBIE, epoch=record.epoch, quiesced=True, handover=committed)


def with_commit_taken_back(contents: JournalContents, plan_id: str) -> JournalContents:
    """Undo a commit that could not be saved: it was told to nobody."""
    record = contents.handover
    is_ours = record is not None and record.plan_id == plan_id and record.handed_over_at is not None and not record.is_released
    if record is None or not is_ours or contents.role is not Role.ZOMBIE or contents.epoch != record.epoch:
        return contents
    return replace(contents, role=Role.PRIMARY, epoch=record.epoch - 1, handover=replace(record, handed_over_at=None))


def without_handover(contents: JournalContents, plan_id: str) -> JournalContents:
    """Call a handover off that was not committed, and let the workload serve again, if that is still this instance's part."""
    record = contents.handover
    if record is None or record.plan_id != plan_id or record.handed_over_at is not None:
        return contents
    is_ours = contents.role is Role.PRIMARY and contents.epoch == record.epoch - 1
    return replace(contents, handover=None, quiesced=not is_ours)


def mark_value(record: HandoverRecord) -> str:
    """Return what the predecessor's tag says: under which plan it gave its role up, and when."""
    return f"{record.plan_id} {record.handed_over_at}" if record.handed_over_at else f"{record.plan_id} begun"


def handed_over_at(mark: str | None, plan: Plan) -> datetime | None:
    """Return when the predecessor gave its role up under this plan; None when its tag does not say so."""
    plan_id, _, at = (mark or "").partition(" ")
    return optional_from_wire(at) if plan_id == plan.plan_id else None


@dataclass(frozen=True, slots=True)
class Watched:
    """What a successor sees of its predecessor. Seconds are of its own steady clock."""

    state: str | None
    """EC2's word; None when EC2 knows no such instance: that is no end that anybody has seen."""
    mark: str | None
    now: datetime
    now_seconds: float
    seen_alive_seconds: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The predecessor serves no more. `handed_over_at` is None when EC2 said so."""

    handed_over_at: datetime | None


def decide_end(plan: Plan, watched: Watched) -> Ended | None:
    """Return whether the predecessor is known to serve no more. `stopped` is not enough: it may be started, and does not know."""
    at = handed_over_at(watched.mark, plan)
    if at is not None and abs(watched.now - at) <= timedelta(seconds=MARK_VALID_SECONDS):
        return Ended(at)
    is_witnessed = watched.seen_alive_seconds is not None and watched.now_seconds - watched.seen_alive_seconds <= WITNESS_SECONDS
    return Ended(None) if watched.state == "terminated" and is_witnessed else None


def is_overtaken(plan: Plan, instance_id: str, tags_by_id: Mapping[str, Mapping[str, str]]) -> bool:
    """Tell whether another instance of the agent has served under the plan's epoch, or a later one."""
    epochs: Iterable[int] = (_epoch(tags) for other_id, tags in tags_by_id.items() if other_id != instance_id)
    return any(epoch >= plan.epoch for epoch in epochs)


def _epoch(tags: Mapping[str, str]) -> int:
    text = tags.get(TAG_EPOCH, "")
    return int(text) if text.isascii() and text.isdecimal() else 0


class Hold(str, Enum):
    """Whose the address is."""

    FREE = "free"
    OWN = "own"
    OTHERS = "others"


def hold_of(holder_id: str | None, instance_id: str) -> Hold:
    """Return whose the address is, to this instance."""
    if holder_id is None:
        return Hold.FREE
    return Hold.OWN if holder_id == instance_id else Hold.OTHERS


def with_claim(contents: JournalContents, plan: Plan, begun_at: datetime, ended: Ended) -> JournalContents:
    """Note that a claim begins; unchanged where it may not: the plan is none of this configuration, or the role has changed."""
    if contents.role is not Role.REPLICA or plan_of(contents) != plan or contents.epoch >= plan.epoch or contents.claim is not None:
        return contents
    record = ClaimRecord(
        plan_id=plan.plan_id,
        epoch=plan.epoch,
        predecessor_instance_id=plan.predecessor_instance_id,
        replica_id=plan.successor_replica_id,
        allocation_id=plan.allocation_id,
        begun_at=to_wire(begun_at),
        handed_over_at=None if ended.handed_over_at is None else to_wire(ended.handed_over_at),
    )
    return replace(contents, claim=record)


def with_claimed(contents: JournalContents, plan_id: str, at: datetime) -> JournalContents:
    """Note that EC2 gave the address to this instance: it is the primary that may serve; unchanged when its part changed meanwhile."""
    record = contents.claim
    if record is None or record.plan_id != plan_id or contents.role is not Role.REPLICA or contents.epoch >= record.epoch:
        return contents
    claimed = replace(record, claimed_at=to_wire(at))
    return replace(contents, claim=claimed)


def without_claim(contents: JournalContents, plan_id: str) -> JournalContents:
    """Close a claim: the server knows, or it came to nothing."""
    is_it = contents.claim is not None and contents.claim.plan_id == plan_id
    return replace(contents, claim=None) if is_it else contents


def claim_report(record: ClaimRecord) -> JsonObject:
    """Return what the server is told of a claim."""
    return {
        "plan_id": record.plan_id,
        "epoch": record.epoch,
        "predecessor_instance_id": record.predecessor_instance_id,
        "allocation_id": record.allocation_id,
        "claimed_at": record.claimed_at,
        "handed_over_at": record.handed_over_at,
    }
