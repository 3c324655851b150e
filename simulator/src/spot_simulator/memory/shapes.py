"""From the books to what boto3 returns: new dicts for every answer, so that a caller may keep and change them."""

from datetime import datetime
from typing import Any

from spot_simulator.ec2.hardware import ROOT_DEVICE
from spot_simulator.machine import STATE_CODES, ReasonCode, State
from spot_simulator.memory.books import ACCOUNT_ID, MemoryBooks
from spot_simulator.memory.records import (
    AddressRecord,
    ImageRecord,
    InstanceRecord,
    SnapshotRecord,
    SubnetRecord,
)
from spot_simulator.model.capacity import Mode
from spot_simulator.volumes.shapes import device

Shape = dict[str, Any]

REASON_MESSAGES = {
    ReasonCode.USER: "Client.UserInitiatedShutdown: User initiated shutdown",
    ReasonCode.SPOT_TERMINATION: "Server.SpotInstanceTermination: Spot instance termination",
    ReasonCode.SPOT_STOP: "Server.SpotInstanceShutdown: Spot instance shutdown",
    ReasonCode.INTERNAL_ERROR: "Server.InternalError: The instance was lost",
}
_FREE_ADDRESSES = 507


def whole_second(moment: datetime) -> datetime:
    """Cut the fraction off, as EC2 does."""
    return moment.replace(microsecond=0)


def tag_list(tags: dict[str, str]) -> list[Shape]:
    """Tags as EC2 shows them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def state_shape(state: State) -> Shape:
    """An instance's state with its code."""
    return {"Code": STATE_CODES[state], "Name": state.value}


def instance(record: InstanceRecord, books: MemoryBooks) -> Shape:
    """An instance as DescribeInstances shows it."""
    machine = record.machine
    launched_at = whole_second(machine.launched_at)
    shown: Shape = {
        "AmiLaunchIndex": 0,
        "Architecture": machine.architecture,
        "BlockDeviceMappings": [] if machine.state is State.TERMINATED else _devices(record, books),
        "ClientToken": record.client_token or "",
        "EbsOptimized": record.is_ebs_optimized,
        "Hypervisor": "xen",
        "ImageId": machine.image_id,
        "InstanceId": machine.instance_id,
        "InstanceType": machine.instance_type,
        "LaunchTime": launched_at,
        "MetadataOptions": {"State": "applied", **record.metadata_options},
        "Monitoring": {"State": "enabled" if record.is_monitored else "disabled"},
        "Placement": {"AvailabilityZone": machine.az_name, "GroupName": "", "Tenancy": "default"},
        "PlatformDetails": "Linux/UNIX",
        "PrivateDnsName": f"ip-{machine.private_ip.replace('.', '-')}.ec2.internal",
        "PrivateIpAddress": machine.private_ip,
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "SecurityGroups": [{"GroupId": group_id, "GroupName": "default"} for group_id in record.group_ids],
        "State": state_shape(machine.state),
        "StateTransitionReason": REASON_MESSAGES[machine.reason] if machine.reason else "",
        "SubnetId": record.subnet_id,
        "VirtualizationType": "hvm",
        "VpcId": books.vpc_id,
    }
    _add_what_may_be_missing(shown, record, books)
    return shown


def _add_what_may_be_missing(shown: Shape, record: InstanceRecord, books: MemoryBooks) -> None:
    machine, address = record.machine, books.address_of(record.machine.instance_id)
    tags = books.tags(machine.instance_id)
    if machine.state is not State.TERMINATED:
        shown["NetworkInterfaces"] = [_interface(record, books)]
    if machine.reason is not None:
        shown["StateReason"] = {"Code": machine.reason.value, "Message": REASON_MESSAGES[machine.reason]}
    if machine.mode is Mode.SPOT:
        shown |= {"InstanceLifecycle": "spot", "SpotInstanceRequestId": machine.spot_request_id}
    if record.key_name:
        shown["KeyName"] = record.key_name
    if record.profile_arn:
        shown["IamInstanceProfile"] = {"Arn": record.profile_arn}
    if address is not None:
        shown["PublicIpAddress"] = address.public_ip
    if tags:
        shown["Tags"] = tag_list(tags)


