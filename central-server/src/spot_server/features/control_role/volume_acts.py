"""How the control role moves and copies data volumes. One look at a time, each finding what an earlier one began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from spot_server.aws.errors import ActFailed, AwsFailed, ErrorClass
from spot_server.aws.ports import TAG_AGENT_ID, TAG_CLIENT_ID, TAG_LOGICAL_AGENT_ID, TAG_MANAGED, Ec2Port, InstanceFacts
from spot_server.aws.volume_ports import AttachmentFacts, EbsFacts, SnapshotFacts, VolumeRequest
from spot_server.features.control_role.acting import Done, Handled, NotYet, Task, wire_time
from spot_server.features.control_role.payloads import bad_payload, tags, text, texts

LOOK_SECONDS = 1.0
SNAPSHOT_LOOK_SECONDS = 5.0
STUCK_SECONDS = 15.0
"""A detachment from an instance that has ended which takes longer is forced."""

FENCED_STATES = frozenset({"terminated", "stopped"})
CODE_IN_USE = "VolumeInUse"
PASSING = frozenset({ErrorClass.THROTTLED, ErrorClass.UNREACHABLE})
"""What keeps EC2 from ending an instance as well: asked again, both may be done."""

TAG_SALVAGED_FROM = "spot-optimizer:salvaged-from"
TAGS_OF_KEPT = frozenset({TAG_CLIENT_ID, TAG_AGENT_ID, TAG_LOGICAL_AGENT_ID})
TAG_COPY_OF = "spot-optimizer:copy-of"
TAG_MOVE_ID = "spot-optimizer:switch-id"
TAG_PASS = "spot-optimizer:pass"  # noqa: S105 - the name of a tag
LONG_AGO = datetime.min.replace(tzinfo=UTC)

Volume = Mapping[str, Any]


def detach_volumes(task: Task, ec2: Ec2Port) -> Handled:
    """Free the volumes, or find them with `instance_id` already: from `released_by`, or from an instance that EC2 says has ended."""
    target, released_by = task.payload.get("instance_id"), task.payload.get("released_by")

    def look(volume: EbsFacts) -> bool:
        held = _held(volume)
        if held is None or held.instance_id == target:
            return held is not None or volume.state == "available"
        is_stuck = task.waited_seconds >= STUCK_SECONDS
        _take(task, ec2, volume, held, is_released=held.instance_id == released_by, is_stuck=is_stuck)
        return False

    volumes = _known(ec2, texts(task.payload, "volume_ids"))
    is_free = [look(volume) for volume in volumes]
    return Done({"detached_at": wire_time(task.now)}) if all(is_free) else NotYet("volume_not_detached", LOOK_SECONDS)


def _take(task: Task, ec2: Ec2Port, volume: EbsFacts, held: AttachmentFacts, *, is_released: bool, is_stuck: bool) -> None:
    has_ended = (is_stuck or not is_released) and _has_ended(ec2, held.instance_id)
    if not is_released and not has_ended:
        return
    if held.state not in {"detaching", "busy"} or (has_ended and is_stuck):
        task.require_leave_to_act()
        ec2.volumes.detach(volume.volume_id, held.instance_id, is_forced=has_ended and is_stuck)


def _has_ended(ec2: Ec2Port, instance_id: str) -> bool:
    """One that EC2 does not know counts for nothing: what has ended is listed for an hour, and EC2 itself takes the volumes from it."""
    instance = ec2.describe_instance(instance_id)
    return instance is not None and instance.state in FENCED_STATES


def attach_volumes(task: Task, ec2: Ec2Port) -> Handled:
    """Attach what is free; an attachment to another instance is `refused`: it is not ours to end here."""
    instance_id = text(task.payload, "instance_id")
    devices = {str(volume["volume_id"]): str(volume["device_name"]) for volume in _wanted(task)}

    def look(volume: EbsFacts) -> bool:
        held = _held(volume)
        if held is not None and held.instance_id != instance_id:
            raise ActFailed(ErrorClass.REFUSED, "attached_elsewhere", f"{volume.volume_id} is attached to {held.instance_id}")
        if held is None and volume.state == "available":
            task.require_leave_to_act()
            _begin_to_attach(ec2, volume.volume_id, instance_id, devices[volume.volume_id])
        return held is not None and held.state == "attached"

    is_there = [look(volume) for volume in _known(ec2, list(devices))]
    return Done({"attached_at": wire_time(task.now)}) if all(is_there) else NotYet("volume_not_attached", LOOK_SECONDS)


def _begin_to_attach(ec2: Ec2Port, volume_id: str, instance_id: str, device_name: str) -> None:
    try:
        ec2.volumes.attach(volume_id, instance_id, device_name)
    except AwsFailed as error:
        # Ours, whose answer was lost, or another's: the next look tells.
        if error.code != CODE_IN_USE:
            raise


def copy_volumes(task: Task, ec2: Ec2Port) -> Handled:
    """Make snapshots, and of the last ones volumes in another AZ. As the daemons do it: see their copy_volumes."""
    which, volumes = text(task.payload, "pass"), _wanted(task)
    if which not in {"first", "last"}:
        raise bad_payload("pass", "first or last")
    sources = {source.volume_id: source for source in ec2.volumes.describe([str(volume["volume_id"]) for volume in volumes])}
    snapshots = {str(one["volume_id"]): _snapshot(task, ec2, str(one["volume_id"]), sources, which) for one in volumes}
    if any(made.state == "pending" for made in snapshots.values()):
        return NotYet("snapshot_pending", SNAPSHOT_LOOK_SECONDS)
    broken = [made.snapshot_id for made in snapshots.values() if made.state != "completed"]
    if broken:
        raise ActFailed(ErrorClass.UNEXPECTED, "snapshot_failed", f"{', '.join(broken)} did not complete")
    result = {
        "pass": which,
        "snapshot_ids": [made.snapshot_id for made in snapshots.values()],
        "state_at": wire_time(min(made.started_at or LONG_AGO for made in snapshots.values())),
        "is_fresh": len(sources) == len(volumes),
    }
    if which == "first":
        return Done(result)
    made_of = {volume_id: _create(task, ec2, volume_id, snapshots[volume_id], sources.get(volume_id)) for volume_id in snapshots}
    states = {volume.volume_id: volume.state for volume in ec2.volumes.describe(list(made_of.values()))}
    if "error" in states.values():
        raise ActFailed(ErrorClass.UNEXPECTED, "volume_failed", f"a new volume could not be made: {states}")
    if any(states.get(volume_id) not in {"available", "in-use"} for volume_id in made_of.values()):
        return NotYet("volume_creating", LOOK_SECONDS)
    copies = [{**volume, "volume_id": made_of[str(volume["volume_id"])], "copy_of": volume["volume_id"]} for volume in volumes]
    return Done({**result, "volumes": copies})


def _snapshot(task: Task, ec2: Ec2Port, volume_id: str, sources: Mapping[str, EbsFacts], which: str) -> SnapshotFacts:
    listed = ec2.volumes.snapshots_of(volume_id)
    if volume_id not in sources:
        completed = [made for made in listed if made.state == "completed"]
        if not completed:
            raise ActFailed(ErrorClass.NOT_FOUND, "no_snapshot", f"EC2 has neither {volume_id} nor a completed snapshot of it")
        return max(completed, key=lambda made: made.started_at or LONG_AGO)
    mark = {TAG_COPY_OF: volume_id, TAG_MOVE_ID: text(task.payload, "move_id"), TAG_PASS: which}
    found = [made for made in listed if all(made.tags.get(key) == value for key, value in mark.items()) and made.state != "error"]
    if found:
        return min(found, key=lambda made: made.snapshot_id)
    task.require_leave_to_act()
    snapshot_id = ec2.volumes.create_snapshot(volume_id, {**(tags(task.payload) or task.default_tags), **mark})
    return SnapshotFacts(snapshot_id, volume_id, "pending", task.now, mark)


def _create(task: Task, ec2: Ec2Port, volume_id: str, snapshot: SnapshotFacts, source: EbsFacts | None) -> str:
    az_name, move_id = text(task.payload, "az_name"), text(task.payload, "move_id")
    like = source or _as_reported(task, volume_id)
    own = {key: value for key, value in like.tags.items() if not key.startswith("aws:")}
    token = sha256(f"{move_id}|{volume_id}|{snapshot.snapshot_id}|{az_name}".encode()).hexdigest()
    marked = {**own, **(tags(task.payload) or task.default_tags), TAG_COPY_OF: volume_id, TAG_MOVE_ID: move_id}
    task.require_leave_to_act()
    return ec2.volumes.create_volume(VolumeRequest(token, snapshot.snapshot_id, az_name, like, marked))


def _as_reported(task: Task, volume_id: str) -> EbsFacts:
    """Return what the books know of a volume that EC2 no longer has."""
    known: Volume = next((one for one in task.payload.get("reported") or [] if one.get("volume_id") == volume_id), {})
    return EbsFacts(volume_id, "gone", volume_type=str(known.get("volume_type") or ""), tags=dict(known.get("tags") or {}))


def discard_volumes(task: Task, ec2: Ec2Port) -> Handled:
    """Delete the copies that this very move made, found by their tags, once nothing has them attached any more."""
    found = ec2.volumes.find({TAG_MANAGED: "true", TAG_MOVE_ID: text(task.payload, "move_id")})
    copies = [volume for volume in found if TAG_COPY_OF in volume.tags]
    for volume in copies:
        if volume.state in {"available", "error"}:
            task.require_leave_to_act()
            ec2.volumes.delete(volume.volume_id)
    if any(volume.state in {"creating", "in-use"} for volume in copies):
        return NotYet("copy_in_use", SNAPSHOT_LOOK_SECONDS)
    return Done({"deleted": [volume.volume_id for volume in copies]})


def keep_volumes(task: Task, instance: InstanceFacts, ec2: Ec2Port) -> dict[str, Any]:
    """Have what the order names outlive the instance, and return what the answer tells of it. As the daemons do it.

    Where that is refused for data volumes the instance is not ended, unless the order says that EC2 takes them anyway. A root never keeps
    it from being ended: it is worth a try, and no outage.
    """
    data = instance.going_volumes if task.payload.get("keep_data_volumes") is True else ()
    root = (instance.going_root,) if task.payload.get("keep_root") is True and instance.going_root is not None else ()
    wanted = (*data, *root)
    if not wanted:
        return {}
    for held in root:
        _mark_kept(task, instance, held.volume_id, ec2)
    volume_ids = [held.volume_id for held in wanted]
    try:
        ec2.volumes.keep(instance.instance_id, [held.device_name for held in wanted])
    except AwsFailed as error:
        may_end = not data or task.payload.get("end_unkept") is True
        if error.error_class in PASSING or not may_end:
            raise
        return {"unkept_volume_ids": volume_ids}
    return {"kept_volume_ids": volume_ids}


def _mark_kept(task: Task, instance: InstanceFacts, volume_id: str, ec2: Ec2Port) -> None:
    """Say whose it is. Where that may not be it is kept all the same: what a launch of ours made says most of it from the beginning."""
    owner = {key: value for key, value in (tags(task.payload) or task.default_tags).items() if key in TAGS_OF_KEPT}
    try:
        ec2.volumes.tag(volume_id, {**owner, TAG_SALVAGED_FROM: instance.instance_id})
    except AwsFailed:
        return


def _held(volume: EbsFacts) -> AttachmentFacts | None:
    """Return the one attachment. A volume that may have several is `refused`: its attachment fences nobody."""
    if volume.is_multi_attach or len(volume.attachments) > 1:
        raise ActFailed(ErrorClass.REFUSED, "multi_attach", f"{volume.volume_id} may be attached to several instances at once")
    return volume.attachments[0] if volume.attachments else None


def _known(ec2: Ec2Port, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
    if not volume_ids:
        raise bad_payload("volume_ids", "a list of at least one volume id")
    volumes = ec2.volumes.describe(volume_ids)
    unknown = sorted(set(volume_ids) - {volume.volume_id for volume in volumes})
    if unknown:
        raise ActFailed(ErrorClass.NOT_FOUND, "InvalidVolume.NotFound", f"EC2 knows no {', '.join(unknown)}")
    return volumes


def _wanted(task: Task) -> list[Volume]:
    value = task.payload.get("volumes")
    is_usable = isinstance(value, list) and value and all(isinstance(one, dict) and one.get("volume_id") for one in value)
    if not isinstance(value, list) or not is_usable:
        raise bad_payload("volumes", "a list of at least one volume")
    return value
