"""The rights that the carry `volume` needs, beyond those that every agent needs; not asked for with another carry."""

from __future__ import annotations

from spot_agent import ec2_shapes as shapes
from spot_agent.model import TAG_LOGICAL_AGENT_ID, TAG_MANAGED
from spot_agent.settings import CARRY_VOLUME
from spot_agent.trials import BY_CONTROL_ROLE, Right, Trial

DEVICE_TO_TRY = "/dev/sdz"


def rights_to_carry(trial: Trial) -> tuple[Right, ...]:
    """Return what moves the data volumes, tried with the first that is attached here beside the root."""
    if trial.carry != CARRY_VOLUME:
        return ()
    by_role = BY_CONTROL_ROLE if trial.has_control_role else None
    volume_id = _data_volume_id(trial)
    unknown = by_role or (None if volume_id else "not tried: EC2 shows no volume of this instance beside its root")
    tags = {TAG_MANAGED: "true", TAG_LOGICAL_AGENT_ID: trial.logical_agent_id}
    snapshot = {"VolumeId": volume_id, "TagSpecifications": shapes.tag_specifications(tags, ("snapshot",))}
    volume = {
        "SnapshotId": trial.snapshot_id,
        "AvailabilityZone": trial.instance.az_name if trial.instance else "",
        "TagSpecifications": shapes.tag_specifications(tags, ("volume",)),
    }
    no_snapshot = by_role or (None if trial.snapshot_id else "not tried: this agent has no snapshot yet")
    return (
        Right(
            "DetachVolume", "take a data volume from the old instance", {"VolumeId": volume_id, "InstanceId": trial.instance_id}, unknown
        ),
        Right(
            "AttachVolume",
            "give a data volume to the new instance",
            {"VolumeId": volume_id, "InstanceId": trial.instance_id, "Device": DEVICE_TO_TRY},
            unknown,
        ),
        Right("CreateSnapshot", "copy a data volume to another zone", snapshot, unknown),
        Right("CreateVolume", "copy a data volume to another zone", volume, no_snapshot),
        Right("DeleteVolume", "remove the copies of a move that was taken back", {"VolumeId": volume_id}, unknown),
    )


def _data_volume_id(trial: Trial) -> str | None:
    if trial.instance is None:
        return None
    root = trial.instance.root_device_name
    return next((held.volume_id for held in trial.instance.volumes if held.device_name != root), None)
