"""What becomes of an instance or a volume that carries our tags: one verdict each. Whatever is doubtful is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaStatus, Role

SIGHTING_GOOD_FOR_SECONDS = 600.0
"""A look at EC2 that is older says nothing any more. Daemons look every 180 s."""

ENDING_STATES = frozenset({"shutting-down", "terminated"})

LATE_ANSWER_SECONDS = 60.0
"""EC2 may show an instance for so long after it said that it is gone. Source: EC2's notes on eventual consistency."""


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """The bounds of the sweeper. For `settle_seconds` after its launch an instance is left to whoever may wait for it."""

    settle_seconds: float = 600.0
    agent_retirements_per_hour: int = 5
    client_retirements_per_hour: int = 20


@dataclass(frozen=True, slots=True)
class Sighting:
    """An instance under our tags as EC2 showed it at `seen_at`. What tags do not say is None; `holds_address` None: it is not known."""

    instance_id: str
    state: str
    seen_at: datetime
    launched_at: datetime | None
    client_id: str | None
    agent_id: str | None
    replica_id: str | None
    launch_token: str | None
    client_token: str | None
    """The token of the call that launched it: EC2's own word, where a tag can be copied from one instance to another."""
    epoch: int | None
    holds_address: bool | None


@dataclass(frozen=True, slots=True)
class KnownInstance:
    """What the books of the client hold of that instance, under whichever of its agents matters most."""

    role: Role
    is_stray: bool
    was_primary: bool
    has_owner: bool
    """Whether somebody is about to end it, a person was shown that it is kept, or it was released."""
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownReplica:
    """A replica of the books. `ended_at` is None while it lives, while somebody sees to its end, and while its launch may be answered."""

    replica_id: str
    agent_id: str
    status: ReplicaStatus
    instance_id: str | None
    client_token: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """The agent that the tags name. `is_primary_heard`: its PRIMARY exists, and its daemon was heard of late."""

    agent_id: str
    epoch: int
    enabled: bool
    has_address: bool
    is_primary_heard: bool


@dataclass(frozen=True, slots=True)
class Books:
    """What the books hold about one sighting; None where they hold nothing.

    `named` is the replica that the tags name, `holder` the newest one that the books give this instance to.
    """

    agent: KnownAgent | None
    instance: KnownInstance | None
    named: KnownReplica | None
    holder: KnownReplica | None


class Doubt(StrEnum):
    """Why an instance is left alone and a person is told; part of what makes the message one."""

    NO_AGENT = "no_agent"
    NO_REPLICA = "no_replica"
    FOREIGN_REPLICA = "foreign_replica"
    COPIED_TAGS = "copied_tags"
    REPLICA_UNKNOWN = "replica_unknown"
    WAS_PRIMARY = "was_primary"
    NOBODY_ENDS_IT = "nobody_ends_it"
    CAME_BACK = "came_back"
    HOLDS_ADDRESS = "holds_address"
    ADDRESS_UNKNOWN = "address_unknown"
    AGE_UNKNOWN = "age_unknown"
    EPOCH_UNKNOWN = "epoch_unknown"
    EPOCH_AHEAD = "epoch_ahead"
    DISABLED = "disabled"
    RESTORED = "restored"
    UNATTACHED = "unattached"


@dataclass(frozen=True, slots=True)
class Owned:
    """Somebody sees to it, or EC2 does."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Another client's, or too old a sighting: nothing is concluded, and nobody is told."""


@dataclass(frozen=True, slots=True)
class TooYoung:
    """Whoever launched it may still claim it."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """It came of a launch whose answer was lost, and its replica waits for it."""

    replica_id: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Ours, and nobody's: it is terminated."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Doubtful: left alone, reported, told once."""

    doubt: Doubt
    reason: str


Verdict = Owned | NotOurs | TooYoung | Adopt | Retire | Quarantine


def judge_instance(sighting: Sighting, books: Books, *, policy: SweepPolicy, now: datetime) -> Verdict:
    """Return what becomes of an instance whose tags name the client whose books these are."""
    if now - sighting.seen_at > timedelta(seconds=SIGHTING_GOOD_FOR_SECONDS):
        return NotOurs()
    if sighting.state in ENDING_STATES:
        return Owned()
    if books.instance is not None and (not books.instance.is_stray or books.instance.role is Role.TERMINATED):
        return _judge_known(sighting, books.instance)
    if books.agent is None:
        return Quarantine(Doubt.NO_AGENT, "its tags name no agent of this client")
    claim = _claim(sighting, books, books.agent)
    if not isinstance(claim, Retire):
        return claim
    return _patience(sighting, books.instance, policy, now) or _doubt(sighting, books.agent) or claim


def _judge_known(sighting: Sighting, known: KnownInstance) -> Verdict:
    """An instance that was let in: its role says who sees to it, and no role of its leads to an end that is the sweeper's to bring."""
    if known.role in {Role.PRIMARY, Role.REPLICA} or known.has_owner:
        return Owned()
    if known.role is Role.TERMINATED:
        if not _is_after(sighting, known.ended_at):
            return Owned()
        return Quarantine(Doubt.CAME_BACK, f"the books say that it is terminated, and EC2 says {sighting.state}")
    if known.was_primary:
        return Quarantine(Doubt.WAS_PRIMARY, "it was the primary, and no move retires it")
    return Quarantine(Doubt.NOBODY_ENDS_IT, "it is no part of its agent any more, and nobody ends it")


