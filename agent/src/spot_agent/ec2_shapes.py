"""Between EC2's dicts and our frozen values. No boto3 here: dicts in, values out, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from spot_agent.ec2_facts import (
    AddressFacts,
    AttachmentFacts,
    EbsFacts,
    ImageFacts,
    InstanceFacts,
    LaunchRequest,
    SnapshotFacts,
    SpotPrice,
    SubnetFacts,
    TypeFacts,
    VolumeFacts,
    VolumeSettings,
)
from spot_agent.timestamps import optional_from_wire

Pages = Iterable[Any]
IMPAIRED = "impaired"
TYPES_WITH_IOPS = ("gp3", "io1", "io2")
TYPE_WITH_THROUGHPUT = "gp3"
"""Whose settings these are. Source: the EC2 API reference, RunInstances, EbsBlockDevice."""

METADATA_OPTION_NAMES = (
    "HttpTokens",
    "HttpPutResponseHopLimit",
    "HttpEndpoint",
    "HttpProtocolIpv6",
    "InstanceMetadataTags",
)


def tag_filters(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Filters that ask for all of `tags`."""
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def tag_list(tags: Mapping[str, str]) -> Any:  # noqa: ANN401 - a list of boto3 TypedDicts
    """Tags as EC2 takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_specifications(tags: Mapping[str, str], resource_types: Iterable[str]) -> Any:  # noqa: ANN401 - a list of boto3 TypedDicts
    """Put the same tags on each of `resource_types` at creation."""
    listed = tag_list(tags)
    return [{"ResourceType": kind, "Tags": listed} for kind in resource_types] if listed else []


def run_instances_arguments(request: LaunchRequest, tags: Mapping[str, str]) -> dict[str, Any]:
    """One instance, never more.

    A spot instance is one-time and ends by termination; no MaxPrice (the cap is on-demand). What is not given is left
    out: EC2 takes it from the image or its own defaults.
    """
    arguments: dict[str, Any] = {
        "ClientToken": request.client_token,
        "ImageId": request.image_id,
        "InstanceType": request.instance_type,
        "SubnetId": request.subnet_id,
        "MinCount": 1,
        "MaxCount": 1,
        "SecurityGroupIds": list(request.security_group_ids),
        "UserData": request.user_data,
        "MetadataOptions": dict(request.metadata_options),
        "TagSpecifications": tag_specifications(tags, ("instance", "volume")),
    }
    if request.iam_instance_profile_arn:
        arguments["IamInstanceProfile"] = {"Arn": request.iam_instance_profile_arn}
    if request.key_name:
        arguments["KeyName"] = request.key_name
    if request.detailed_monitoring:
        arguments["Monitoring"] = {"Enabled": True}
    if request.ebs_optimized:
        arguments["EbsOptimized"] = True
    if request.cpu_credits:
        arguments["CreditSpecification"] = {"CpuCredits": request.cpu_credits}
    if request.volumes:
        arguments["BlockDeviceMappings"] = [_device_mapping(volume) for volume in request.volumes]
    if request.is_spot:
        options = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
        arguments["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": options}
    return {name: value for name, value in arguments.items() if value not in ([], {}, "")}


def _device_mapping(volume: VolumeSettings) -> dict[str, Any]:
    """Encrypted is only ever asked for: EC2 refuses to take it away from what an encrypted snapshot holds."""
    ebs: dict[str, Any] = {"VolumeType": volume.volume_type, "VolumeSize": volume.size_gib}
    if volume.iops is not None:
        ebs["Iops"] = volume.iops
    if volume.throughput_mib_per_second is not None:
        ebs["Throughput"] = volume.throughput_mib_per_second
    if volume.encrypted:
        ebs["Encrypted"] = True
        if volume.kms_key_id:
            ebs["KmsKeyId"] = volume.kms_key_id
    return {"DeviceName": volume.device_name, "Ebs": ebs}


def volume_settings(pages: Pages) -> tuple[VolumeSettings, ...]:
    """All volumes of DescribeVolumes pages. What follows from type and size alone (such as the IOPS of gp2) is left out."""
    return tuple(_volume_settings(made) for page in pages for made in page.get("Volumes", []))


def _volume_settings(made: Mapping[str, Any]) -> VolumeSettings:
    kind = str(made.get("VolumeType", ""))
    return VolumeSettings(
        volume_id=made["VolumeId"],
        volume_type=kind,
        size_gib=int(made.get("Size", 0)),
        iops=made.get("Iops") if kind in TYPES_WITH_IOPS else None,
        throughput_mib_per_second=made.get("Throughput") if kind == TYPE_WITH_THROUGHPUT else None,
        encrypted=bool(made.get("Encrypted", False)),
        kms_key_id=made.get("KmsKeyId") or None,
    )


def instances(pages: Pages) -> tuple[InstanceFacts, ...]:
    """All instances of DescribeInstances pages."""
    return tuple(
        _instance(made) for page in pages for reservation in page.get("Reservations", []) for made in reservation.get("Instances", [])
    )


def _instance(made: Mapping[str, Any]) -> InstanceFacts:
    return InstanceFacts(
        instance_id=made["InstanceId"],
        state=made["State"]["Name"],
        state_reason_code=made.get("StateReason", {}).get("Code") or None,
        launched_at=made.get("LaunchTime"),
        lifecycle=made.get("InstanceLifecycle") or None,
        client_token=made.get("ClientToken") or None,
        spot_request_id=made.get("SpotInstanceRequestId") or None,
        image_id=made.get("ImageId", ""),
        instance_type=made.get("InstanceType", ""),
        platform_details=made.get("PlatformDetails") or None,
        vpc_id=made.get("VpcId", ""),
        subnet_id=made.get("SubnetId", ""),
        az_name=made.get("Placement", {}).get("AvailabilityZone", ""),
        security_group_ids=_security_group_ids(made),
        iam_instance_profile_arn=made.get("IamInstanceProfile", {}).get("Arn"),
        key_name=made.get("KeyName") or None,
        metadata_options=_metadata_options(made.get("MetadataOptions", {})),
        tags=_tags(made),
        volumes=tuple(_volume(mapping) for mapping in made.get("BlockDeviceMappings", []) if "Ebs" in mapping),
        interface_id=_primary_interface(made).get("NetworkInterfaceId"),
        private_ips=_private_ips(made),
        public_ip=made.get("PublicIpAddress") or None,
        detailed_monitoring=made.get("Monitoring", {}).get("State") in ("enabled", "pending"),
        ebs_optimized=bool(made.get("EbsOptimized", False)),
        root_device_name=made.get("RootDeviceName") or None,
    )


def _primary_interface(made: Mapping[str, Any]) -> Mapping[str, Any]:
    interfaces = made.get("NetworkInterfaces") or []
    return next((one for one in interfaces if one.get("Attachment", {}).get("DeviceIndex", 0) == 0), {})


def _private_ips(made: Mapping[str, Any]) -> tuple[str, ...]:
    first = made.get("PrivateIpAddress")
    listed = [address["PrivateIpAddress"] for one in made.get("NetworkInterfaces") or [] for address in one.get("PrivateIpAddresses", [])]
    return tuple(dict.fromkeys([*([first] if first else []), *listed]))


def _security_group_ids(made: Mapping[str, Any]) -> tuple[str, ...]:
    groups = made.get("SecurityGroups") or []
    if not groups:
        groups = [group for interface in made.get("NetworkInterfaces", [])[:1] for group in interface.get("Groups", [])]
    return tuple(group["GroupId"] for group in groups)


def _metadata_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Only what RunInstances takes: DescribeInstances adds a `State`."""
    return {name: options[name] for name in METADATA_OPTION_NAMES if name in options}


