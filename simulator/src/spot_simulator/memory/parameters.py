"""What the region in memory takes of each EC2 operation. What it does not know fails loudly: nothing is silently left out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

from botocore.exceptions import ParamValidationError

Spec = type | tuple[type, ...] | Mapping[str, Any] | Sequence[Any]
"""A type, or the fields of a structure, or a list of one specification."""

NAMES: Spec = [str]
FILTERS: Spec = [{"Name": str, "Values": [str]}]
TAGS: Spec = [{"Key": str, "Value": str}]
TAG_SPECIFICATIONS: Spec = [{"ResourceType": str, "Tags": TAGS}]
PAGES: Mapping[str, Spec] = {"MaxResults": int, "NextToken": str}
DRY_RUN: Mapping[str, Spec] = {"DryRun": bool}

OPERATIONS: Mapping[str, Mapping[str, Spec]] = {
    "RunInstances": {
        "BlockDeviceMappings": [
            {
                "DeviceName": str,
                "Ebs": {
                    "DeleteOnTermination": bool,
                    "Encrypted": bool,
                    "Iops": int,
                    "KmsKeyId": str,
                    "SnapshotId": str,
                    "Throughput": int,
                    "VolumeSize": int,
                    "VolumeType": str,
                },
            }
        ],
        "ClientToken": str,
        "CreditSpecification": {"CpuCredits": str},
        "EbsOptimized": bool,
        "IamInstanceProfile": {"Arn": str},
        "ImageId": str,
        "InstanceMarketOptions": {
            "MarketType": str,
            "SpotOptions": {"InstanceInterruptionBehavior": str, "MaxPrice": str, "SpotInstanceType": str},
        },
        "InstanceType": str,
        "KeyName": str,
        "MaxCount": int,
        "MetadataOptions": {
            "HttpEndpoint": str,
            "HttpProtocolIpv6": str,
            "HttpPutResponseHopLimit": int,
            "HttpTokens": str,
            "InstanceMetadataTags": str,
        },
        "MinCount": int,
        "Monitoring": {"Enabled": bool},
        "Placement": {"AvailabilityZone": str, "AvailabilityZoneId": str},
        "SecurityGroupIds": NAMES,
        "SubnetId": str,
        "TagSpecifications": TAG_SPECIFICATIONS,
        "UserData": (str, bytes),
        **DRY_RUN,
    },
    "DescribeInstances": {"InstanceIds": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "DescribeInstanceCreditSpecifications": {"InstanceIds": NAMES, **PAGES, **DRY_RUN},
    "DescribeInstanceStatus": {"InstanceIds": NAMES, "IncludeAllInstances": bool, **PAGES, **DRY_RUN},
    "TerminateInstances": {"InstanceIds": NAMES, **DRY_RUN},
    "StopInstances": {"InstanceIds": NAMES, "Force": bool, **DRY_RUN},
    "StartInstances": {"InstanceIds": NAMES, **DRY_RUN},
    "RebootInstances": {"InstanceIds": NAMES, **DRY_RUN},
    "ModifyInstanceAttribute": {
        "InstanceId": str,
        "BlockDeviceMappings": [{"DeviceName": str, "Ebs": {"DeleteOnTermination": bool}}],
        "DisableApiTermination": {"Value": bool},
        "InstanceType": {"Value": str},
        **DRY_RUN,
    },
    "CreateTags": {"Resources": NAMES, "Tags": TAGS, **DRY_RUN},
    "DescribeSpotInstanceRequests": {"SpotInstanceRequestIds": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "CancelSpotInstanceRequests": {"SpotInstanceRequestIds": NAMES, **DRY_RUN},
    "CreateImage": {
        "InstanceId": str,
        "Name": str,
        "Description": str,
        "NoReboot": bool,
        "BlockDeviceMappings": [{"DeviceName": str, "NoDevice": str}],
        "TagSpecifications": TAG_SPECIFICATIONS,
        **DRY_RUN,
    },
    "DeregisterImage": {"ImageId": str, "DeleteAssociatedSnapshots": bool, **DRY_RUN},
    "DescribeImages": {"ImageIds": NAMES, "Owners": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "CreateSnapshot": {"VolumeId": str, "Description": str, "TagSpecifications": TAG_SPECIFICATIONS, **DRY_RUN},
    "CreateSnapshots": {
        "InstanceSpecification": {"InstanceId": str},
        "Description": str,
        "TagSpecifications": TAG_SPECIFICATIONS,
        **DRY_RUN,
    },
    "DeleteSnapshot": {"SnapshotId": str, **DRY_RUN},
    "DescribeSnapshots": {"SnapshotIds": NAMES, "OwnerIds": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "DescribeVolumes": {"VolumeIds": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "CreateVolume": {
        "AvailabilityZone": str,
        "ClientToken": str,
        "Encrypted": bool,
        "Iops": int,
        "KmsKeyId": str,
        "Size": int,
        "SnapshotId": str,
        "TagSpecifications": TAG_SPECIFICATIONS,
        "Throughput": int,
        "VolumeType": str,
        **DRY_RUN,
    },
    "AttachVolume": {"VolumeId": str, "InstanceId": str, "Device": str, **DRY_RUN},
    "DetachVolume": {"VolumeId": str, "InstanceId": str, "Device": str, "Force": bool, **DRY_RUN},
    "DeleteVolume": {"VolumeId": str, **DRY_RUN},
    "AllocateAddress": {"Domain": str, "TagSpecifications": TAG_SPECIFICATIONS, **DRY_RUN},
    "AssociateAddress": {"AllocationId": str, "InstanceId": str, "AllowReassociation": bool, **DRY_RUN},
    "DisassociateAddress": {"AssociationId": str, **DRY_RUN},
    "ReleaseAddress": {"AllocationId": str, **DRY_RUN},
    "AssignPrivateIpAddresses": {"NetworkInterfaceId": str, "PrivateIpAddresses": NAMES, "AllowReassignment": bool},
    "UnassignPrivateIpAddresses": {"NetworkInterfaceId": str, "PrivateIpAddresses": NAMES},
    "DescribeAddresses": {"AllocationIds": NAMES, "PublicIps": NAMES, "Filters": FILTERS, **DRY_RUN},
    "DescribeSubnets": {"SubnetIds": NAMES, "Filters": FILTERS, **PAGES, **DRY_RUN},
    "DescribeAvailabilityZones": {"ZoneNames": NAMES, "ZoneIds": NAMES, **DRY_RUN},
    "DescribeSpotPriceHistory": {
        "AvailabilityZone": str,
        "AvailabilityZoneId": str,
        "EndTime": datetime,
        "Filters": FILTERS,
        "InstanceTypes": NAMES,
        "ProductDescriptions": NAMES,
        "StartTime": datetime,
        **PAGES,
        **DRY_RUN,
    },
    "DescribeInstanceTypes": {"InstanceTypes": NAMES, **PAGES, **DRY_RUN},
    "DescribeInstanceTypeOfferings": {"LocationType": str, "Filters": FILTERS, **PAGES, **DRY_RUN},
}
"""Operation to its parameters. A test holds them against botocore's description of EC2."""