def _claim(sighting: Sighting, books: Books, agent: KnownAgent) -> Verdict:
    """Say whose it is by its launch; Retire when nobody's, before any doubt."""
    if sighting.replica_id is None:
        return Quarantine(Doubt.NO_REPLICA, "its tags name no replica: no launch of ours made it")
    if sighting.launch_token is None or sighting.client_token != sighting.launch_token:
        return Quarantine(Doubt.COPIED_TAGS, "EC2 says that it was launched with another token than its tags name: they were copied")
    if books.holder is not None:
        return _claim_of_holder(sighting, books.holder)
    named = books.named
    if named is None:
        return _claim_of_unknown(agent)
    if named.agent_id != agent.agent_id:
        return Quarantine(Doubt.FOREIGN_REPLICA, "its tags name a replica of another agent")
    if named.status not in LIVE_REPLICA_STATUSES:
        return Retire(f"replica {named.replica_id} has ended without it")
    if named.instance_id is None and named.client_token == sighting.launch_token:
        return Adopt(named.replica_id)
    return Retire(f"replica {named.replica_id} goes on with another launch")


def _claim_of_holder(sighting: Sighting, holder: KnownReplica) -> Verdict:
    if not _is_after(sighting, holder.ended_at):
        return Owned()
    return Retire(f"replica {holder.replica_id} has ended, and EC2 did not end its instance")


def _claim_of_unknown(agent: KnownAgent) -> Verdict:
    if not agent.is_primary_heard:
        reason = "the books do not know its replica, and the primary is not heard: this may be the one that serves"
        return Quarantine(Doubt.REPLICA_UNKNOWN, reason)
    return Retire("the books do not know the replica that it was launched for")


def _is_after(sighting: Sighting, ended_at: datetime | None) -> bool:
    """Whether EC2 showed it long after it was said to be gone; None: nobody said so."""
    return ended_at is not None and sighting.seen_at > ended_at + timedelta(seconds=LATE_ANSWER_SECONDS)


def _patience(sighting: Sighting, known: KnownInstance | None, policy: SweepPolicy, now: datetime) -> Verdict | None:
    """A stray came by itself and said so: nobody waits for it. Any other is left to its launch for a while."""
    if known is not None and known.is_stray:
        return None
    if sighting.launched_at is None:
        return Quarantine(Doubt.AGE_UNKNOWN, "it is not known when it was launched")
    return TooYoung() if now - sighting.launched_at < timedelta(seconds=policy.settle_seconds) else None


def _doubt(sighting: Sighting, agent: KnownAgent) -> Quarantine | None:
    """Return what speaks against ending an instance that its launch makes ours, and that is nobody's."""
    if not agent.enabled:
        return Quarantine(Doubt.DISABLED, "its agent is disabled: nothing is done for it")
    if sighting.holds_address:
        return Quarantine(Doubt.HOLDS_ADDRESS, "it holds an address of the agent")
    if sighting.holds_address is None and agent.has_address:
        return Quarantine(Doubt.ADDRESS_UNKNOWN, "it is not known whether it holds an address of the agent")
    if sighting.epoch is None:
        return Quarantine(Doubt.EPOCH_UNKNOWN, "its tags carry no epoch")
    if sighting.epoch > agent.epoch:
        return Quarantine(Doubt.EPOCH_AHEAD, f"its tags carry epoch {sighting.epoch}, the books {agent.epoch}")
    return None


def while_restored(verdict: Verdict) -> Verdict:
    """Return what is left of a verdict while the database may be older than the world: nothing is done, only told."""
    match verdict:
        case Adopt(replica_id):
            return Quarantine(Doubt.RESTORED, f"it would be adopted by replica {replica_id}, but the database may be older than the world")
        case Retire(reason):
            return Quarantine(Doubt.RESTORED, f"it would be terminated ({reason}), but the database may be older than the world")
        case _:
            return verdict


def judge_volume(state: str, seen_at: datetime, now: datetime) -> Verdict:
    """Return what becomes of a volume: it may hold data, so it is never deleted. One that is attached to nothing is told of."""
    if now - seen_at > timedelta(seconds=SIGHTING_GOOD_FOR_SECONDS):
        return NotOurs()
    if state == "available":
        return Quarantine(Doubt.UNATTACHED, "it is attached to no instance, and costs money until a person deletes it")
    return Owned()


def epoch_ahead(saved_epoch: int, confirmed_epoch: int, epochs: Iterable[int | None]) -> int | None:
    """Return the highest epoch in tags if it is above the saved one and a person has not confirmed it: the database was restored."""
    highest = max((epoch for epoch in epochs if epoch is not None), default=0)
    return highest if highest > max(saved_epoch, confirmed_epoch) else None


def room_left(retired_lately: int, hourly_limit: int) -> int:
    """Return how many instances may still be retired in this hour."""
    return max(0, hourly_limit - retired_lately)
