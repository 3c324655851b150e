"""The moments of the moves at which a process is killed, and the processes: every combination that there can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Victim(StrEnum):
    """What is killed with SIGKILL."""

    OLD_DAEMON = "the old side's daemon"
    NEW_DAEMON = "the new side's daemon"
    WEB = "web"
    JOBS = "jobs"
    MARIADB = "MariaDB"


class Moved(StrEnum):
    """What kind of move it is."""

    PLANNED = "a planned switch"
    ELSEWHERE = "a planned switch to another AZ"
    NOTICE = "a notice without a replica"
    PROMOTION = "the promotion of a standby"


Event = Mapping[str, Any]


def _issued(command: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "command_issued" and event["data"].get("command") == command


def _begun(step: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "step_started" and event["data"].get("step") == step


def _of_kind(kind: str) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == kind


MOMENTS: dict[str, Callable[[Event], bool]] = {
    "key asked for": _begun("key"),
    "image asked for": _begun("image"),
    "launch asked for": _issued("launch_instance"),
    "launched": _of_kind("replica_launched"),
    "booted": _of_kind("replica_registered"),
    "ready": _of_kind("replica_ready"),
    "receiver asked for": _begun("receiver"),
    "copy asked for": _begun("copy"),
    "first snapshots asked for": _begun("snapshot"),
    "checked": _issued("standby_check"),
    "quiesce asked for": _issued("quiesce"),
    "last pass asked for": _begun("sync"),
    "unmounting asked for": _begun("unmount"),
    "copies of the volumes asked for": _begun("copy_volumes"),
    "detaching asked for": _begun("detach"),
    "attaching asked for": _begun("attach"),
    "mounting asked for": _begun("mount"),
    "traffic asked for": _issued("move_address"),
    "promoted": _of_kind("promoted"),
    "start asked for": _issued("start_serving"),
    "completed": _of_kind("switch_completed"),
    "termination asked for": _issued("terminate_instance"),
}
"""The first event of the move that says so. Together they are before, in and after every step of a plan."""

_LAUNCHING = ("launch asked for", "launched", "booted", "ready")
_HANDOVER = ("traffic asked for", "promoted", "start asked for", "completed")
_VOLUMES_GO_OVER = ("unmounting asked for", "detaching asked for", "attaching asked for", "mounting asked for")
_VOLUMES_ARE_COPIED = ("unmounting asked for", "copies of the volumes asked for", "attaching asked for", "mounting asked for")
_STARTED = ("promoted", "start asked for")

Plans = Mapping[str, Mapping[Moved, tuple[str, ...]]]
"""By carry and kind of move: the moments at which somebody dies, in their order."""

STATELESS_PLANS: Plans = {
    "stateless": {
        Moved.PLANNED: (*_LAUNCHING, "checked", "quiesce asked for", *_HANDOVER, "termination asked for"),
        Moved.NOTICE: (*_LAUNCHING, *_HANDOVER),
        Moved.PROMOTION: ("checked", "quiesce asked for", *_HANDOVER, "termination asked for"),
    }
}
STATE_PLANS: Plans = {
    "volume": {
        Moved.PLANNED: ("quiesce asked for", *_VOLUMES_GO_OVER, *_HANDOVER, "termination asked for"),
        Moved.ELSEWHERE: ("first snapshots asked for", "quiesce asked for", *_VOLUMES_ARE_COPIED, *_HANDOVER, "termination asked for"),
        Moved.NOTICE: (*_VOLUMES_GO_OVER, "promoted"),
        Moved.PROMOTION: (*_VOLUMES_GO_OVER, "promoted"),
    },
    "rsync": {
        Moved.PLANNED: ("key asked for", "receiver asked for", "copy asked for", "quiesce asked for", "last pass asked for", *_STARTED)
    },
    "image_after_quiesce": {Moved.PLANNED: ("quiesce asked for", "image asked for", *_LAUNCHING, *_STARTED)},
}
"""Of the carries that bring state along: their own steps, and what comes before and after them."""

_BEFORE_THE_NEW_DAEMON = frozenset({"key asked for", "image asked for", "launch asked for", "launched"})


@dataclass(frozen=True, slots=True)
class Crash:
    """One victim at one moment of one kind of move of an agent with this carry."""

    carry: str
    moved: Moved
    moment: str
    victim: Victim

    def __str__(self) -> str:
        """Name it in a failure."""
        return f"{self.carry}, {self.moved}: {self.victim.value} killed when {self.moment}"


def all_crashes(plans: Plans, victims: frozenset[Victim]) -> list[Crash]:
    """List every combination that can be."""
    return [
        Crash(carry, moved, moment, victim)
        for carry, moments_of in plans.items()
        for moved, moments in moments_of.items()
        for moment in moments
        for victim in Victim
        if victim in victims and not (victim is Victim.NEW_DAEMON and not _has_new_daemon(carry, moment))
    ]


def _has_new_daemon(carry: str, moment: str) -> bool:
    """The new side has no daemon before it has booted, and `image_after_quiesce` stops the old one before anything else."""
    is_stopped_first = carry == "image_after_quiesce" and moment == "quiesce asked for"
    return moment not in _BEFORE_THE_NEW_DAEMON and not is_stopped_first
