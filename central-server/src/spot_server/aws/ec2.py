"""EC2 with a role's credentials. Time-outs everywhere; only calls that may be repeated are retried here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from spot_server.aws import shapes
from spot_server.aws.asking import asked, found
from spot_server.aws.dns import Boto3Dns
from spot_server.aws.errors import AwsFailed, is_absence
from spot_server.aws.load_balancing import Boto3Balancing
from spot_server.aws.ports import (
    TAG_CLIENT_ID,
    TAG_LAUNCH_TOKEN,
    TAG_MANAGED,
    AddressFacts,
    ImageFacts,
    InstanceFacts,
    InstanceStatusFacts,
    LaunchRequest,
    SpotRequestFacts,
)
from spot_server.aws.volumes import Boto3Volumes

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


MOST_FILTER_VALUES = 200
"""Of one filter. Source: the EC2 API reference."""

MOST_STATUS_IDS = 100
"""Of one DescribeInstanceStatus. Source: the EC2 API reference."""


class Boto3Ec2:
    """The real Ec2Port. Clients are safe to share between threads once made."""

    def __init__(self, repeatable: EC2Client, once: EC2Client, neighbour: Callable[[str], Any]) -> None:
        """`repeatable` retries by itself and gets the calls that are harmless to repeat, `once` does not.

        `neighbour` gives the client of another service by boto3's name for it, which retries, too; the same one each time.
        """
        self._repeatable = repeatable
        self._once = once
        self.balancing = Boto3Balancing(partial(neighbour, "elbv2"))
        self.dns = Boto3Dns(partial(neighbour, "route53"))
        self.volumes = Boto3Volumes(repeatable, once)

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        """Describe one instance."""
        answer = found(lambda: self._repeatable.describe_instances(InstanceIds=[instance_id]))
        listed = shapes.instances([answer] if answer else [])
        return listed[0] if listed else None

    def find_by_launch_token(self, client_token: str) -> tuple[InstanceFacts, ...]:
        """Find instances by the tag that carries their client token."""
        return self._find_instances({TAG_LAUNCH_TOKEN: client_token})

    def find_managed(self, client_id: str) -> tuple[InstanceFacts, ...]:
        """Find a client's instances by our tags."""
        return self._find_instances({TAG_MANAGED: "true", TAG_CLIENT_ID: client_id})

    def _find_instances(self, tags: Mapping[str, str]) -> tuple[InstanceFacts, ...]:
        paginator = self._repeatable.get_paginator("describe_instances")
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]
        pages = paginator.paginate(Filters=filters)  # type: ignore[arg-type]
        return shapes.instances(asked(lambda: list(pages)))

    def address_holders(self) -> frozenset[str]:
        """List the addresses of the account."""
        answer = asked(self._repeatable.describe_addresses)
        addresses = [shapes.address(made) for made in answer["Addresses"] if made.get("AllocationId")]
        return frozenset(address.instance_id for address in addresses if address.instance_id is not None)

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        """Launch one instance."""
        arguments = shapes.run_instances_arguments(request)
        answer = asked(lambda: self._once.run_instances(**arguments))
        return shapes.instances([{"Reservations": [answer]}])[0]

    def terminate_instance(self, instance_id: str) -> str:
        """Terminate one instance."""
        answer = asked(lambda: self._repeatable.terminate_instances(InstanceIds=[instance_id]))
        return str(answer["TerminatingInstances"][0]["CurrentState"]["Name"])

    def stop_instance(self, instance_id: str) -> str:
        """Stop one instance, whatever its system does meanwhile."""
        answer = asked(lambda: self._repeatable.stop_instances(InstanceIds=[instance_id], Force=True))
        return str(answer["StoppingInstances"][0]["CurrentState"]["Name"])

    def is_persistent_request(self, spot_request_id: str) -> bool:
        """Read the type of a spot request; one that EC2 no longer knows launches nothing."""
        ids = [spot_request_id]
        answer = found(lambda: self._repeatable.describe_spot_instance_requests(SpotInstanceRequestIds=ids))
        requests = answer["SpotInstanceRequests"] if answer else []
        return any(request.get("Type") == "persistent" for request in requests)

    def spot_requests_of(self, instance_ids: Sequence[str]) -> tuple[SpotRequestFacts, ...]:
        """Find spot requests by their instances: a filter passes over those that EC2 does not know."""
        paginator = self._repeatable.get_paginator("describe_spot_instance_requests")
        pages = []
        for batch in _batches(instance_ids, MOST_FILTER_VALUES):
            filters = [{"Name": "instance-id", "Values": batch}]
            pages += asked(lambda: list(paginator.paginate(Filters=filters)))  # type: ignore[arg-type]  # noqa: B023 - called at once
        return shapes.spot_requests(pages)

    def instance_statuses(self, instance_ids: Sequence[str]) -> tuple[InstanceStatusFacts, ...]:
        """Read the status of instances, some at a time."""
        return tuple(status for batch in _batches(instance_ids, MOST_STATUS_IDS) for status in self._statuses(batch))

    def _statuses(self, instance_ids: list[str]) -> tuple[InstanceStatusFacts, ...]:
        """EC2 answers nothing at all when it does not know one of the ids: ask for each half, until that one stands alone."""
        try:
            answer = asked(lambda: self._repeatable.describe_instance_status(InstanceIds=instance_ids))
        except AwsFailed as error:
            if not is_absence(error.code):
                raise
            if len(instance_ids) == 1:
                return ()
            middle = len(instance_ids) // 2
            return self._statuses(instance_ids[:middle]) + self._statuses(instance_ids[middle:])
        return shapes.instance_statuses([answer])

    def cancel_spot_request(self, spot_request_id: str) -> None:
        """Cancel a spot request."""
        ids = [spot_request_id]
        asked(lambda: self._repeatable.cancel_spot_instance_requests(SpotInstanceRequestIds=ids))

    def find_image_by_name(self, name: str) -> ImageFacts | None:
        """Find an image of the account by its name."""
        filters = [{"Name": "name", "Values": [name]}]
        answer = asked(lambda: self._repeatable.describe_images(Owners=["self"], Filters=filters))  # type: ignore[arg-type]
        listed = shapes.images([answer])
        return listed[0] if listed else None

    def describe_image(self, image_id: str) -> ImageFacts | None:
        """Describe an image of the account."""
        answer = found(lambda: self._repeatable.describe_images(Owners=["self"], ImageIds=[image_id]))
        listed = shapes.images([answer] if answer else [])
        return listed[0] if listed else None

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        """Begin an image without a reboot."""
        wanted: Any = {"TagSpecifications": shapes.tag_specifications(tags, ("image", "snapshot"))}
        if without_devices:
            wanted["BlockDeviceMappings"] = [{"DeviceName": name, "NoDevice": ""} for name in without_devices]
        answer = asked(lambda: self._once.create_image(InstanceId=instance_id, Name=name, NoReboot=True, **wanted))
        return str(answer["ImageId"])

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        """Describe an Elastic IP."""
        answer = found(lambda: self._repeatable.describe_addresses(AllocationIds=[allocation_id]))
        return shapes.address(answer["Addresses"][0]) if answer and answer["Addresses"] else None

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        """Associate an Elastic IP."""
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
        """Assign a secondary private address."""
        asked(
            lambda: self._repeatable.assign_private_ip_addresses(
                NetworkInterfaceId=interface_id, PrivateIpAddresses=[private_ip], AllowReassignment=True
            )
        )


def _batches(instance_ids: Sequence[str], most: int) -> Iterator[list[str]]:
    for start in range(0, len(instance_ids), most):
        yield list(instance_ids[start : start + most])
