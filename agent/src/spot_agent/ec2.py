"""EC2 of one region. Only calls that may be repeated are retried; any failure leaves as Ec2Failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from spot_agent import ec2_shapes as shapes
from spot_agent.ec2_asking import asked, found
from spot_agent.ec2_balancing import BotocoreBalancing
from spot_agent.ec2_clients import Ec2Session
from spot_agent.ec2_dns import BotocoreDns
from spot_agent.ec2_facts import (
    AddressFacts,
    DryRun,
    ImageFacts,
    InstanceFacts,
    LaunchRequest,
    SnapshotFacts,
    SpotPrice,
    SubnetFacts,
    TypeFacts,
    VolumeSettings,
)
from spot_agent.ec2_volumes import BotocoreVolumes
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.logs import Log
from spot_agent.model import TAG_LAUNCH_TOKEN

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

CODE_DEREGISTERED = "InvalidAMIID.Unavailable"
CODE_DRY_RUN_ALLOWED = "DryRunOperation"


def ec2_of_region(region: str, log: Log) -> BotocoreEc2:
    """EC2 of a region, as this machine reaches it."""
    session = Ec2Session(region, log)
    return BotocoreEc2(session.client(attempts=3), session.client(attempts=1), partial(session.neighbour, attempts=3))


class BotocoreEc2:
    """Safe to share between threads once made."""

    def __init__(self, repeatable: EC2Client, once: EC2Client, neighbour: Callable[[str], Any]) -> None:
        """`repeatable` retries by itself and gets the calls that are harmless to repeat, `once` does not.

        `neighbour` gives the client of another service by botocore's name for it, which retries, too; the same one each time.
        """
        self._repeatable = repeatable
        self._once = once
        self.balancing = BotocoreBalancing(partial(neighbour, "elbv2"))
        self.dns = BotocoreDns(partial(neighbour, "route53"))
        self.ebs = BotocoreVolumes(repeatable, once)

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        """Describe one instance; None when EC2 knows no such id."""
        answer = found(lambda: self._repeatable.describe_instances(InstanceIds=[instance_id]))
        listed = shapes.instances([answer] if answer else [])
        return listed[0] if listed else None

    def status_checks(self, instance_id: str) -> str | None:
        """Read the status checks of one instance."""
        answer = found(lambda: self._repeatable.describe_instance_status(InstanceIds=[instance_id]))
        return shapes.status_checks(answer or {})

    def find_instances(self, tags: Mapping[str, str]) -> tuple[InstanceFacts, ...]:
        """List the instances that carry all of `tags`, ended ones included while EC2 shows them."""
        pages = self._pages("describe_instances", Filters=shapes.tag_filters(tags))
        return shapes.instances(pages)

    def images_in_use(self, image_ids: Sequence[str]) -> frozenset[str]:
        """Pick those of `image_ids` from which a living instance was made."""
        if not image_ids:
            return frozenset()
        pages = self._pages("describe_instances", Filters=[{"Name": "image-id", "Values": list(image_ids)}])
        return frozenset(made.image_id for made in shapes.instances(pages) if made.state != "terminated")

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        """Launch one instance; a repeat with the same client token finds the first."""
        wanted = shapes.run_instances_arguments(request, {**request.tags, TAG_LAUNCH_TOKEN: request.client_token})
        answer = asked(lambda: self._once.run_instances(**wanted))
        return shapes.instances([{"Reservations": [answer]}])[0]

    def terminate_instance(self, instance_id: str) -> str:
        """Terminate; the state after the call."""
        answer = asked(lambda: self._repeatable.terminate_instances(InstanceIds=[instance_id]))
        return str(answer["TerminatingInstances"][0]["CurrentState"]["Name"])

    def stop_instance(self, instance_id: str) -> str:
        """Stop, whatever its system does meanwhile; the state after the call."""
        answer = asked(lambda: self._repeatable.stop_instances(InstanceIds=[instance_id], Force=True))
        return str(answer["StoppingInstances"][0]["CurrentState"]["Name"])

    def tag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags, leaving others as they are."""
        asked(lambda: self._repeatable.create_tags(Resources=[resource_id], Tags=shapes.tag_list(tags)))

    def is_persistent_request(self, spot_request_id: str) -> bool:
        """Tell whether EC2 would launch another instance once this one is gone."""
        ids = [spot_request_id]
        answer = found(lambda: self._repeatable.describe_spot_instance_requests(SpotInstanceRequestIds=ids))
        requests = answer["SpotInstanceRequests"] if answer else []
        return any(request.get("Type") == "persistent" for request in requests)

    def cancel_spot_request(self, spot_request_id: str) -> None:
        """Cancel a spot request; its instance keeps running."""
        ids = [spot_request_id]
        asked(lambda: self._repeatable.cancel_spot_instance_requests(SpotInstanceRequestIds=ids))

    def keep_volumes(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=false."""
        self._set_deletion(instance_id, device_names, is_deleted=False)

    def let_volumes_go(self, instance_id: str, device_names: Sequence[str]) -> None:
        """Set DeleteOnTermination=true."""
        self._set_deletion(instance_id, device_names, is_deleted=True)

    def _set_deletion(self, instance_id: str, device_names: Sequence[str], *, is_deleted: bool) -> None:
        mappings: Any = [{"DeviceName": name, "Ebs": {"DeleteOnTermination": is_deleted}} for name in device_names]
        asked(lambda: self._repeatable.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=mappings))

    def find_image(self, name: str) -> ImageFacts | None:
        """Find this account's image of this name, which is unique."""
        pages = self._pages("describe_images", Owners=["self"], Filters=[{"Name": "name", "Values": [name]}])
        listed = shapes.images(pages)
        return listed[0] if listed else None

    def find_images(self, tags: Mapping[str, str]) -> tuple[ImageFacts, ...]:
        """List this account's images that carry all of `tags`."""
        return shapes.images(self._pages("describe_images", Owners=["self"], Filters=shapes.tag_filters(tags)))

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        """Begin an image without a reboot; its id."""
        wanted: Any = {"TagSpecifications": shapes.tag_specifications(tags, ("image", "snapshot"))}
        if without_devices:
            wanted["BlockDeviceMappings"] = [{"DeviceName": name, "NoDevice": ""} for name in without_devices]
        answer = asked(lambda: self._once.create_image(InstanceId=instance_id, Name=name, NoReboot=True, **wanted))
        return str(answer["ImageId"])

    def deregister_image(self, image_id: str) -> None:
        """Deregister; one that is gone already is fine. Its snapshots stay."""
        try:
            found(lambda: self._repeatable.deregister_image(ImageId=image_id))
        except Ec2Failed as error:
            if error.code != CODE_DEREGISTERED:
                raise

    def find_snapshots(self, tags: Mapping[str, str]) -> tuple[SnapshotFacts, ...]:
        """List this account's snapshots that carry all of `tags`."""
        pages = self._pages("describe_snapshots", OwnerIds=["self"], Filters=shapes.tag_filters(tags))
        return shapes.snapshots(pages)

    def create_snapshots(self, instance_id: str, tags: Mapping[str, str]) -> tuple[str, ...]:
        """Begin a snapshot of each attached volume, at one moment."""
        specifications = shapes.tag_specifications(tags, ("snapshot",))
        answer = asked(
            lambda: self._once.create_snapshots(InstanceSpecification={"InstanceId": instance_id}, TagSpecifications=specifications)
        )
        return tuple(str(made["SnapshotId"]) for made in answer["Snapshots"])

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete; one that is gone already is fine."""
        found(lambda: self._repeatable.delete_snapshot(SnapshotId=snapshot_id))

    def find_volumes(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """List (volume id, state) of volumes that carry all of `tags`."""
        pages = self._pages("describe_volumes", Filters=shapes.tag_filters(tags))
        return tuple((str(made["VolumeId"]), str(made["State"])) for page in pages for made in page["Volumes"])

    def volume_settings(self, volume_ids: Sequence[str]) -> tuple[VolumeSettings, ...]:
        """Describe volumes; one that EC2 does not know is left out."""
        if not volume_ids:
            return ()
        filters = [{"Name": "volume-id", "Values": list(volume_ids)}]
        return shapes.volume_settings(self._pages("describe_volumes", Filters=filters))

    def cpu_credits(self, instance_id: str) -> str | None:
        """Read the credit specification of a burstable instance: standard or unlimited."""
        answer = found(lambda: self._repeatable.describe_instance_credit_specifications(InstanceIds=[instance_id]))
        listed = answer["InstanceCreditSpecifications"] if answer else []
        return next((str(one["CpuCredits"]) for one in listed if one.get("CpuCredits")), None)

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        """Describe an Elastic IP; None when EC2 knows no such allocation."""
        answer = found(lambda: self._repeatable.describe_addresses(AllocationIds=[allocation_id]))
        return shapes.address(answer["Addresses"][0]) if answer and answer["Addresses"] else None

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        """Associate an Elastic IP; the association's id."""
        answer = asked(
            lambda: self._repeatable.associate_address(
                AllocationId=allocation_id, InstanceId=instance_id, AllowReassociation=allow_reassociation
            )
        )
        return str(answer.get("AssociationId", ""))

    def disassociate_address(self, association_id: str) -> None:
        """Free an Elastic IP from one association; one that is over is fine."""
        found(lambda: self._repeatable.disassociate_address(AssociationId=association_id))

    def assign_private_ip(self, interface_id: str, private_ip: str) -> None:
        """Have a network interface hold a secondary address, taking it from whichever of the same subnet has it."""
        asked(
            lambda: self._repeatable.assign_private_ip_addresses(
                NetworkInterfaceId=interface_id, PrivateIpAddresses=[private_ip], AllowReassignment=True
            )
        )

    def subnets_of_vpc(self, vpc_id: str) -> tuple[SubnetFacts, ...]:
        """List the subnets of a VPC."""
        return shapes.subnets(self._pages("describe_subnets", Filters=[{"Name": "vpc-id", "Values": [vpc_id]}]))

    def zone_ids(self) -> dict[str, str]:
        """Map this account's AZ names to AZ ids."""
        answer = asked(self._repeatable.describe_availability_zones)
        return {str(zone["ZoneName"]): str(zone["ZoneId"]) for zone in answer["AvailabilityZones"] if "ZoneId" in zone}

    def spot_prices(self, instance_types: Sequence[str], products: Sequence[str], at: datetime) -> tuple[SpotPrice, ...]:
        """Read the history of prices, of which the newest row of each pool is the price at `at`."""
        pages = self._pages(
            "describe_spot_price_history",
            InstanceTypes=list(instance_types),
            ProductDescriptions=list(products),
            StartTime=at,
        )
        return shapes.spot_prices(pages)

    def instance_types(self, instance_types: Sequence[str]) -> tuple[TypeFacts, ...]:
        """Describe instance types; one that does not exist fails the whole call."""
        return shapes.instance_types(self._pages("describe_instance_types", InstanceTypes=list(instance_types)))

    def dry_run(self, operation: str, arguments: Mapping[str, Any]) -> DryRun:
        """Ask whether EC2 would allow `operation`. DryRun is set here, and nowhere taken back."""
        call = getattr(self._repeatable, operation)
        try:
            asked(lambda: call(**{**arguments, "DryRun": True}))
        except Ec2Failed as error:
            is_allowed = error.code == CODE_DRY_RUN_ALLOWED
            return DryRun(error.code, error.message, None if is_allowed else error.error_class)
        return DryRun("", "the call was answered as if it were meant", ErrorClass.UNEXPECTED, is_ignored=True)

    def _pages(self, operation: Any, **arguments: Any) -> list[Any]:  # noqa: ANN401 - the types of the stubs differ by operation
        paginator = self._repeatable.get_paginator(operation)
        return asked(lambda: list(paginator.paginate(**arguments)))
