"""copy_volumes and discard_volumes: data volumes in another AZ, by way of snapshots, and the end of copies that nobody wants."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from spot_agent.commands.handling import Handled, NotYet, Succeeded, Tools, bad_payload, tags, text
from spot_agent.commands.mount_volumes import wanted_volumes
from spot_agent.ec2_facts import EbsFacts, SnapshotFacts, VolumeRequest
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import TAG_COPY_OF, TAG_MANAGED, Command, JsonObject
from spot_agent.rules.rsync import Pass
from spot_agent.rules.volumes import DataVolume, volume_json
from spot_agent.timestamps import to_wire

TAG_MOVE_ID = "spot-optimizer:switch-id"
TAG_PASS = "spot-optimizer:pass"  # noqa: S105 - the name of a tag
LOOK_SECONDS = 5.0
VOLUME_LOOK_SECONDS = 1.0
LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


def copy(command: Command, tools: Tools) -> Handled:
    """`first`: snapshots while the workload serves, so that those of `last` hold little and are quick. `last`: also volumes of them.

    Tags and client tokens find what an earlier try began. A volume that EC2 no longer has is copied from its newest snapshot, and
    `is_fresh` is false; `state_at` is the moment whose state the oldest of the snapshots holds.
    """
    which = _pass_of(command)
    volumes = wanted_volumes(command)
    if which is Pass.LAST and tools.journal.read().may_serve:
        raise ActFailed(ErrorClass.REFUSED, "still_serving", "the last snapshot comes after the quiesce: the workload may serve here")
    sources = {volume.volume_id: volume for volume in tools.ec2.ebs.describe([one.volume_id for one in volumes])}
    snapshots = {one.volume_id: _snapshot(one, sources.get(one.volume_id), which, command, tools) for one in volumes}
    pending = [made for made in snapshots.values() if made.state == "pending"]
    if pending:
        told = {made.volume_id: made.progress for made in pending}
        tools.tell_progress(text(command, "move_id"), {"step_progress": {"pass": which.value, "snapshots": told}})
        return NotYet("snapshot_pending", LOOK_SECONDS)
    broken = [made.snapshot_id for made in snapshots.values() if made.state != "completed"]
    if broken:
        raise ActFailed(ErrorClass.UNEXPECTED, "snapshot_failed", f"{', '.join(broken)} did not complete")
    state_at = min(made.started_at or LONG_AGO for made in snapshots.values())
    result: JsonObject = {
        "pass": which.value,
        "snapshot_ids": [made.snapshot_id for made in snapshots.values()],
        "state_at": to_wire(state_at),
        "is_fresh": len(sources) == len(volumes),
    }
    return Succeeded(result) if which is Pass.FIRST else _volumes_of(volumes, snapshots, sources, result, command, tools)


def _snapshot(wanted: DataVolume, source: EbsFacts | None, which: Pass, command: Command, tools: Tools) -> SnapshotFacts:
    """That of this move and pass, begun if there is none; for a volume that is gone the newest completed one, whoever made it."""
    listed = tools.ec2.ebs.snapshots_of(wanted.volume_id)
    if source is None:
        completed = [made for made in listed if made.state == "completed"]
        if not completed:
            raise ActFailed(ErrorClass.NOT_FOUND, "no_snapshot", f"EC2 has neither {wanted.volume_id} nor a completed snapshot of it")
        return max(completed, key=lambda made: made.started_at or LONG_AGO)
    mark = {TAG_COPY_OF: wanted.volume_id, TAG_MOVE_ID: text(command, "move_id"), TAG_PASS: which.value}
    found = [made for made in listed if all(made.tags.get(key) == value for key, value in mark.items()) and made.state != "error"]
    if found:
        return min(found, key=lambda made: made.snapshot_id)
    snapshot_id = tools.ec2.ebs.create_snapshot(wanted.volume_id, {**tags(command), **mark})
    return SnapshotFacts(snapshot_id, wanted.volume_id, tools.clock.now(), mark, "pending")


def _volumes_of(
    volumes: tuple[DataVolume, ...],
    snapshots: Mapping[str, SnapshotFacts],
    sources: Mapping[str, EbsFacts],
    result: JsonObject,
    command: Command,
    tools: Tools,
) -> Handled:
    made = {one.volume_id: _create(one, snapshots[one.volume_id], sources.get(one.volume_id), command, tools) for one in volumes}
    facts = {volume.volume_id: volume for volume in tools.ec2.ebs.describe(list(made.values()))}
    states = {volume_id: facts[volume_id].state if volume_id in facts else "creating" for volume_id in made.values()}
    if "error" in states.values():
        raise ActFailed(ErrorClass.UNEXPECTED, "volume_failed", f"a new volume could not be made: {states}")
    if not set(states.values()) <= {"available", "in-use"}:
        return NotYet("volume_creating", VOLUME_LOOK_SECONDS)
    copies = [{**volume_json(one), "volume_id": made[one.volume_id], "copy_of": one.volume_id} for one in volumes]
    return Succeeded({**result, "volumes": copies})


def _create(wanted: DataVolume, snapshot: SnapshotFacts, source: EbsFacts | None, command: Command, tools: Tools) -> str:
    az_name, move_id = text(command, "az_name"), text(command, "move_id")
    like = source or _as_reported(wanted, command)
    own = {key: value for key, value in like.tags.items() if not key.startswith("aws:")}
    token = hashlib.sha256(f"{move_id}|{wanted.volume_id}|{snapshot.snapshot_id}|{az_name}".encode()).hexdigest()
    marked = {**own, **tags(command), TAG_COPY_OF: wanted.volume_id, TAG_MOVE_ID: move_id}
    return tools.ec2.ebs.create_volume(VolumeRequest(token, snapshot.snapshot_id, az_name, like, marked))


def _as_reported(wanted: DataVolume, command: Command) -> EbsFacts:
    """What the server knows of a volume that EC2 no longer has; without it EC2's own choice of type holds."""
    reported: Any = command.payload.get("reported")
    listed = reported if isinstance(reported, list) else []
    known = next((one for one in listed if isinstance(one, dict) and one.get("volume_id") == wanted.volume_id), {})
    kind, tagged = known.get("volume_type"), known.get("tags")
    return EbsFacts(
        wanted.volume_id,
        "gone",
        "",
        volume_type=kind if isinstance(kind, str) else "",
        tags={str(key): str(value) for key, value in tagged.items()} if isinstance(tagged, dict) else {},
    )


def discard(command: Command, tools: Tools) -> Handled:
    """Delete the copies that this very move made, found by their tags, once nothing has them attached any more."""
    found = tools.ec2.find_volumes({TAG_MANAGED: "true", TAG_MOVE_ID: text(command, "move_id")})
    copies = [one for one in tools.ec2.ebs.describe([volume_id for volume_id, _state in found]) if TAG_COPY_OF in one.tags]
    for volume in copies:
        if volume.state in ("available", "error"):
            tools.ec2.ebs.delete(volume.volume_id)
    if any(volume.state in ("creating", "in-use") for volume in copies):
        return NotYet("copy_in_use", LOOK_SECONDS)
    return Succeeded({"deleted": [volume.volume_id for volume in copies]})


def _pass_of(command: Command) -> Pass:
    named = text(command, "pass")
    if named not in (Pass.FIRST.value, Pass.LAST.value):
        raise bad_payload("pass", "first or last")
    return Pass(named)
