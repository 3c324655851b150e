"""Who may register, as what. Values in, one decision out; every refusal is a value too, because some of them must be stored and told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spot_server.words import CommandStatus, ReplicaStatus, Role

RETRY_AFTER_SECONDS = 5
"""How long a daemon waits when the launch that made it is not recorded yet; the answer of RunInstances takes 1-3 s."""

SPENT_COMMAND_STATUSES = frozenset({CommandStatus.FAILED, CommandStatus.EXPIRED, CommandStatus.CANCELLED})
WRONG_PLACE = "the launch nonce belongs to an instance of another type or zone"
ENDED_REPLICA_STATUSES = frozenset({ReplicaStatus.TERMINATED, ReplicaStatus.FAILED})


@dataclass(frozen=True, slots=True)
class Claim:
    """What an instance says of itself."""

    logical_agent_id: str
    instance_id: str
    instance_type: str
    az_id: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolment token as stored. `uses_left` None means without limit."""

    token_id: str
    client_id: str
    pattern: str
    uses_left: int | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Launcher:
    """The actor that was told to launch: whether it can still report what it launched."""

    actor_role: Role | None
    command_status: CommandStatus | None
    command_deadline_at: datetime | None
    notice_action_at: datetime | None


@dataclass(frozen=True, slots=True)
class LaunchNonce:
    """A launch nonce as stored with its replica. `recorded_instance_id` is None until the launch's answer is recorded."""

    replica_id: str
    client_id: str
    agent_id: str
    replica_status: ReplicaStatus
    instance_type: str
    az_id: str
    recorded_instance_id: str | None
    used_at: datetime | None
    launcher: Launcher


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are with the live agent under that logical id. `role` is the claimant's, None if it is unknown there."""

    agent_id: str
    role: Role | None
    are_others_gone: bool
    """EC2 says that every other instance is terminated, no replica lives and no move is under way."""
    is_deleted: bool = False
    """The agent lives on as history only; known from a launch nonce."""
    is_stray: bool = False
    """The claimant came before with the nonce of a replica that had ended."""
    is_approved: bool = False
    """A person lets the claimant in, although the agent lives on another instance."""
    is_last_hope: bool = False
    """A rescue of the agent has nothing else to move to, and nobody was told to end the claimant."""


@dataclass(frozen=True, slots=True)
class NewAgent:
    """The first instance of a new agent: PRIMARY."""


@dataclass(frozen=True, slots=True)
class StandsIn:
    """Takes the place of instances that are all gone: PRIMARY of the same agent, under a new epoch."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class SameInstance:
    """Known already: a fresh token, nothing else."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class ReplicaArrives:
    """An instance that the server launched: REPLICA. `is_adopted`: its id was not recorded, its type and AZ vouched for it."""

    replica_id: str
    is_adopted: bool


@dataclass(frozen=True, slots=True)
class JoinsAsStandby:
    """An unexpected instance that a person approved: REPLICA. It serves only after a handover, which fences the PRIMARY first."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class ComesAfterAll:
    """An instance that the server launched, whose replica has ended, and without which the agent has nothing: REPLICA of a new one.

    `is_known`: it was turned away before.
    """

    replica_id: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class NotWanted:
    """An instance that the server launched, whose replica has ended: recorded as ours, never let in. `is_new`: not recorded yet."""

    replica_id: str | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class TooEarly:
    """The launch is not recorded yet."""

    retry_after_seconds: int


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Another instance under a living logical id: told to the client, never taken in silently."""

    agent_id: str


