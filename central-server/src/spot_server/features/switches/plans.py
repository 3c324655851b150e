"""Which steps a move has, and what each step is: one table for doing and one for undoing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from spot_server.features.commands.actors import Act
from spot_server.policy import MovePolicy
from spot_server.words import Carry, CommandKind, HandleKind, StepName

CARRY_STEPS: dict[Carry, tuple[StepName, ...]] = {
    Carry.RSYNC: (StepName.KEY, StepName.RECEIVER, StepName.COPY),
    Carry.HOOK: (StepName.COPY,),
}
"""What comes before the handover when the state is copied while the old primary serves. These carries sync after the quiesce."""

VOLUME_HANDOVER = (
    StepName.SNAPSHOT,
    StepName.PREPARE,
    StepName.QUIESCE,
    StepName.UNMOUNT,
    StepName.FENCE,
    StepName.COPY_VOLUMES,
    StepName.DETACH,
    StepName.ATTACH,
    StepName.MOUNT,
    StepName.TRAFFIC,
    StepName.PROMOTE,
    StepName.START,
    StepName.CONFIRM,
    StepName.RETIRE,
)
"""With data volumes: they follow when the old side has let go of them, and clients follow when they are there."""

HANDOVER = (
    StepName.PREPARE,
    StepName.QUIESCE,
    StepName.FENCE,
    StepName.TRAFFIC,
    StepName.PROMOTE,
    StepName.START,
    StepName.CONFIRM,
    StepName.RETIRE,
)

STEP_MEANINGS: dict[StepName, str] = {
    StepName.KEY: "The old primary makes a key pair for this move alone; the private half never leaves it.",
    StepName.IMAGE: "An image of the old primary is made, without a reboot, and becomes available.",
    StepName.LAUNCH: "A new instance is launched from the image, in the best place that has capacity.",
    StepName.BOOT: "The new instance boots, its daemon registers, and its standby check passes.",
    StepName.RECEIVER: "The new instance opens a private SSH server: for that key, for one command, for this move.",
    StepName.COPY: "The state is copied while the old primary serves: beside what the image brought, or as the person's hook does it.",
    StepName.SNAPSHOT: "For another AZ: snapshots of the data volumes while the old primary serves: the last ones are quick then.",
    StepName.PREPARE: "The standby check passes once more, just before the handover.",
    StepName.QUIESCE: "The old primary stops writes and confirms that it serves no more.",
    StepName.SYNC: "What changed since the copy goes over; with `rsync` the copy is put in place whole.",
    StepName.UNMOUNT: "The old primary unmounts the data volumes: nothing of it can write to them any more.",
    StepName.FENCE: "If the old primary did not confirm: EC2 says that it is terminated or stopped.",
    StepName.COPY_VOLUMES: "For another AZ: last snapshots, and volumes of them where the new instance is.",
    StepName.DETACH: "EC2 takes the data volumes from the old instance; with force only if it says that the instance has ended.",
    StepName.ATTACH: "EC2 attaches the data volumes, or their copies, to the new instance.",
    StepName.MOUNT: "The new instance mounts them.",
    StepName.TRAFFIC: "The traffic handles move to the new instance: one recorded part for each, in the order of the agent's settings.",
    StepName.PROMOTE: "One transaction makes the new instance the PRIMARY, under a new epoch.",
    StepName.START: "The new primary writes its start guard, starts the workload and passes its serving check.",
    StepName.CONFIRM: (
        "What routes to the workload says that it reaches the new instance: one part for each handle of which that can be asked. "
        "The move is complete before; the old instance is not terminated while it is open."
    ),
    StepName.RETIRE: "The old instance waits, and is then terminated if auto-terminate is on.",
}

UNDO_MEANINGS: dict[StepName, str] = {
    StepName.KEY: "The old primary is told to forget the key; nothing waits for that, and the key has an end of its own.",
    StepName.IMAGE: "Nothing: the image is kept, and cleaned up by age.",
    StepName.LAUNCH: "The new instance is terminated.",
    StepName.BOOT: "Nothing beyond LAUNCH.",
    StepName.RECEIVER: "The new instance is told to close it; nothing waits for that, and it has an end of its own.",
    StepName.COPY: "The old primary is told to end a pass that is under way; the copy goes with the new instance.",
    StepName.SNAPSHOT: "Nothing: the snapshots are kept, and cleaned up by age.",
    StepName.PREPARE: "Nothing.",
    StepName.QUIESCE: (
        "The old primary starts the workload again and passes its serving check. If it cannot, after some attempts, the move ends all the "
        "same, and the primary is told to serve for as long as it stands still."
    ),
    StepName.SYNC: "Nothing: the old primary still has everything.",
    StepName.UNMOUNT: "The old primary mounts the data volumes again.",
    StepName.FENCE: "Nothing: an instance that is gone stays gone.",
    StepName.COPY_VOLUMES: "The copies are deleted once the new instance is gone; nothing waits for that.",
    StepName.DETACH: "EC2 attaches the data volumes to the old instance again.",
    StepName.ATTACH: "EC2 takes them from the new instance, which is terminated if they do not come; copies go with it.",
    StepName.MOUNT: "The new instance unmounts them; if it does not confirm, it is terminated first.",
    StepName.TRAFFIC: "The traffic handles move back to the old instance, the last one first.",
    StepName.PROMOTE: "One transaction makes the old instance the PRIMARY again, under another new epoch.",
    StepName.START: (
        "The new instance stops the workload and confirms; if it does not, it is terminated first. If it served, and the old one would "
        "lack what it acknowledged, the move goes forward again, at most three times; after that the loss is told."
    ),
    StepName.CONFIRM: "Nothing: by then the new primary serves.",
    StepName.RETIRE: "Nothing: there is no undo after the old instance is gone.",
}


class Side(StrEnum):
    """Whose daemon carries out a step; `by_table` leaves it to the actor table."""

    OLD = "old"
    NEW = "new"
    BY_TABLE = "by_table"


@dataclass(frozen=True, slots=True)
class StepSpec:
    """How a step is carried out by a command."""

    kind: CommandKind
    side: Side
    bound_seconds_of: str
    """The MovePolicy field that bounds the act itself."""
    act: Act | None = None

    def bound_seconds(self, policy: MovePolicy) -> float:
        """Return how long the act may take."""
        value: float = getattr(policy, self.bound_seconds_of)
        return value


STEP_SPECS: dict[StepName, StepSpec] = {
    StepName.KEY: StepSpec(CommandKind.MAKE_SYNC_KEY, Side.OLD, "check_bound_seconds"),
    StepName.RECEIVER: StepSpec(CommandKind.OPEN_RECEIVER, Side.NEW, "check_bound_seconds"),
    StepName.COPY: StepSpec(CommandKind.SEND_STATE, Side.OLD, "copy_bound_seconds"),
    StepName.SYNC: StepSpec(CommandKind.SEND_STATE, Side.OLD, "sync_bound_seconds"),
    StepName.IMAGE: StepSpec(CommandKind.CREATE_IMAGE, Side.BY_TABLE, "image_bound_seconds", Act.CREATE_IMAGE),
    StepName.PREPARE: StepSpec(CommandKind.STANDBY_CHECK, Side.NEW, "check_bound_seconds"),
    StepName.QUIESCE: StepSpec(CommandKind.QUIESCE, Side.OLD, "quiesce_bound_seconds"),
    StepName.FENCE: StepSpec(CommandKind.DESCRIBE_INSTANCE, Side.BY_TABLE, "check_bound_seconds", Act.DESCRIBE),
    StepName.SNAPSHOT: StepSpec(CommandKind.COPY_VOLUMES, Side.BY_TABLE, "volume_copy_bound_seconds", Act.COPY_VOLUMES),
    StepName.UNMOUNT: StepSpec(CommandKind.UNMOUNT_VOLUMES, Side.OLD, "volume_bound_seconds"),
    StepName.COPY_VOLUMES: StepSpec(CommandKind.COPY_VOLUMES, Side.BY_TABLE, "volume_copy_bound_seconds", Act.COPY_VOLUMES),
    StepName.DETACH: StepSpec(CommandKind.DETACH_VOLUMES, Side.BY_TABLE, "volume_bound_seconds", Act.DETACH_VOLUMES),
    StepName.ATTACH: StepSpec(CommandKind.ATTACH_VOLUMES, Side.BY_TABLE, "volume_bound_seconds", Act.ATTACH_VOLUMES),
    StepName.MOUNT: StepSpec(CommandKind.MOUNT_VOLUMES, Side.NEW, "volume_bound_seconds"),
    StepName.START: StepSpec(CommandKind.START_SERVING, Side.NEW, "start_bound_seconds"),
}
"""The steps that are not here are the server's own (launch, boot, promote, retire), or depend on the handle (traffic)."""

