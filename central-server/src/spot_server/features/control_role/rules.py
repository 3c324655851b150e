"""What the control role does next with a command, and when it can be relied on: decided from values alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.aws.errors import ASSUME_ROLE_PREFIX, ActFailed, ErrorClass
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED, AddressFacts, InstanceFacts
from spot_server.features.commands.rules import REDELIVERY_AFTER_SECONDS
from spot_server.words import PRIORITY_EMERGENCY, CommandKind, TerminationRefusal

DEADLINE_GRACE_SECONDS = 5.0
"""After a deadline the owner of the command (a switch, a replica, a retirement) decides first: it knows better than to fail."""

LONG_PATIENCE_SECONDS = 900.0
"""How long an act that begins something slow is looked at again, if its payload does not say."""

SHORT_PATIENCE_SECONDS = 20.0
"""How long a passing trouble is waited out in an act that is quick, before somebody else may be asked."""

RACE_PATIENCE_SECONDS = 60.0
"""How long EC2 may show different things in different places. Source: EC2's notes on eventual consistency."""

NEW_INSTANCE_SECONDS = 60.0
"""Within this time after a launch EC2 may say that it knows no such instance."""

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 15.0

_PASSING = frozenset({ErrorClass.THROTTLED, ErrorClass.RACE, ErrorClass.UNREACHABLE})

UNUSABLE_SECONDS: dict[ErrorClass, float] = {ErrorClass.NOT_AUTHORIZED: 300.0, ErrorClass.UNREACHABLE: 60.0}
"""How long acts fall to somebody else after this failure: long enough to act, short enough to notice that it was mended."""


@dataclass(frozen=True, slots=True)
class OpenCommand:
    """A command of the control role that is not answered yet."""

    command_id: str
    agent_id: str
    kind: CommandKind
    priority: int
    last_delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class InHand:
    """What this process knows of commands that it has begun: those at work now, and the steady second of the next look at the others."""

    working: Collection[OpenCommand]
    next_look_seconds: Mapping[str, float]


