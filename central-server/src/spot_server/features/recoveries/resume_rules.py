"""What becomes of a rescue that gave up, decided from values alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spot_server.features.silences.gone_rules import UNKNOWN_YET, in_words

LOST_STATES = frozenset({"shutting-down", "terminated", "gone", "stopping", "stopped"})
"""What EC2 says of an instance that serves no more, or soon will not: a rescue may begin, its fence waits for the end."""

ENDED_STATES = frozenset({"terminated", "gone"})


@dataclass(frozen=True, slots=True)
class StrickenPrimary:
    """The PRIMARY of an agent whose rescue gave up."""

    is_reachable: bool
    quiesced: bool | None
    """What its daemon says; None: it is too old to say."""
    end_at: datetime | None
    """When a notice takes it away, or was to take it away."""
    state: str | None
    """What EC2 said of it since the rescue gave up, if that is not long ago; `gone` only once it is believed."""
    is_looked_at: bool
    """EC2 was asked, and the answer may still come."""
    can_be_looked_at: bool
    has_served: bool
    is_start_refused: bool
    """Its daemon answered the last order to serve with a failure."""


@dataclass(frozen=True, slots=True)
class GivenUpFacts:
    """A rescue that gave up. `primary` is None when EC2 has said that it is gone; `is_way_open`: something could be moved to.

    `held_because` says why another instance may be the real PRIMARY; None: nothing hints at that.
    """

    primary: StrickenPrimary | None
    is_way_open: bool
    held_because: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Rescue:
    """Open another rescue. `deadline_at`: a notice's end that still lies ahead. `state`: what EC2 said, if it said that it goes."""

    deadline_at: datetime | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class LookAtPrimary:
    """Ask EC2 about the PRIMARY, or go on waiting for the answer."""


@dataclass(frozen=True, slots=True)
class TellPrimary:
    """Tell the PRIMARY to serve: whether it stands still is not known, and if it does not, the order is harmless."""


@dataclass(frozen=True, slots=True)
class Drop:
    """The rescue is not needed any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Nothing can be done now. `is_told`: a person should know."""

    reason: str
    is_told: bool = True


GivenUpDecision = Rescue | LookAtPrimary | TellPrimary | Drop | Postpone


def decide_given_up(facts: GivenUpFacts) -> GivenUpDecision:
    """Say how to go on. A PRIMARY is given up only on EC2's word, or while a notice's end still lies ahead: silence is only a suspicion.

    A notice is about the very instance that told of it; everything else waits while another one may be the real PRIMARY.
    """
    primary = facts.primary
    if primary is None:
        return _rescue(facts, Rescue())
    if primary.end_at is not None and primary.end_at > facts.now:
        return _rescue(facts, Rescue(deadline_at=primary.end_at))
    if primary.is_reachable:
        return _decide_alive(primary, facts)
    if primary.state in LOST_STATES:
        return _rescue(facts, Rescue(state=primary.state))
    if primary.state not in {None, UNKNOWN_YET}:
        return Postpone(f"{in_words(primary.state, 'the primary')}, and its daemon is silent")
    if primary.is_looked_at or primary.can_be_looked_at:
        return LookAtPrimary()
    return Postpone("the primary's daemon is silent, and nobody can ask EC2 about it")


def _decide_alive(primary: StrickenPrimary, facts: GivenUpFacts) -> GivenUpDecision:
    """One that served has its data, and is told until it serves again. One that never did has none, and another may take its place."""
    if primary.quiesced is False:
        return Drop("the primary is there, and may serve")
    if primary.quiesced is None:
        return TellPrimary()
    if primary.has_served or not primary.is_start_refused:
        return Postpone("the primary is there, and is told to serve", is_told=False)
    return _rescue(facts, Rescue())


def _rescue(facts: GivenUpFacts, rescue: Rescue) -> GivenUpDecision:
    if facts.held_because is not None and rescue.deadline_at is None:
        return Postpone(facts.held_because)
    return rescue if facts.is_way_open else Postpone("there is nothing to move to: no replica, and no image or nobody to launch from it")