MOVE_SPECS: dict[HandleKind, StepSpec] = {
    HandleKind.ELASTIC_IP: StepSpec(CommandKind.MOVE_ADDRESS, Side.BY_TABLE, "traffic_bound_seconds", Act.MOVE_ADDRESS),
    HandleKind.SECONDARY_PRIVATE_IP: StepSpec(CommandKind.MOVE_PRIVATE_IP, Side.BY_TABLE, "traffic_bound_seconds", Act.MOVE_PRIVATE_IP),
    HandleKind.TARGET_GROUP: StepSpec(CommandKind.MOVE_TARGET, Side.BY_TABLE, "traffic_bound_seconds", Act.MOVE_TARGET),
    HandleKind.ROUTE53_RECORD: StepSpec(CommandKind.MOVE_RECORD, Side.BY_TABLE, "traffic_bound_seconds", Act.MOVE_RECORD),
    HandleKind.HOOK: StepSpec(CommandKind.TRAFFIC_HOOK, Side.BY_TABLE, "traffic_bound_seconds", Act.TRAFFIC_HOOK),
}
"""How a handle is moved to either side: the step TRAFFIC, and its undo."""

CONFIRM_SPECS: dict[HandleKind, StepSpec] = {
    HandleKind.TARGET_GROUP: StepSpec(CommandKind.CONFIRM_TARGET, Side.BY_TABLE, "confirm_bound_seconds", Act.CONFIRM_TARGET),
    HandleKind.ROUTE53_RECORD: StepSpec(CommandKind.CONFIRM_RECORD, Side.BY_TABLE, "confirm_bound_seconds", Act.CONFIRM_RECORD),
    HandleKind.HOOK: StepSpec(CommandKind.TRAFFIC_HOOK, Side.BY_TABLE, "confirm_bound_seconds", Act.TRAFFIC_HOOK),
}
"""How it is found out that a handle leads to the new side. One that is not here was asked about by the act that moved it."""

