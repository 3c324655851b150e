"""What a launch may ask of volumes and processor credits, in both forms of the region: defaults, what excludes what, and what is shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spot_simulator.ec2.errors import Ec2Error

ROOT_DEVICE = "/dev/sda1"
_TYPES_WITH_IOPS = ("gp3", "io1", "io2")
_TYPES_THAT_NEED_IOPS = ("io1", "io2")
_BURSTABLE_DEFAULTS = {"t2": "standard", "t3": "unlimited", "t3a": "unlimited", "t4g": "unlimited"}
DEFAULT_KEY = "arn:aws:kms:us-east-1:123456789012:key/aws-ebs"
_GP3_IOPS, _GP3_THROUGHPUT = 3000, 125
_GP2_IOPS_PER_GIB, _GP2_LEAST_IOPS = 3, 100


@dataclass(frozen=True, slots=True)
class VolumeKind:
    """What a volume is like. ``iops`` and ``throughput`` (MiB/s) are what was asked for, None where the type has no such setting."""

    volume_type: str = "gp2"
    size_gib: int = 8
    iops: int | None = None
    throughput: int | None = None
    is_encrypted: bool = False
    key_id: str | None = None

    @property
    def shown_iops(self) -> int:
        """The IOPS as EC2 shows them, of gp2 too."""
        return self.iops or max(_GP2_LEAST_IOPS, _GP2_IOPS_PER_GIB * self.size_gib)


@dataclass(frozen=True, slots=True)
class LaunchDevice:
    """A volume that a launch makes beside the root; ``snapshot_id`` is empty for an empty one."""

    device_name: str
    kind: VolumeKind
    snapshot_id: str
    is_deleted_on_termination: bool


@dataclass(frozen=True, slots=True)
class LaunchVolumes:
    """All volumes that a launch makes."""

    root: VolumeKind
    is_root_deleted_on_termination: bool
    data: tuple[LaunchDevice, ...]


KindOfSnapshot = Callable[[str], VolumeKind]
"""What the volume was like of which a snapshot was taken; raises ``Ec2Error`` for one that nothing can be made of."""


def launch_volumes(of_image: VolumeKind, mappings: Sequence[Mapping[str, Any]], kind_of_snapshot: KindOfSnapshot) -> LaunchVolumes:
    """Return what the volumes of a launch are like: the root as the image says, but for what the launch asks.

    ``mappings`` as boto3 takes them. Raise ``Ec2Error`` for what EC2 would refuse. Images hold root volumes only. Without a word volumes of
    a launch go with their instance. Source: the EC2 user guide, "Preserve data when an instance is terminated".
    """
    root, is_root_deleted, data = of_image, True, {}
    for mapping in mappings:
        device_name, asked = mapping["DeviceName"], mapping.get("Ebs", {})
        is_deleted = asked.get("DeleteOnTermination", True)
        if device_name == ROOT_DEVICE:
            root, is_root_deleted = _changed(root, asked), is_deleted
            continue
        snapshot_id = asked.get("SnapshotId", "")
        kind = data_kind(kind_of_snapshot(snapshot_id) if snapshot_id else None, asked)
        data[device_name] = LaunchDevice(device_name, kind, snapshot_id, is_deleted)
    return LaunchVolumes(root, is_root_deleted, tuple(data.values()))


def data_kind(of_snapshot: VolumeKind | None, asked: Mapping[str, Any]) -> VolumeKind:
    """Return what a new data volume is like, made of a snapshot or empty (None). Raise ``Ec2Error`` for what EC2 would refuse."""
    if of_snapshot is None and not asked.get("VolumeSize"):
        raise Ec2Error("MissingParameter", "The request must contain the parameter size or snapshotId")
    size_gib = asked["VolumeSize"] if of_snapshot is None else of_snapshot.size_gib
    is_encrypted, key_id = (of_snapshot.is_encrypted, of_snapshot.key_id) if of_snapshot else (False, None)
    return _changed(VolumeKind(size_gib=size_gib, is_encrypted=is_encrypted, key_id=key_id), asked)


def _changed(kind: VolumeKind, asked: Mapping[str, Any]) -> VolumeKind:
    volume_type = asked.get("VolumeType", kind.volume_type)
    if "Iops" in asked and volume_type not in _TYPES_WITH_IOPS:
        raise Ec2Error("InvalidParameterCombination", f"The parameter iops is not supported for {volume_type} volumes.")
    if "Throughput" in asked and volume_type != "gp3":
        raise Ec2Error("InvalidParameterCombination", f"The parameter throughput is not supported for {volume_type} volumes.")
    if "Iops" not in asked and volume_type in _TYPES_THAT_NEED_IOPS and volume_type != kind.volume_type:
        raise Ec2Error("MissingParameter", f"The parameter iops must be specified for {volume_type} volumes.")
    size_gib = asked.get("VolumeSize", kind.size_gib)
    if size_gib < kind.size_gib:
        raise Ec2Error("InvalidBlockDeviceMapping", f"{size_gib} GB is smaller than the snapshot, expect size >= {kind.size_gib} GB")
    is_same_type = volume_type == kind.volume_type
    is_gp3 = volume_type == "gp3"
    is_encrypted = kind.is_encrypted or bool(asked.get("Encrypted", False))
    return replace(
        kind,
        volume_type=volume_type,
        size_gib=size_gib,
        iops=asked.get("Iops", kind.iops if is_same_type else (_GP3_IOPS if is_gp3 else None)),
        throughput=asked.get("Throughput", kind.throughput if is_same_type else (_GP3_THROUGHPUT if is_gp3 else None)),
        is_encrypted=is_encrypted,
        key_id=(asked.get("KmsKeyId") or kind.key_id or DEFAULT_KEY) if is_encrypted else None,
    )


def cpu_credits(instance_type: str, asked: str | None) -> str | None:
    """Return the credit specification of a launch; None for a type that has none."""
    default = _BURSTABLE_DEFAULTS.get(instance_type.split(".", maxsplit=1)[0])
    if asked is not None and default is None:
        raise Ec2Error("InvalidParameterCombination", f"CreditSpecification is not supported for {instance_type}")
    if asked not in (None, "standard", "unlimited"):
        raise Ec2Error("InvalidParameterValue", f"Invalid value '{asked}' for CpuCredits")
    return asked or default
