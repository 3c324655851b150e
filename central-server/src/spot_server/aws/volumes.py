"""EBS volumes with a role's credentials. What is harmless to repeat is retried by boto3 itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spot_server.aws import shapes
from spot_server.aws.asking import asked, found
from spot_server.aws.volume_ports import AttachmentFacts, EbsFacts, SnapshotFacts, VolumeRequest

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

TYPES_WITH_IOPS = frozenset({"io1", "io2", "gp3"})
TYPES_WITH_THROUGHPUT = frozenset({"gp3"})


class Boto3Volumes:
    """The real Volumes port; safe to share between threads."""

    def __init__(self, repeatable: EC2Client, once: EC2Client) -> None:
        """`repeatable` retries by itself, `once` does not: a snapshot begun twice is two snapshots."""
        self._repeatable = repeatable
        self._once = once

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        """Describe volumes, by filter: an id that EC2 does not know fails a call that names it, with all the others."""
        if not volume_ids:
            return ()
        listed = {volume.volume_id: volume for volume in self._volumes("volume-id", list(volume_ids))}
        return tuple(listed[volume_id] for volume_id in volume_ids if volume_id in listed)

    def find(self, tags: Mapping[str, str]) -> tuple[EbsFacts, ...]:
        """Find volumes by their tags."""
        filters: Any = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        paginator = self._repeatable.get_paginator("describe_volumes")
        return _volumes(asked(lambda: list(paginator.paginate(Filters=filters))))

    def _volumes(self, name: str, values: list[str]) -> tuple[EbsFacts, ...]:
        filters: Any = [{"Name": name, "Values": values}]
        paginator = self._repeatable.get_paginator("describe_volumes")
        return _volumes(asked(lambda: list(paginator.paginate(Filters=filters))))

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        """Begin to attach."""
        asked(lambda: self._repeatable.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device=device_name))

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        """Begin to detach; naming the instance, so that never another's attachment ends."""
        asked(lambda: self._repeatable.detach_volume(VolumeId=volume_id, InstanceId=instance_id, Force=is_forced))

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        """List the account's snapshots of a volume."""
        filters: Any = [{"Name": "volume-id", "Values": [volume_id]}]
        paginator = self._repeatable.get_paginator("describe_snapshots")
        pages = asked(lambda: list(paginator.paginate(OwnerIds=["self"], Filters=filters)))
        return tuple(
            SnapshotFacts(made["SnapshotId"], made.get("VolumeId", ""), made.get("State", ""), made.get("StartTime"), _tags(made))
            for page in pages
            for made in page.get("Snapshots", [])
        )

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        """Begin a snapshot."""
        specifications = shapes.tag_specifications(tags, ("snapshot",))
        return str(asked(lambda: self._once.create_snapshot(VolumeId=volume_id, TagSpecifications=specifications))["SnapshotId"])

    def create_volume(self, request: VolumeRequest) -> str:
        """Begin a volume."""
        arguments = create_volume_arguments(request)
        return str(asked(lambda: self._repeatable.create_volume(**arguments))["VolumeId"])

    def delete(self, volume_id: str) -> None:
        """Delete a volume."""
        found(lambda: self._repeatable.delete_volume(VolumeId=volume_id))

    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        tag_list: Any = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        asked(lambda: self._repeatable.create_tags(Resources=[volume_id], Tags=tag_list))

    def keep(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=false."""
        mappings: Any = [{"DeviceName": name, "Ebs": {"DeleteOnTermination": False}} for name in device_names]
        asked(lambda: self._repeatable.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=mappings))


def create_volume_arguments(request: VolumeRequest) -> dict[str, Any]:
    """Return the same arguments as the daemons': a client token with other arguments is a mismatch.

    IOPS and throughput only where EC2 takes them for the type: it refuses what it calculates itself.
    """
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


def _volumes(pages: Iterable[Mapping[str, Any]]) -> tuple[EbsFacts, ...]:
    return tuple(
        EbsFacts(
            volume_id=made["VolumeId"],
            state=made.get("State", ""),
            size_gib=int(made.get("Size", 0)),
            volume_type=made.get("VolumeType", ""),
            iops=made.get("Iops"),
            throughput_mib_per_second=made.get("Throughput"),
            is_encrypted=bool(made.get("Encrypted", False)),
            kms_key_id=made.get("KmsKeyId") or None,
            is_multi_attach=bool(made.get("MultiAttachEnabled", False)),
            attachments=tuple(
                AttachmentFacts(one["InstanceId"], one.get("Device", ""), one.get("State", ""))
                for one in made.get("Attachments", [])
                if one.get("InstanceId") and one.get("State") != "detached"
            ),
            tags=_tags(made),
        )
        for page in pages
        for made in page.get("Volumes", [])
    )


def _tags(made: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in made.get("Tags") or []}