AFTERWARDS = frozenset({StepName.CONFIRM, StepName.RETIRE})
"""The steps that are taken when the move is complete."""

UNDO_SPECS: dict[StepName, StepSpec] = {
    StepName.START: StepSpec(CommandKind.DEMOTE, Side.NEW, "quiesce_bound_seconds"),
    StepName.QUIESCE: StepSpec(CommandKind.START_SERVING, Side.OLD, "start_bound_seconds"),
    StepName.UNMOUNT: StepSpec(CommandKind.MOUNT_VOLUMES, Side.OLD, "volume_bound_seconds"),
    StepName.DETACH: StepSpec(CommandKind.ATTACH_VOLUMES, Side.BY_TABLE, "volume_bound_seconds", Act.ATTACH_VOLUMES),
    StepName.ATTACH: StepSpec(CommandKind.DETACH_VOLUMES, Side.BY_TABLE, "volume_bound_seconds", Act.DETACH_VOLUMES),
    StepName.MOUNT: StepSpec(CommandKind.UNMOUNT_VOLUMES, Side.NEW, "volume_bound_seconds"),
}


ACT_OF_KIND: dict[CommandKind, Act] = {
    CommandKind.CREATE_IMAGE: Act.CREATE_IMAGE,
    CommandKind.MOVE_ADDRESS: Act.MOVE_ADDRESS,
    CommandKind.MOVE_PRIVATE_IP: Act.MOVE_PRIVATE_IP,
    CommandKind.MOVE_TARGET: Act.MOVE_TARGET,
    CommandKind.MOVE_RECORD: Act.MOVE_RECORD,
    CommandKind.TRAFFIC_HOOK: Act.TRAFFIC_HOOK,
    CommandKind.DETACH_VOLUMES: Act.DETACH_VOLUMES,
    CommandKind.ATTACH_VOLUMES: Act.ATTACH_VOLUMES,
    CommandKind.COPY_VOLUMES: Act.COPY_VOLUMES,
    CommandKind.DESCRIBE_INSTANCE: Act.DESCRIBE,
    CommandKind.TERMINATE_INSTANCE: Act.TERMINATE,
    CommandKind.STOP_INSTANCE: Act.STOP,
}
"""What the actor table is asked for when a step leaves its actor to it."""


