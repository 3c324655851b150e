"""What a launch may ask of volumes and processor credits, in both forms of the region: defaults, what excludes what, and what is shown."""

from collections.abc import Mapping
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


def root_kind(of_image: VolumeKind, mappings: list[Mapping[str, Any]]) -> VolumeKind:
    """Return what the root volume of a launch is like: as the image says, but for what the launch asks.

    ``mappings`` as boto3 takes them. Raise ``Ec2Error`` for what EC2 would refuse, and for other devices.
    """
    kind = of_image
    for mapping in mappings:
        if mapping["DeviceName"] != ROOT_DEVICE:
            raise Ec2Error("UnsupportedOperation", "The simulated region knows root volumes only")
        kind = _changed(kind, mapping.get("Ebs", {}))
    return kind


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
