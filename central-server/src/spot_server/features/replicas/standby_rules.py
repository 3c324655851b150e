"""Which standbys are made, kept and given up, decided from values alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaKind, ReplicaStatus


@dataclass(frozen=True, slots=True)
class StandbyFacts:
    """A replica as the coordinator sees it."""

    replica_id: str
    kind: ReplicaKind
    status: ReplicaStatus
    created_at: datetime
    is_in_handover: bool
    is_misplaced: bool = False
    """It shares the primary's stock, and could be elsewhere: the primary moved beside it."""
    is_asked_for: bool = False
    """A person asked for it: kept while no number is wanted, until a person retires it."""


@dataclass(frozen=True, slots=True)
class StandbyPlan:
    """How many manual replicas to make, and which to retire."""

    create_count: int
    retire: tuple[str, ...]


_NEARNESS = {ReplicaStatus.READY: 2, ReplicaStatus.SYNCING: 1, ReplicaStatus.LAUNCHING: 0}


def plan_standbys(*, wanted_count: int, replicas: Sequence[StandbyFacts]) -> StandbyPlan:
    """Compare the manual replicas that are with those that are wanted. Running it twice is harmless.

    Keeps a ready one over a syncing over a launching, the newest among equals; never retires one in a handover, and never the
    last ready one while any is wanted. A misplaced one is kept only for as long as it is that last ready one.
    """
    live = [r for r in replicas if r.kind is ReplicaKind.MANUAL and r.status in LIVE_REPLICA_STATUSES]
    in_handover = [r for r in live if r.is_in_handover]
    others = [r for r in live if not r.is_in_handover]
    if wanted_count == 0:
        return StandbyPlan(create_count=0, retire=tuple(r.replica_id for r in others if not r.is_asked_for))
    others.sort(key=lambda r: (_NEARNESS[r.status], r.created_at, r.replica_id), reverse=True)
    kept = [r for r in others if not r.is_misplaced][:wanted_count]
    surplus = [r for r in others if r not in kept]
    if not any(r.status is ReplicaStatus.READY for r in kept):
        last_ready = next((r for r in surplus if r.status is ReplicaStatus.READY), None)
        surplus = [r for r in surplus if r is not last_ready]
    create_count = max(0, wanted_count - len(in_handover) - len(kept))
    return StandbyPlan(create_count=create_count, retire=tuple(r.replica_id for r in surplus))


STANDBY_PAUSE_SECONDS = 30.0
LONGEST_STANDBY_PAUSE_SECONDS = 900.0


def standby_pause_seconds(failures_in_a_row: int) -> float:
    """Return how long to wait after that many standbys failed one after the other, before the next is made."""
    if failures_in_a_row == 0:
        return 0.0
    return min(STANDBY_PAUSE_SECONDS * 2.0 ** min(failures_in_a_row - 1, 10), LONGEST_STANDBY_PAUSE_SECONDS)


def pause_end(manual: Sequence[tuple[ReplicaStatus, datetime]]) -> datetime | None:
    """Return until when no other standby is made, from the status and creation of an agent's manual replicas, the newest first.

    None where the last one did not fail. Counted from when that was wanted: one that was ready for days and is lost is replaced at once.
    """
    failures = 0
    for status, _created_at in manual:
        if status is not ReplicaStatus.FAILED:
            break
        failures += 1
    return manual[0][1] + timedelta(seconds=standby_pause_seconds(failures)) if failures else None


@dataclass(frozen=True, slots=True)
class SeenStandby:
    """A live replica as it is seen from afar, where nobody looks at prices. `shares_fate`: it may be misplaced."""

    facts: StandbyFacts
    shares_fate: bool
    hold_until: datetime | None


@dataclass(frozen=True, slots=True)
class StandbyScene:
    """One agent's standbys, read without its row being held: enough to tell whether it is worth holding."""

    agent_id: str
    wanted_count: int
    is_moving: bool
    standbys: tuple[SeenStandby, ...]


class StandbyNeed(StrEnum):
    """What an agent that is seen from afar may need."""

    NOTHING = "nothing"
    ANOTHER = "another"
    """One more standby and nothing else: nothing either while a pause after failures lasts."""
    CHANGE = "change"


def standby_need(scene: StandbyScene, now: datetime) -> StandbyNeed:
    """Say whether the coordinator has to look at this agent with its row held. NOTHING only where it would do nothing."""
    if any(one.hold_until is not None and one.hold_until <= now and not one.facts.is_in_handover for one in scene.standbys):
        return StandbyNeed.CHANGE
    is_placement_in_doubt = any(one.shares_fate and one.facts.kind is ReplicaKind.MANUAL for one in scene.standbys)
    plan = plan_standbys(wanted_count=scene.wanted_count, replicas=[one.facts for one in scene.standbys])
    if plan.retire or (is_placement_in_doubt and scene.wanted_count):
        return StandbyNeed.CHANGE
    return StandbyNeed.ANOTHER if plan.create_count and not scene.is_moving else StandbyNeed.NOTHING