class NotInMemory(TypeError):
    """The region in memory lacks something that EC2 has. No adapter takes this for an answer of EC2."""


def check(operations: Mapping[str, Mapping[str, Spec]], operation: str, parameters: Mapping[str, object]) -> None:
    """Raise ``NotInMemory`` for a parameter that the region does not know, boto3's own error for a value of a wrong type."""
    _check_fields(operation, parameters, operations[operation])


def _check_fields(where: str, value: Mapping[str, object], fields: Mapping[str, Spec]) -> None:
    for name, part in value.items():
        spec = fields.get(name)
        if spec is None:
            raise NotInMemory(f"the region in memory does not know {where}.{name}; it takes {', '.join(sorted(fields))}")
        if isinstance(spec, type):
            if type(part) is not spec:
                _check_type(f"{where}.{name}", part, spec)
        else:
            _check_value(f"{where}.{name}", part, spec)


def _check_value(where: str, value: object, spec: Spec) -> None:
    if isinstance(spec, type):
        _check_type(where, value, spec)
    elif isinstance(spec, tuple):
        _check_type(where, value, *spec)
    elif isinstance(spec, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong_type(where, value, "a structure")
        _check_fields(where, value, spec)
    else:
        if not isinstance(value, list | tuple):
            raise _wrong_type(where, value, "a list")
        for part in value:
            _check_value(f"{where}[]", part, spec[0])


def _check_type(where: str, value: object, *wanted: type) -> None:
    is_flag_for_number = isinstance(value, bool) and bool not in wanted
    if is_flag_for_number or isinstance(value, NoneType) or not isinstance(value, wanted):
        raise _wrong_type(where, value, " or ".join(one.__name__ for one in wanted))


def _wrong_type(where: str, value: object, wanted: str) -> ParamValidationError:
    return ParamValidationError(report=f"Invalid type for parameter {where}, value: {value!r}, valid: {wanted}")