def spec_of(name: StepName, handle: HandleKind | None) -> StepSpec:
    """Return how a step is carried out; `handle` is what a TRAFFIC step moves. KeyError for a step of the server's own."""
    return MOVE_SPECS[handle] if name is StepName.TRAFFIC and handle is not None else STEP_SPECS[name]


def undo_spec_of(name: StepName, handle: HandleKind | None) -> StepSpec:
    """Return how a step is taken back; a handle goes back as it came."""
    return MOVE_SPECS[handle] if name is StepName.TRAFFIC and handle is not None else UNDO_SPECS[name]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One row of a switch. `part` numbers the traffic handle that a TRAFFIC or CONFIRM step is about, from 0; 0 for every other step."""

    name: StepName
    part: int = 0


def list_rows(names: Sequence[StepName], handles: Sequence[Mapping[str, Any]]) -> tuple[PlannedStep, ...]:
    """Return the rows that a plan is recorded in: TRAFFIC once for each handle, so that what is moved is known one by one.

    Without a handle it is one row all the same, which is skipped. CONFIRM is there only for handles that can be asked about.
    """
    return tuple(PlannedStep(name, part) for name in names for part in _parts(name, handles))


def steps_shown(names: Sequence[StepName], handles: Sequence[Mapping[str, Any]]) -> tuple[StepName, ...]:
    """Return the steps of a plan as an agent with these handles takes them, each once."""
    return tuple(dict.fromkeys(row.name for row in list_rows(names, handles)))


def _parts(name: StepName, handles: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    match name:
        case StepName.TRAFFIC:
            return range(max(1, len(handles)))
        case StepName.CONFIRM:
            return [part for part, handle in enumerate(handles) if handle["kind"] in CONFIRM_SPECS]
        case _:
            return (0,)


def plan_replica_steps(carry: Carry, *, takes_image: bool) -> tuple[StepName, ...]:
    """Return the steps that lead to a ready replica, for a planned move.

    `image_after_quiesce` stops the workload before the image is taken, so that nothing written is missing from it; the
    outage is then the image's, the launch's and the boot's. All others go on serving until the handover. `rsync` makes its key
    before anything is launched: an old primary that lacks a program or a path says so before it costs anything.
    """
    if carry is Carry.IMAGE_AFTER_QUIESCE:
        return (StepName.QUIESCE, StepName.IMAGE, StepName.LAUNCH, StepName.BOOT)
    key = (StepName.KEY,) if carry is Carry.RSYNC else ()
    image = (StepName.IMAGE,) if takes_image else ()
    return (*key, *image, StepName.LAUNCH, StepName.BOOT)


def plan_handover(carry: Carry) -> tuple[StepName, ...]:
    """Return the steps from a ready replica on, in order."""
    if carry is Carry.VOLUME:
        return VOLUME_HANDOVER
    if carry not in CARRY_STEPS:
        return HANDOVER
    after_quiesce = HANDOVER.index(StepName.QUIESCE) + 1
    return (*CARRY_STEPS[carry], *HANDOVER[:after_quiesce], StepName.SYNC, *HANDOVER[after_quiesce:])


def plan_switch(carry: Carry, *, takes_image: bool) -> tuple[StepName, ...]:
    """Return every step of a planned move to a new instance, in order."""
    before = plan_replica_steps(carry, takes_image=takes_image)
    return before + tuple(step for step in plan_handover(carry) if step not in before)


def plan_promotion(carry: Carry) -> tuple[StepName, ...]:
    """Return the steps of a handover to a replica that is ready."""
    return plan_handover(carry)


def plan_return_to_image(carry: Carry) -> tuple[StepName, ...]:
    """Return the steps of a planned move to a new instance from an image that is there. The carries that copy bring their state along."""
    if carry in CARRY_STEPS:
        return plan_switch(carry, takes_image=False)
    return (StepName.LAUNCH, StepName.BOOT, *plan_handover(carry))


def plan_rescue(carry: Carry) -> tuple[StepName, ...]:
    """Return the steps under a notice when the replica is still to be launched, or on its way; nothing comes before the launch."""
    return (StepName.LAUNCH, StepName.BOOT, *plan_handover(carry))
