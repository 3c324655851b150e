"""Between EC2's dicts and our frozen values. No boto3 here: dicts in, values out, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from spot_server.aws.ports import (
    TAG_LAUNCH_TOKEN,
    AddressFacts,
    AttachedVolume,
    ImageFacts,
    InstanceFacts,
    InstanceStatusFacts,
    LaunchRequest,
    NetworkFacts,
    ScheduledEventFacts,
    SpotRequestFacts,
    VolumeSettings,
)

Pages = Iterable[Any]


def tag_specifications(tags: Mapping[str, str], resource_types: Iterable[str]) -> Any:  # noqa: ANN401 - a list of boto3 TypedDicts
    """Put the same tags on each of `resource_types` at creation."""
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    return [{"ResourceType": kind, "Tags": listed} for kind in resource_types] if listed else []


def run_instances_arguments(request: LaunchRequest) -> dict[str, Any]:
    """Ask for one instance, never more.

    The same arguments as the daemons', because a client token with other arguments is a mismatch. A spot instance is one-time and ends by
    termination; no MaxPrice (the cap is on-demand). What is not given is left out: EC2 takes it from the image or its own defaults.
    """
    tags = {**request.tags, TAG_LAUNCH_TOKEN: request.client_token}
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


def instances(pages: Pages) -> tuple[InstanceFacts, ...]:
    """Return all instances of DescribeInstances pages (or of a RunInstances answer in a list of reservations)."""
    return tuple(
        InstanceFacts(
            instance_id=made["InstanceId"],
            state=made["State"]["Name"],
            state_reason_code=made.get("StateReason", {}).get("Code") or None,
            launched_at=made.get("LaunchTime"),
            spot_request_id=made.get("SpotInstanceRequestId") or None,
            client_token=made.get("ClientToken") or None,
            tags={tag["Key"]: tag["Value"] for tag in made.get("Tags") or []},
            network=_network(made),
            going_volumes=tuple(held for held in going if held.device_name != made.get("RootDeviceName")),
            going_root=next((held for held in going if held.device_name == made.get("RootDeviceName")), None),
        )
        for page in pages
        for reservation in page.get("Reservations", [])
        for made in reservation.get("Instances", [])
        for going in [_going_volumes(made)]
    )


def _going_volumes(made: Mapping[str, Any]) -> tuple[AttachedVolume, ...]:
    mappings = [mapping for mapping in made.get("BlockDeviceMappings", []) if mapping.get("Ebs", {}).get("DeleteOnTermination")]
    return tuple(AttachedVolume(str(mapping["Ebs"].get("VolumeId", "")), str(mapping["DeviceName"])) for mapping in mappings)


def _network(made: Mapping[str, Any]) -> NetworkFacts:
    interfaces: list[Mapping[str, Any]] = made.get("NetworkInterfaces") or []
    primary = next((one for one in interfaces if one.get("Attachment", {}).get("DeviceIndex", 0) == 0), {})
    first = made.get("PrivateIpAddress")
    listed = [address["PrivateIpAddress"] for one in interfaces for address in one.get("PrivateIpAddresses", [])]
    return NetworkFacts(
        interface_id=primary.get("NetworkInterfaceId"),
        private_ips=tuple(dict.fromkeys([*([first] if first else []), *listed])),
        public_ip=made.get("PublicIpAddress") or None,
    )


def spot_requests(pages: Pages) -> tuple[SpotRequestFacts, ...]:
    """Return the requests of DescribeSpotInstanceRequests pages that have an instance."""
    return tuple(
        SpotRequestFacts(
            request_id=made["SpotInstanceRequestId"],
            instance_id=made["InstanceId"],
            status_code=made.get("Status", {}).get("Code", ""),
            updated_at=made.get("Status", {}).get("UpdateTime"),
            interruption_behavior=made.get("InstanceInterruptionBehavior", "terminate"),
        )
        for page in pages
        for made in page.get("SpotInstanceRequests", [])
        if made.get("InstanceId")
    )


_CHECKS = ("SystemStatus", "InstanceStatus", "AttachedEbsStatus")


def instance_statuses(pages: Pages) -> tuple[InstanceStatusFacts, ...]:
    """Return all statuses of DescribeInstanceStatus pages."""
    return tuple(_instance_status(made) for page in pages for made in page.get("InstanceStatuses", []))


def _instance_status(made: Mapping[str, Any]) -> InstanceStatusFacts:
    told = {check: made[check] for check in _CHECKS if made.get(check)}
    since = [detail["ImpairedSince"] for check in told.values() for detail in check.get("Details", []) if detail.get("ImpairedSince")]
    return InstanceStatusFacts(
        instance_id=made["InstanceId"],
        checks={check: said.get("Status", "") for check, said in told.items()},
        impaired_since=min(since, default=None),
        scheduled_events=tuple(
            ScheduledEventFacts(
                event.get("InstanceEventId", ""), event.get("Code", ""), event.get("Description", ""), event.get("NotBefore")
            )
            for event in made.get("Events", [])
        ),
    )


def images(pages: Pages) -> tuple[ImageFacts, ...]:
    """Return all images of DescribeImages pages."""
    return tuple(
        ImageFacts(
            image_id=made["ImageId"],
            name=made.get("Name", ""),
            state=made.get("State", ""),
            created_at=_moment(made.get("CreationDate")),
            snapshot_ids=tuple(
                mapping["Ebs"]["SnapshotId"] for mapping in made.get("BlockDeviceMappings", []) if mapping.get("Ebs", {}).get("SnapshotId")
            ),
            device_names=tuple(mapping["DeviceName"] for mapping in made.get("BlockDeviceMappings", []) if mapping.get("Ebs")),
        )
        for page in pages
        for made in page.get("Images", [])
    )


def _moment(text: str | None) -> datetime | None:
    """Return the moment that DescribeImages gives as text, such as 2026-01-01T00:00:00.000Z."""
    return datetime.fromisoformat(text) if text else None


def address(made: Mapping[str, Any]) -> AddressFacts:
    """Return one address of DescribeAddresses."""
    return AddressFacts(
        allocation_id=made["AllocationId"],
        public_ip=made.get("PublicIp", ""),
        instance_id=made.get("InstanceId") or None,
        association_id=made.get("AssociationId") or None,
    )
