"""EBS volumes: describing, attaching, detaching, copying by snapshot. What is harmless to repeat is retried by botocore itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spot_agent import ec2_shapes as shapes
from spot_agent.ec2_asking import asked, found
from spot_agent.ec2_facts import EbsFacts, SnapshotFacts, VolumeRequest

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TYPES_WITH_IOPS = frozenset({"io1", "io2", "gp3"})
TYPES_WITH_THROUGHPUT = frozenset({"gp3"})


class BotocoreVolumes:
    """Safe to share between threads."""

    def __init__(self, repeatable: EC2Client, once: EC2Client) -> None:
        """`repeatable` retries by itself, `once` does not: a snapshot begun twice is two snapshots."""
        self._repeatable = repeatable
        self._once = once

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        """Describe those of these volumes that EC2 knows, in this order."""
        # By filter: an id that EC2 does not know fails a call that names it, with all the others.
        filters = [{"Name": "volume-id", "Values": list(volume_ids)}]
        if not volume_ids:
            return ()
        paginator = self._repeatable.get_paginator("describe_volumes")
        wanted: Any = {"Filters": filters}
        listed = {volume.volume_id: volume for volume in shapes.volumes(asked(lambda: list(paginator.paginate(**wanted))))}
        return tuple(listed[volume_id] for volume_id in volume_ids if volume_id in listed)

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        """Begin to attach."""
        asked(lambda: self._repeatable.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device_name))

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        """Begin to detach; naming the instance, so that never another's attachment ends."""
        asked(lambda: self._repeatable.detach_volume(VolumeId=volume_id, InstanceId=instance_id, Force=is_forced))

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        """List this account's snapshots of a volume."""
        wanted: Any = {"OwnerIds": ["self"], "Filters": [{"Name": "volume-id", "Values": [volume_id]}]}
        paginator = self._repeatable.get_paginator("describe_snapshots")
        return shapes.snapshots(asked(lambda: list(paginator.paginate(**wanted))))

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        """Begin a snapshot; its id."""
        specifications = shapes.tag_specifications(tags, ("snapshot",))
        return str(asked(lambda: self._once.create_snapshot(VolumeId=volume_id, TagSpecifications=specifications))["SnapshotId"])

    def create_volume(self, request: VolumeRequest) -> str:
        """Begin a volume; its id."""
        wanted = create_volume_arguments(request)
        return str(asked(lambda: self._repeatable.create_volume(**wanted))["VolumeId"])

    def delete(self, volume_id: str) -> None:
        """Delete; one that is gone already is fine."""
        found(lambda: self._repeatable.delete_volume(VolumeId=volume_id))


def create_volume_arguments(request: VolumeRequest) -> dict[str, Any]:
    """As CreateVolume takes it. IOPS and throughput only where EC2 takes them for the type: it refuses what it calculates itself."""
    like = request.like
    arguments: dict[str, Any] = {
        "ClientToken": request.client_token,
        "SnapshotId": request.snapshot_id,
        "AvailabilityZone": request.az_name,
        "VolumeType": like.volume_type,
        "Size": like.size_gib,
        "TagSpecifications": shapes.tag_specifications(request.tags, ("volume",)),
    }
    if like.iops and like.volume_type in TYPES_WITH_IOPS:
        arguments["Iops"] = like.iops
    if like.throughput_mib_per_second and like.volume_type in TYPES_WITH_THROUGHPUT:
        arguments["Throughput"] = like.throughput_mib_per_second
    if like.is_encrypted:
        arguments["Encrypted"] = True
        if like.kms_key_id:
            arguments["KmsKeyId"] = like.kms_key_id
    return {name: value for name, value in arguments.items() if value not in ("", 0, [])}