def _interface(record: InstanceRecord, books: MemoryBooks) -> Shape:
    machine = record.machine
    addresses = [{"Primary": place == 0, "PrivateIpAddress": ip} for place, ip in enumerate([machine.private_ip, *machine.assigned_ips])]
    return {
        "Groups": [{"GroupId": group_id, "GroupName": "default"} for group_id in record.group_ids],
        "MacAddress": machine.mac,
        "NetworkInterfaceId": record.interface_id,
        "PrivateIpAddress": machine.private_ip,
        "PrivateIpAddresses": addresses,
        "Status": "in-use",
        "SubnetId": record.subnet_id,
        "VpcId": books.vpc_id,
    }


def _devices(record: InstanceRecord, books: MemoryBooks) -> list[Shape]:
    held = [books.volumes[volume_id] for volume_id in record.volume_ids.values()]
    return [device(volume, volume.attachment) for volume in held if volume.attachment is not None]


def reservation(records: list[InstanceRecord], books: MemoryBooks) -> Shape:
    """The instances of one launch."""
    return {
        "ReservationId": records[0].reservation_id,
        "OwnerId": ACCOUNT_ID,
        "Groups": [],
        "Instances": [instance(record, books) for record in records],
    }


def image(record: ImageRecord, books: MemoryBooks) -> Shape:
    """An image as DescribeImages shows it; its time is text, as EC2 has it."""
    ebs = {
        "DeleteOnTermination": False,
        "SnapshotId": record.snapshot_id,
        "VolumeSize": record.root.size_gib,
        "VolumeType": record.root.volume_type,
    }
    shown = {
        "Architecture": record.architecture,
        "BlockDeviceMappings": [{"DeviceName": ROOT_DEVICE, "Ebs": ebs}],
        "CreationDate": record.created_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "Description": record.description,
        "ImageId": record.image_id,
        "ImageType": "machine",
        "Name": record.name,
        "OwnerId": ACCOUNT_ID,
        "Public": False,
        "RootDeviceName": ROOT_DEVICE,
        "RootDeviceType": "ebs",
        "State": record.state,
        "Tags": tag_list(books.tags(record.image_id)),
        "VirtualizationType": "hvm",
    }
    return shown if record.source_instance_id is None else {**shown, "SourceInstanceId": record.source_instance_id}


def snapshot(record: SnapshotRecord, books: MemoryBooks) -> Shape:
    """A snapshot as DescribeSnapshots shows it."""
    return {
        "Description": record.description,
        "Encrypted": record.kind.is_encrypted,
        "OwnerId": ACCOUNT_ID,
        "Progress": "100%" if record.state == "completed" else "0%",
        "SnapshotId": record.snapshot_id,
        "StartTime": whole_second(record.started_at),
        "State": record.state,
        "Tags": tag_list(books.tags(record.snapshot_id)),
        "VolumeId": record.volume_id,
        "VolumeSize": record.kind.size_gib,
    }


def address(record: AddressRecord, books: MemoryBooks) -> Shape:
    """An Elastic IP as DescribeAddresses shows it."""
    shown: Shape = {
        "AllocationId": record.allocation_id,
        "Domain": "vpc",
        "PublicIp": record.public_ip,
        "Tags": tag_list(books.tags(record.allocation_id)),
    }
    if record.instance_id is not None:
        holder = books.instances[record.instance_id]
        shown |= {
            "AssociationId": record.association_id,
            "InstanceId": record.instance_id,
            "NetworkInterfaceId": holder.interface_id,
            "PrivateIpAddress": holder.machine.private_ip,
        }
    return shown


def cidr_of(record: SubnetRecord) -> str:
    """The addresses of a subnet."""
    return f"127.10.{2 * record.number}.0/23"


def subnet(record: SubnetRecord, books: MemoryBooks) -> Shape:
    """A subnet as DescribeSubnets shows it."""
    return {
        "AvailabilityZone": record.zone,
        "AvailabilityZoneId": record.az_id,
        "AvailableIpAddressCount": _FREE_ADDRESSES,
        "CidrBlock": cidr_of(record),
        "DefaultForAz": True,
        "MapPublicIpOnLaunch": False,
        "OwnerId": ACCOUNT_ID,
        "State": "available",
        "SubnetId": record.subnet_id,
        "Tags": tag_list(books.tags(record.subnet_id)),
        "VpcId": books.vpc_id,
    }