def _volume(mapping: Mapping[str, Any]) -> VolumeFacts:
    ebs = mapping["Ebs"]
    return VolumeFacts(ebs["VolumeId"], mapping["DeviceName"], bool(ebs.get("DeleteOnTermination", False)))


def volumes(pages: Pages) -> tuple[EbsFacts, ...]:
    """All volumes of DescribeVolumes pages."""
    return tuple(
        EbsFacts(
            volume_id=made["VolumeId"],
            state=made.get("State", ""),
            az_name=made.get("AvailabilityZone", ""),
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


def status_checks(answer: Mapping[str, Any]) -> str | None:
    """The worst of the checks in a DescribeInstanceStatus answer about one instance; None when it lists no running instance."""
    for made in answer.get("InstanceStatuses", []):
        said = {made.get(check, {}).get("Status") for check in ("SystemStatus", "InstanceStatus", "AttachedEbsStatus")} - {None}
        return IMPAIRED if IMPAIRED in said else next((str(status) for status in sorted(said) if status != "ok"), "ok")
    return None


def images(pages: Pages) -> tuple[ImageFacts, ...]:
    """All images of DescribeImages pages."""
    return tuple(
        ImageFacts(
            image_id=made["ImageId"],
            name=made.get("Name", ""),
            state=made.get("State", ""),
            created_at=optional_from_wire(made.get("CreationDate")),
            snapshot_ids=tuple(
                mapping["Ebs"]["SnapshotId"] for mapping in made.get("BlockDeviceMappings", []) if mapping.get("Ebs", {}).get("SnapshotId")
            ),
            device_names=tuple(mapping["DeviceName"] for mapping in made.get("BlockDeviceMappings", []) if mapping.get("Ebs")),
            tags=_tags(made),
        )
        for page in pages
        for made in page.get("Images", [])
    )


def snapshots(pages: Pages) -> tuple[SnapshotFacts, ...]:
    """All snapshots of DescribeSnapshots pages."""
    return tuple(
        SnapshotFacts(
            made["SnapshotId"],
            made.get("VolumeId", ""),
            made.get("StartTime"),
            _tags(made),
            made.get("State", ""),
            made.get("Progress", ""),
        )
        for page in pages
        for made in page.get("Snapshots", [])
    )


def address(made: Mapping[str, Any]) -> AddressFacts:
    """One address of DescribeAddresses."""
    return AddressFacts(
        allocation_id=made["AllocationId"],
        public_ip=made.get("PublicIp", ""),
        instance_id=made.get("InstanceId") or None,
        association_id=made.get("AssociationId") or None,
    )


def subnets(pages: Pages) -> tuple[SubnetFacts, ...]:
    """All subnets of DescribeSubnets pages."""
    return tuple(
        SubnetFacts(
            subnet_id=made["SubnetId"],
            az_id=made.get("AvailabilityZoneId", ""),
            az_name=made.get("AvailabilityZone", ""),
            free_addresses=int(made.get("AvailableIpAddressCount", 0)),
            maps_public_ip=bool(made.get("MapPublicIpOnLaunch", False)),
        )
        for page in pages
        for made in page.get("Subnets", [])
    )


def spot_prices(pages: Pages) -> tuple[SpotPrice, ...]:
    """All rows of DescribeSpotPriceHistory pages."""
    return tuple(_spot_price(row) for page in pages for row in page.get("SpotPriceHistory", []))


def _spot_price(row: Mapping[str, Any]) -> SpotPrice:
    effective_at: datetime = row["Timestamp"]
    return SpotPrice(
        az_name=row["AvailabilityZone"],
        instance_type=row["InstanceType"],
        product=row["ProductDescription"],
        spot_usd_per_hour=Decimal(row["SpotPrice"]),
        effective_at=effective_at,
    )


def instance_types(pages: Pages) -> tuple[TypeFacts, ...]:
    """All types of DescribeInstanceTypes pages."""
    return tuple(
        TypeFacts(
            instance_type=made["InstanceType"],
            vcpu=int(made["VCpuInfo"]["DefaultVCpus"]),
            memory_mib=int(made["MemoryInfo"]["SizeInMiB"]),
            architectures=tuple(made.get("ProcessorInfo", {}).get("SupportedArchitectures", [])),
        )
        for page in pages
        for made in page.get("InstanceTypes", [])
    )
