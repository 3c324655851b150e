"""What of an instance must come along to the next one: the document that both sides of a move are compared by."""

from __future__ import annotations

from collections.abc import Iterable

from spot_agent.ec2_facts import InstanceFacts, VolumeSettings
from spot_agent.model import JsonObject
from spot_agent.rules.launch_specification import copied_tags

_BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.")


def has_cpu_credits(instance_type: str) -> bool:
    """Whether EC2 has a credit specification for instances of this type."""
    return instance_type.startswith(_BURSTABLE)


def configuration(instance: InstanceFacts, volumes: Iterable[VolumeSettings] | None, cpu_credits: str | None) -> JsonObject:
    """The `configuration` of a registration or heartbeat. None in it: EC2 would not say, or there is none.

    Tags that EC2 reserves, and those that the server sets itself, are not the person's.
    """
    device_of = {volume.volume_id: volume.device_name for volume in instance.volumes}
    described = None
    if volumes is not None:
        listed = {volume.volume_id: volume for volume in volumes}
        is_whole = set(device_of) <= set(listed)
        by_device = sorted((device, volume_id) for volume_id, device in device_of.items())
        described = {device: _volume(listed[volume_id]) for device, volume_id in by_device} if is_whole else None
    return {
        "instance_type": instance.instance_type,
        "security_group_ids": sorted(instance.security_group_ids),
        "iam_instance_profile_arn": instance.iam_instance_profile_arn,
        "key_name": instance.key_name,
        "metadata_options": dict(instance.metadata_options),
        "tags": copied_tags(instance.tags),
        "detailed_monitoring": instance.detailed_monitoring,
        "ebs_optimized": instance.ebs_optimized,
        "cpu_credits": cpu_credits,
        "root_device_name": instance.root_device_name,
        "volumes": described,
    }


def _volume(volume: VolumeSettings) -> JsonObject:
    return {
        "volume_type": volume.volume_type,
        "size_gib": volume.size_gib,
        "iops": volume.iops,
        "throughput_mib_per_second": volume.throughput_mib_per_second,
        "encrypted": volume.encrypted,
        "kms_key_id": volume.kms_key_id,
    }