def choose_due(commands: Sequence[OpenCommand], hand: InHand, *, now: datetime, now_seconds: float, most_at_once: int) -> list[OpenCommand]:
    """Return the commands to begin now, the most urgent first (the order in which `commands` come).

    A command that another process began is taken up when its answer is overdue. A quarter of the room (at least one of `most_at_once`
    >= 2) is kept for emergencies, and two acts of one kind for one agent never run at once.
    """
    chosen: list[OpenCommand] = []
    busy = {(command.agent_id, command.kind) for command in hand.working}
    kept_free = max(1, most_at_once // 4)
    for command in commands:
        room = most_at_once - len(hand.working) - len(chosen)
        if room <= (0 if command.priority >= PRIORITY_EMERGENCY else kept_free):
            continue
        if (command.agent_id, command.kind) in busy or not _is_due(command, hand, now, now_seconds):
            continue
        busy.add((command.agent_id, command.kind))
        chosen.append(command)
    return chosen


def _is_due(command: OpenCommand, hand: InHand, now: datetime, now_seconds: float) -> bool:
    next_seconds = hand.next_look_seconds.get(command.command_id)
    if next_seconds is not None:
        return now_seconds >= next_seconds
    if command.last_delivered_at is None:
        return True
    return now - command.last_delivered_at >= timedelta(seconds=REDELIVERY_AFTER_SECONDS)


@dataclass(frozen=True, slots=True)
class GoAhead:
    """The act may be carried out."""


@dataclass(frozen=True, slots=True)
class LookOnly:
    """Nothing new may be begun; what an earlier try made is still adopted. Without it the answer is this failure."""

    error_class: ErrorClass
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Not now: whoever issued the command decides first."""


Admission = GoAhead | LookOnly | Leave


def admit(*, command_epoch: int, agent_epoch: int, deadline_at: datetime | None, now: datetime) -> Admission:
    """Say whether a command may still take effect. One from an older epoch may not: its world is gone."""
    if command_epoch < agent_epoch:
        return LookOnly(ErrorClass.STALE_EPOCH, "stale_epoch", f"epoch {command_epoch} is older than {agent_epoch}")
    if deadline_at is None or now <= deadline_at:
        return GoAhead()
    if now <= deadline_at + timedelta(seconds=DEADLINE_GRACE_SECONDS):
        return Leave()
    return LookOnly(ErrorClass.REFUSED, "deadline_passed", "its deadline passed before it was done")


@dataclass(frozen=True, slots=True)
class Trouble:
    """An act that failed once. `may_have_acted`: AWS may have done what was asked, and the answer was lost."""

    error_class: ErrorClass
    may_have_acted: bool


def refusal_to_terminate(
    instance: InstanceFacts, owner_tags: Mapping[str, str], addresses: Iterable[AddressFacts], other_handles: Sequence[str] = ()
) -> ActFailed | None:
    """Return why the instance is not terminated, None when it may be: it carries its owner's tags, and no handle leads to it.

    `addresses` may lead anywhere; `other_handles` are those that lead to it, in words.

    The daemons have the same rule (`spot_agent.rules.ownership`).
    """
    wanted = {key: owner_tags.get(key) for key in (TAG_MANAGED, TAG_AGENT_ID)}
    if None in wanted.values() or any(instance.tags.get(key) != value for key, value in wanted.items()):
        told = " and ".join(f"{key}={value}" for key, value in wanted.items())
        return ActFailed(ErrorClass.REFUSED, TerminationRefusal.NOT_OURS, f"{instance.instance_id} does not carry the tags {told}")
    addressed = [f"{one.allocation_id} ({one.public_ip})" for one in addresses if one.instance_id == instance.instance_id]
    held = sorted([*addressed, *other_handles])
    if held:
        told = f"{instance.instance_id} holds the traffic handle {', '.join(held)}"
        return ActFailed(ErrorClass.REFUSED, TerminationRefusal.HOLDS_HANDLE, told)
    return None


IMPAIRED = "impaired"
"""EC2's word for a check that fails."""


def worst_check(checks: Iterable[str]) -> str:
    """Return the worst of EC2's checks of one instance: `impaired`, else one that does not say `ok` yet."""
    said = set(checks)
    return IMPAIRED if IMPAIRED in said else next((check for check in sorted(said) if check != "ok"), "ok")


def patience_seconds(kind: CommandKind, payload: Mapping[str, object]) -> float:
    """Return how long, since a command was first begun, it is looked at again while it is merely not done yet."""
    asked = payload.get("wait_seconds")
    if isinstance(asked, int | float):
        return float(asked)
    return LONG_PATIENCE_SECONDS if kind is CommandKind.CREATE_IMAGE else max(NEW_INSTANCE_SECONDS, SHORT_PATIENCE_SECONDS)


def is_worth_another_try(kind: CommandKind, trouble: Trouble, *, waited_seconds: float, patience_seconds: float) -> bool:
    """Tell whether a trouble may pass. A launch whose answer was lost is looked for until its deadline: a new token could make a second."""
    if trouble.error_class not in _PASSING:
        return False
    if kind is CommandKind.LAUNCH_INSTANCE:
        return trouble.may_have_acted or waited_seconds < SHORT_PATIENCE_SECONDS
    if kind is CommandKind.CREATE_IMAGE and trouble.error_class is not ErrorClass.RACE:
        return waited_seconds < patience_seconds
    bound_seconds = RACE_PATIENCE_SECONDS if trouble.error_class is ErrorClass.RACE else SHORT_PATIENCE_SECONDS
    return waited_seconds < min(bound_seconds, patience_seconds)


def backoff_seconds(tries: int, draw: float) -> float:
    """Return the pause after the `tries`-th failure in a row (>= 1); `draw` (0..1) keeps many from coming back together."""
    longest = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(tries - 1, 10))
    return longest * (0.5 + 0.5 * draw)


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that was answered `failed`, by the control role or by a daemon."""

    kind: CommandKind
    error_class: str | None
    code: str | None
    at: datetime


def is_usable(kinds: Collection[CommandKind], failures: Sequence[Failure], now: datetime) -> bool:
    """Tell whether the control role, or a daemon, can be relied on for commands of these kinds, after these failures of its own.

    Not for a while after it was refused, or could not reach AWS: at AssumeRole for everything, else for that kind.
    """
    return not any(_stands_in_the_way(failure, kinds, now) for failure in failures)


def _stands_in_the_way(failure: Failure, kinds: Collection[CommandKind], now: datetime) -> bool:
    bounds = [seconds for error_class, seconds in UNUSABLE_SECONDS.items() if error_class == failure.error_class]
    is_recent = any(now - failure.at < timedelta(seconds=seconds) for seconds in bounds)
    is_whole_role = failure.code is not None and failure.code.startswith(ASSUME_ROLE_PREFIX)
    return is_recent and (is_whole_role or failure.kind in kinds)
