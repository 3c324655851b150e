"""The life of a replica, decided from values alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spot_server.errors import StateConflict
from spot_server.features.commands.rules import ASKED_AGAIN_ERRORS
from spot_server.features.replicas.refusal_rules import Scope
from spot_server.policy import MovePolicy
from spot_server.words import LIVE_REPLICA_STATUSES, CommandStatus, Mode, ReplicaStatus


class ReplicaEvent(StrEnum):
    """What can happen to a replica."""

    REGISTERED = "registered"
    BECAME_READY = "became_ready"
    PROMOTED = "promoted"
    RESTORED = "restored"
    RETIRED = "retired"
    FAILED = "failed"


REPLICA_MEANINGS: dict[ReplicaStatus, str] = {
    ReplicaStatus.LAUNCHING: "Wanted: a launch is asked for, or under way, or answered; its daemon has not registered yet.",
    ReplicaStatus.SYNCING: "Its daemon has registered; its standby check has not passed yet.",
    ReplicaStatus.READY: "It could be promoted now.",
    ReplicaStatus.PROMOTED: "It became the PRIMARY.",
    ReplicaStatus.TERMINATED: "No longer wanted; its instance is terminated, or is being terminated while ended_at is empty.",
    ReplicaStatus.FAILED: "It could not be launched or made ready; what was launched is terminated.",
}

REPLICA_EVENT_MEANINGS: dict[ReplicaEvent, str] = {
    ReplicaEvent.REGISTERED: "The launched instance's daemon registers with its nonce.",
    ReplicaEvent.BECAME_READY: "The daemon's standby check passed.",
    ReplicaEvent.PROMOTED: "A handover made it the PRIMARY; one whose standby check has not passed only because a person forced it.",
    ReplicaEvent.RESTORED: "That handover was undone: the replica is given up.",
    ReplicaEvent.RETIRED: "It is no longer wanted.",
    ReplicaEvent.FAILED: "Its launch, boot or check failed for good, or EC2 took it away.",
}

REPLICA_TRANSITIONS: dict[tuple[ReplicaStatus, ReplicaEvent], ReplicaStatus] = {
    (ReplicaStatus.LAUNCHING, ReplicaEvent.REGISTERED): ReplicaStatus.SYNCING,
    (ReplicaStatus.SYNCING, ReplicaEvent.REGISTERED): ReplicaStatus.SYNCING,
    (ReplicaStatus.READY, ReplicaEvent.REGISTERED): ReplicaStatus.SYNCING,
    (ReplicaStatus.SYNCING, ReplicaEvent.BECAME_READY): ReplicaStatus.READY,
    (ReplicaStatus.READY, ReplicaEvent.BECAME_READY): ReplicaStatus.READY,
    (ReplicaStatus.READY, ReplicaEvent.PROMOTED): ReplicaStatus.PROMOTED,
    (ReplicaStatus.SYNCING, ReplicaEvent.PROMOTED): ReplicaStatus.PROMOTED,
    (ReplicaStatus.PROMOTED, ReplicaEvent.RESTORED): ReplicaStatus.FAILED,
    (ReplicaStatus.LAUNCHING, ReplicaEvent.RETIRED): ReplicaStatus.TERMINATED,
    (ReplicaStatus.SYNCING, ReplicaEvent.RETIRED): ReplicaStatus.TERMINATED,
    (ReplicaStatus.READY, ReplicaEvent.RETIRED): ReplicaStatus.TERMINATED,
    (ReplicaStatus.LAUNCHING, ReplicaEvent.FAILED): ReplicaStatus.FAILED,
    (ReplicaStatus.SYNCING, ReplicaEvent.FAILED): ReplicaStatus.FAILED,
    (ReplicaStatus.READY, ReplicaEvent.FAILED): ReplicaStatus.FAILED,
}


def next_replica_status(status: ReplicaStatus, event: ReplicaEvent) -> ReplicaStatus:
    """Return the status after `event`; StateConflict for a pair that the table does not hold."""
    try:
        return REPLICA_TRANSITIONS[(status, event)]
    except KeyError as missing:
        raise StateConflict(f"a replica that is {status} cannot be {event}", status=status, event=event) from missing


def client_token(agent_id: str, replica_id: str, place_key: str, attempt: int) -> str:
    """The launch's idempotency key at EC2 (64 ASCII characters): a repeat finds the first instance instead of making a second."""
    return hashlib.sha256(f"{agent_id}|{replica_id}|{place_key}|{attempt}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LaunchAnswer:
    """What is known of the launch command in force."""

    status: CommandStatus
    instance_id: str | None
    error_class: str | None
    error_text: str
    deadline_at: datetime | None
    finished_at: datetime | None
    is_actor_reachable: bool
    is_by_control_role: bool = False
    is_image_refused: bool = False
    """EC2 says that it has no such image (`IMAGE_REFUSALS`)."""
    is_refused_everywhere: bool = False
    """EC2 says that it has no such thing, and every launch of the agent names it (`EVERYWHERE_REFUSALS`)."""
    is_ec2s_word: bool = False
    """EC2 refused it with a code, so that nothing came of it; else whoever asked met with something of its own."""
    ask_number: int = 1
    """For the how-maniest time it was asked for in this place, under one client token."""


@dataclass(frozen=True, slots=True)
class LaunchFacts:
    """A replica on its way up. `is_gone`: EC2 says that its instance is terminated.

    `image_available_at`: since when its image can be launched from, by our books; None when it is none of the agent's own, or nobody asks.
    """

    status: ReplicaStatus
    instance_id: str | None
    is_gone: bool
    created_at: datetime
    launched_at: datetime | None
    mode: Mode
    attempt: int
    launch: LaunchAnswer | None
    now: datetime
    image_available_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """Ask for a launch in the best place that is left."""


@dataclass(frozen=True, slots=True)
class AskAnother:
    """No answer, or one that leaves open whether it happened: ask for the same launch again, under the same client token."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoteInstance:
    """The launch was answered with this instance."""

    instance_id: str


@dataclass(frozen=True, slots=True)
class TryElsewhere:
    """This place is refused: leave out what the refusal speaks of, and try the next. `cools_pool`: have nobody try it for a while."""

    reason: str
    scope: Scope = Scope.PLACE
    cools_pool: bool = False


@dataclass(frozen=True, slots=True)
class TryAgain:
    """Nothing was launched, or the client token cannot be used again: the same place, as a new attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class TryOtherImage:
    """EC2 has the image no more: remember that, and launch from another."""

    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The replica has failed for good. `blames_image`: it was launched, and did not come up in its time."""

    reason: str
    blames_image: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now."""


LaunchDecision = Launch | AskAnother | NoteInstance | TryElsewhere | TryAgain | TryOtherImage | GiveUp | Wait

LAUNCH_RETRY_SECONDS = 5.0
"""Between a launch that failed for the moment and the next, so that a throttled API is not asked at once again."""

IMAGE_REFUSALS = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable"})
"""EC2's codes for an image that there is not, and for one that was deregistered. Source: the error table of the EC2 API reference."""

IMAGE_UNSEEN_SECONDS = 60.0
"""After it became available an image that EC2 does not know may be one that EC2 does not show everywhere yet: its answers are eventually
consistent. The API reference names no bound; it advises to ask again for up to a minute or so."""

UNEXPECTED_TRIES = 3
"""Asked for that often, a launch that EC2 answers with a code that nobody knows is left: the place may be the cause."""

PATIENT_ATTEMPTS = 20
"""Of one replica: from then on one such answer is enough, else the attempts would be at their end before the places are."""

_SCOPES = {
    "capacity": Scope.PLACE,
    "price": Scope.PLACE,
    "pool_invalid": Scope.PLACE,
    "not_found": Scope.PLACE,
    "subnet": Scope.ZONE,
    "quota": Scope.QUOTA,
}
"""Classes of refusal after which another place may be had, and what is left out by each."""


def decide_launch(facts: LaunchFacts, policy: MovePolicy) -> LaunchDecision:
    """Say what to do next about a replica that lives; for any other there is nothing to decide."""
    if facts.status not in LIVE_REPLICA_STATUSES:
        return Wait()
    if facts.is_gone:
        return GiveUp("EC2 says that its instance is terminated")
    if facts.status is ReplicaStatus.READY:
        return Wait()
    if facts.instance_id is not None:
        return _decide_boot(facts, policy)
    if facts.launch is None:
        return Launch()
    return _decide_answer(facts, facts.launch, policy)


def _decide_boot(facts: LaunchFacts, policy: MovePolicy) -> LaunchDecision:
    launched_at = facts.launched_at or facts.now
    if facts.now - launched_at > timedelta(seconds=policy.boot_bound_seconds):
        return GiveUp(f"not ready {policy.boot_bound_seconds:.0f} s after its launch", blames_image=True)
    return Wait()


def _decide_answer(facts: LaunchFacts, launch: LaunchAnswer, policy: MovePolicy) -> LaunchDecision:
    if launch.instance_id is not None:
        return NoteInstance(launch.instance_id)
    if launch.status is not CommandStatus.FAILED:
        return _decide_silence(facts, launch, policy)
    if launch.is_image_refused:
        return _decide_image(facts, launch, policy)
    if facts.attempt >= policy.max_launch_attempts:
        return GiveUp(f"{facts.attempt} launches failed, the last with {launch.error_text}")
    if launch.error_class == "unexpected" and launch.is_ec2s_word and _is_enough(facts, launch, policy):
        return TryElsewhere(launch.error_text)
    if launch.error_class in ASKED_AGAIN_ERRORS:
        return _decide_repeat(facts, launch, policy)
    return _decide_refusal(facts, launch)


def _is_enough(facts: LaunchFacts, launch: LaunchAnswer, policy: MovePolicy) -> bool:
    is_patient = facts.attempt < PATIENT_ATTEMPTS and not _has_taken_too_long(facts, policy)
    return launch.ask_number >= UNEXPECTED_TRIES or not is_patient


def _decide_repeat(facts: LaunchFacts, launch: LaunchAnswer, policy: MovePolicy) -> LaunchDecision:
    # Whoever answered may be gone by now, and nobody else there to be asked: the attempts alone would not end this.
    if _has_taken_too_long(facts, policy):
        return GiveUp(f"not launched for too long, the last answer was: {launch.error_text}")
    last_at = launch.finished_at or facts.now
    is_soon = facts.now - last_at < timedelta(seconds=LAUNCH_RETRY_SECONDS)
    return Wait() if is_soon else AskAnother(launch.error_text)


def _decide_image(facts: LaunchFacts, launch: LaunchAnswer, policy: MovePolicy) -> LaunchDecision:
    unseen_until = None if facts.image_available_at is None else facts.image_available_at + timedelta(seconds=IMAGE_UNSEEN_SECONDS)
    if unseen_until is None or facts.now >= unseen_until:
        return TryOtherImage(launch.error_text)
    if facts.attempt >= policy.max_launch_attempts:
        return GiveUp(f"{facts.attempt} launches failed, the last with {launch.error_text}")
    # Anew: what was not launched is not asked for again with a nonce that was forgotten.
    is_soon = facts.now - (launch.finished_at or facts.now) < timedelta(seconds=LAUNCH_RETRY_SECONDS)
    return Wait() if is_soon else TryAgain(launch.error_text)


def _has_taken_too_long(facts: LaunchFacts, policy: MovePolicy) -> bool:
    return facts.now - facts.created_at > timedelta(seconds=policy.boot_bound_seconds)


def _decide_silence(facts: LaunchFacts, launch: LaunchAnswer, policy: MovePolicy) -> LaunchDecision:
    is_late = launch.deadline_at is not None and facts.now > launch.deadline_at
    if not is_late and launch.is_actor_reachable:
        return Wait()
    if _has_taken_too_long(facts, policy):
        return GiveUp("nobody answered the request to launch it for too long")
    return AskAnother("no answer in time" if is_late else "the daemon that was asked cannot be reached")


def _decide_refusal(facts: LaunchFacts, launch: LaunchAnswer) -> LaunchDecision:
    scope = None if launch.is_refused_everywhere else _SCOPES.get(launch.error_class or "")
    if scope is not None:
        # A pool's stock is everybody's; what else is refused is this agent's own, or its account's.
        is_short = launch.error_class == "capacity" and facts.mode is Mode.SPOT
        return TryElsewhere(launch.error_text, scope=scope, cools_pool=is_short)
    # A control role that is refused is not asked again for a while: the attempt falls to a daemon.
    is_role_refused = launch.is_by_control_role and launch.error_class == "not_authorized"
    if launch.error_class == "idempotency" or is_role_refused:
        return TryAgain(launch.error_text)
    return GiveUp(launch.error_text)
