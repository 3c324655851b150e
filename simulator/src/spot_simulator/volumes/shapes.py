"""From volumes to what boto3 returns."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from spot_simulator.volumes.records import Attachment, Volume

Shape = dict[str, Any]


def volume(record: Volume, tags: Mapping[str, str]) -> Shape:
    """A volume as DescribeVolumes shows it."""
    kind = record.kind
    shown: Shape = {
        "Attachments": [attachment(record, record.attachment)] if record.attachment else [],
        "AvailabilityZone": record.zone,
        "CreateTime": _whole_second(record.created_at),
        "Encrypted": kind.is_encrypted,
        "Iops": kind.shown_iops,
        "MultiAttachEnabled": False,
        "Size": kind.size_gib,
        "SnapshotId": record.snapshot_id,
        "State": record.state,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "VolumeId": record.volume_id,
        "VolumeType": kind.volume_type,
    }
    if kind.throughput is not None:
        shown["Throughput"] = kind.throughput
    if kind.key_id is not None:
        shown["KmsKeyId"] = kind.key_id
    return shown


def attachment(record: Volume, held: Attachment) -> Shape:
    """An attachment as DescribeVolumes and AttachVolume show it."""
    return {
        "AttachTime": _whole_second(held.since),
        "DeleteOnTermination": held.is_deleted_on_termination,
        "Device": held.device_name,
        "InstanceId": held.instance_id,
        "State": held.state.value,
        "VolumeId": record.volume_id,
    }


def device(record: Volume, held: Attachment) -> Shape:
    """An attachment as DescribeInstances shows it; it has no word for one that is busy."""
    ebs = {
        "AttachTime": _whole_second(held.since),
        "DeleteOnTermination": held.is_deleted_on_termination,
        "Status": "detaching" if held.state.value == "busy" else held.state.value,
        "VolumeId": record.volume_id,
    }
    return {"DeviceName": held.device_name, "Ebs": ebs}


def _whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
