"""What silence means, decided from values alone: a suspicion, until EC2 says that the instance goes or is gone (design, section 7)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spot_server.features.silences.gone_rules import GONE, Said, weigh

GOING_STATES = frozenset({"shutting-down", "stopping", "stopped"})
"""EC2 says that the instance serves no more, or soon will not: a rescue may begin, its fence waits for the end."""

TERMINATED_STATE = "terminated"
SOONEST_LOOK_SECONDS = 5.0
LONGEST_LOOK_SECONDS = 300.0
LOOKS_PER_SILENCE = 10
"""EC2 is asked again after a tenth of the silence so far: what is lost late is found with a tenth of the time already waited."""

BELIEVED_SECONDS = 120.0
"""How long an answer of EC2 counts. What was stopped may have been started since."""

TOGETHER_SECONDS = 150.0
"""Silences that begin within this time of one another have one cause more likely than several."""

WITNESS_SECONDS = 150.0
"""How long an instance must be silent, and the server hear others all that time, before silence may count for anything."""

RUNNING_STATE = "running"
IMPAIRED = "impaired"
IMPAIRED_ANSWERS = 2
"""In a row: the second witness. EC2's checks fail for a moment in a reboot as well."""

MANY_RATIO = 0.05
MANY_AT_LEAST = 2


def silent_together(last_heard_at: Mapping[str, datetime], heard_count: int) -> frozenset[str]:
    """Return those who fell silent together with so many others that the fault is the server's own, or its network's.

    `last_heard_at`: of each silent primary, by agent; `heard_count`: the primaries that are heard now.
    """
    moments = sorted(last_heard_at.values())
    together = timedelta(seconds=TOGETHER_SECONDS)

    def is_one_of_many(moment: datetime) -> bool:
        count = bisect_right(moments, moment + together) - bisect_left(moments, moment - together)
        return count >= MANY_AT_LEAST and count > MANY_RATIO * (count + heard_count)

    return frozenset(key for key, moment in last_heard_at.items() if is_one_of_many(moment))


def look_pause_seconds(silent_seconds: float) -> float:
    """Return how long to wait before EC2 is asked again about an instance that has been silent for so long."""
    return min(max(silent_seconds / LOOKS_PER_SILENCE, SOONEST_LOOK_SECONDS), LONGEST_LOOK_SECONDS)


@dataclass(frozen=True, slots=True)
class Answer(Said):
    """What EC2 said of the instance."""

    status_checks: str | None = None
    """What EC2's checks of a running instance say; None: EC2 did not say."""


@dataclass(frozen=True, slots=True)
class SilenceFacts:
    """A PRIMARY that may be silent. `answers`: what EC2 said since it was last heard, newest first."""

    last_heard_at: datetime
    now: datetime
    suspected_after_seconds: float
    told_after_seconds: float
    is_looked_after: bool
    """A rescue runs from it, or one that gave up is looked at again: they ask EC2 themselves."""
    is_one_of_many: bool
    is_asked: bool
    """EC2 was asked, and the answer may still come."""
    can_be_asked: bool
    answers: Sequence[Answer] = ()
    others_heard_seconds: float = 0.0
    """How long the server has heard others all the time."""
    why_not_fenced: str = "failover_when_silent is off"
    """Why the instance may not be ended by us; empty when it may."""

    @property
    def silent_seconds(self) -> float:
        """How long it has been silent."""
        return (self.now - self.last_heard_at).total_seconds()

    @property
    def is_long(self) -> bool:
        """Whether a person should hear of it."""
        return self.silent_seconds >= self.told_after_seconds


@dataclass(frozen=True, slots=True)
class LeaveBe:
    """Nothing to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class AskEc2:
    """Ask, or go on waiting for the answer. `tells`: what a person should know meanwhile."""

    pause_seconds: float
    tells: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """EC2 says that it is gone, or goes: rescue the workload. `is_ended`: nothing of it can write any more."""

    state: str
    is_ended: bool


@dataclass(frozen=True, slots=True)
class TakenForLost:
    """A person wants the workload moved when its instance is silent, and a second witness agrees: rescue it, and fence the instance."""

    reason: str


SilenceDecision = LeaveBe | AskEc2 | Lost | TakenForLost


def decide_silence(facts: SilenceFacts) -> SilenceDecision:
    """Say what to do about a PRIMARY that is silent. EC2's word moves it; silence does only with leave, and a second witness."""
    if facts.silent_seconds < facts.suspected_after_seconds:
        return LeaveBe("it was heard of late")
    if facts.is_looked_after:
        return LeaveBe("a rescue looks after it")
    lost = _why_lost(facts)
    if lost is not None:
        return lost
    if _why_silence_does_not_count(facts) is None:
        return TakenForLost("it is silent, and EC2's checks of it fail")
    pause_seconds = look_pause_seconds(facts.silent_seconds)
    return AskEc2(pause_seconds, _what_to_tell(facts) if facts.is_long else None)


def _why_lost(facts: SilenceFacts) -> Lost | None:
    newest = _believed(facts)
    if newest is None:
        return None
    if newest.state == TERMINATED_STATE:
        return Lost(newest.state, is_ended=True)
    if newest.state in GOING_STATES:
        return Lost(newest.state, is_ended=False)
    is_gone = newest.state == GONE and weigh(facts.answers, is_one_of_many=facts.is_one_of_many) == GONE
    return Lost(newest.state, is_ended=True) if is_gone else None


def _believed(facts: SilenceFacts) -> Answer | None:
    newest = facts.answers[0] if facts.answers else None
    return None if newest is None or facts.now - newest.at > timedelta(seconds=BELIEVED_SECONDS) else newest


def _why_silence_does_not_count(facts: SilenceFacts) -> str | None:
    """Return why a PRIMARY that EC2 says is running is not taken for lost, the first of several reasons; None when it is."""
    if facts.why_not_fenced:
        return facts.why_not_fenced
    if facts.is_one_of_many:
        return "too many fell silent together"
    if min(facts.silent_seconds, facts.others_heard_seconds) < WITNESS_SECONDS:
        return "the server has not heard others for long enough"
    newest = _believed(facts)
    if newest is None or newest.state != RUNNING_STATE:
        return "EC2 does not say that it is running"
    checks = [answer.status_checks for answer in facts.answers[:IMPAIRED_ANSWERS]]
    return None if checks == [IMPAIRED] * IMPAIRED_ANSWERS else "no second witness says that it does not work"


def _what_to_tell(facts: SilenceFacts) -> str | None:
    newest = facts.answers[0] if facts.answers else None
    if newest is not None and newest.state == GONE:
        where = "in another account than the instance's" if newest.is_other_account else "and that is asked again"
        return f"EC2 says that it knows no such instance, {where}"
    if newest is not None:
        checks = "" if newest.status_checks is None else f" (status checks: {newest.status_checks})"
        return (
            f"EC2 says that it is {newest.state}{checks}; nothing is moved on the ground of silence: {_why_silence_does_not_count(facts)}"
        )
    if facts.can_be_asked:
        return "EC2 was asked about it, and has not answered yet" if facts.is_asked else None
    return "nobody can ask EC2 about it: there is no control role that works, and no other daemon of the agent is heard"