class RefusalKind(StrEnum):
    """Why a registration is refused outright."""

    CREDENTIAL = "credential"
    OWNED = "owned"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken in, with the reason for a person."""

    kind: RefusalKind
    reason: str


Decision = (
    NewAgent | StandsIn | SameInstance | ReplicaArrives | JoinsAsStandby | ComesAfterAll | NotWanted | TooEarly | Unexpected | Refused
)


def decide_registration(claim: Claim, credential: Enrolment | LaunchNonce | None, standing: Standing | None, now: datetime) -> Decision:
    """Return what becomes of the claim. `standing` is None when no live agent has that logical id, and no nonce leads to a deleted one."""
    match credential:
        case None:
            return Refused(RefusalKind.CREDENTIAL, "the token is not known")
        case Enrolment():
            return _decide_enrolment(claim, credential, standing, now)
        case LaunchNonce():
            return _decide_nonce(claim, credential, standing, now)


def _decide_enrolment(claim: Claim, token: Enrolment, standing: Standing | None, now: datetime) -> Decision:
    refusal = _enrolment_refusal(claim, token, now)
    if refusal is not None:
        return refusal
    if standing is not None and standing.is_stray:
        return NotWanted(None, is_new=False)
    if standing is not None and standing.role is not None:
        return _known_again(claim, standing)
    if token.uses_left is not None and token.uses_left <= 0:
        return Refused(RefusalKind.CREDENTIAL, "the enrolment token is used up")
    if claim.owner:
        return Refused(RefusalKind.OWNED, f"{claim.owner} owns this instance and would replace it")
    return NewAgent() if standing is None else _decide_newcomer(standing)


def _decide_newcomer(standing: Standing) -> Decision:
    """An instance that nobody launched for us comes under the name of a living agent."""
    if standing.are_others_gone:
        return StandsIn(standing.agent_id)
    return JoinsAsStandby(standing.agent_id) if standing.is_approved else Unexpected(standing.agent_id)


def _enrolment_refusal(claim: Claim, token: Enrolment, now: datetime) -> Refused | None:
    if token.revoked_at is not None:
        return Refused(RefusalKind.CREDENTIAL, "the enrolment token is revoked")
    if token.expires_at is not None and token.expires_at <= now:
        return Refused(RefusalKind.CREDENTIAL, "the enrolment token has expired")
    if not does_pattern_match(token.pattern, claim.logical_agent_id):
        return Refused(RefusalKind.CREDENTIAL, "the enrolment token is not for this logical agent id")
    return None


def _known_again(claim: Claim, standing: Standing) -> Decision:
    if standing.role is Role.TERMINATED:
        return Refused(RefusalKind.GONE, f"EC2 says that {claim.instance_id} is terminated")
    return SameInstance(standing.agent_id)


def _decide_nonce(claim: Claim, nonce: LaunchNonce, standing: Standing | None, now: datetime) -> Decision:
    if standing is None or standing.agent_id != nonce.agent_id:
        return Refused(RefusalKind.CREDENTIAL, "the launch nonce is not for this logical agent id")
    if nonce.recorded_instance_id not in {None, claim.instance_id}:
        return Refused(RefusalKind.CREDENTIAL, "the launch nonce belongs to another instance")
    if standing.is_stray:
        return _decide_late(claim, nonce, standing, now, is_known=True)
    if standing.role is not None and nonce.recorded_instance_id == claim.instance_id and not standing.is_deleted:
        return _known_again(claim, standing)
    if nonce.used_at is not None or standing.role is not None:
        return Refused(RefusalKind.CREDENTIAL, "the launch nonce is used up")
    if nonce.replica_status in ENDED_REPLICA_STATUSES or standing.is_deleted:
        return _vouch_late(claim, nonce, standing, now)
    if claim.owner:
        return Refused(RefusalKind.OWNED, f"{claim.owner} owns this instance and would replace it")
    return _match_launch(claim, nonce, now)


def _vouch_late(claim: Claim, nonce: LaunchNonce, standing: Standing, now: datetime) -> Decision:
    """The answer to the launch may have been lost: then its type and zone vouch for the instance, as for one that is adopted (ADR 0008)."""
    is_recorded = nonce.recorded_instance_id == claim.instance_id
    if is_recorded or _is_at_its_place(claim, nonce):
        return _decide_late(claim, nonce, standing, now, is_known=False)
    return Refused(RefusalKind.CREDENTIAL, WRONG_PLACE)


def _decide_late(claim: Claim, nonce: LaunchNonce, standing: Standing, now: datetime, *, is_known: bool) -> Decision:
    """Its replica was given up before it came. It is turned away, unless it is all that the agent has."""
    may_live = standing.role in {None, Role.ZOMBIE} and not standing.is_deleted
    # As for one that is adopted, its launcher's own word comes before its type and zone.
    is_sure = nonce.recorded_instance_id == claim.instance_id or not can_launcher_report(nonce.launcher, now)
    if standing.is_last_hope and may_live and is_sure and not claim.owner:
        return ComesAfterAll(nonce.replica_id, is_known=is_known)
    return NotWanted(nonce.replica_id, is_new=not is_known)


def _is_at_its_place(claim: Claim, nonce: LaunchNonce) -> bool:
    return (claim.instance_type, claim.az_id) == (nonce.instance_type, nonce.az_id)


def _match_launch(claim: Claim, nonce: LaunchNonce, now: datetime) -> Decision:
    if nonce.recorded_instance_id is not None:
        return ReplicaArrives(nonce.replica_id, is_adopted=False)
    if can_launcher_report(nonce.launcher, now):
        return TooEarly(RETRY_AFTER_SECONDS)
    if _is_at_its_place(claim, nonce):
        return ReplicaArrives(nonce.replica_id, is_adopted=True)
    return Refused(RefusalKind.CREDENTIAL, WRONG_PLACE)


def can_launcher_report(launcher: Launcher, now: datetime) -> bool:
    """Return whether the answer of the launch may still come: its actor lives, and neither a notice's nor the command's time is over."""
    if launcher.actor_role is Role.TERMINATED or launcher.command_status in SPENT_COMMAND_STATUSES:
        return False
    times = (launcher.notice_action_at, launcher.command_deadline_at)
    return all(at is None or now < at for at in times)


def does_pattern_match(pattern: str, logical_agent_id: str) -> bool:
    """Return whether an enrolment token's pattern (an id, or a prefix ending in `*`) covers this id."""
    if pattern.endswith("*"):
        return logical_agent_id.startswith(pattern[:-1])
    return pattern == logical_agent_id
