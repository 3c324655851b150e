"""What a copy of this instance needs: read off the instance itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spot_agent.ec2_facts import InstanceFacts, SubnetFacts
from spot_agent.model import JsonObject

_NOT_OURS_TO_COPY = ("aws:", "spot-optimizer:")


def launch_specification(instance: InstanceFacts, subnets: Iterable[SubnetFacts]) -> JsonObject:
    """The `launch_specification` of a registration."""
    return {
        "vpc_id": instance.vpc_id,
        "subnets": subnet_by_az(instance.subnet_id, subnets),
        "security_group_ids": list(instance.security_group_ids),
        "iam_instance_profile_arn": instance.iam_instance_profile_arn,
        "key_name": instance.key_name,
        "metadata_options": dict(instance.metadata_options),
        "tags": copied_tags(instance.tags),
    }


def copied_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Without those that EC2 reserves and those that the server sets itself."""
    return {key: value for key, value in tags.items() if not key.startswith(_NOT_OURS_TO_COPY)}


def subnet_by_az(own_subnet_id: str, subnets: Iterable[SubnetFacts]) -> dict[str, str]:
    """One subnet per AZ id.

    In its own zone, its own; elsewhere one that is as public as its own, then the one with most free addresses.
    """
    listed = [subnet for subnet in subnets if subnet.az_id]
    own = next((subnet for subnet in listed if subnet.subnet_id == own_subnet_id), None)

    def rank(subnet: SubnetFacts) -> tuple[bool, bool, int, str]:
        is_as_public = own is None or subnet.maps_public_ip == own.maps_public_ip
        return (subnet.subnet_id != own_subnet_id, not is_as_public, -subnet.free_addresses, subnet.subnet_id)

    chosen: dict[str, str] = {}
    for subnet in sorted(listed, key=rank):
        chosen.setdefault(subnet.az_id, subnet.subnet_id)
    return chosen


def az_id_of(own_subnet_id: str, subnets: Iterable[SubnetFacts]) -> str:
    """The AZ id of the instance's own subnet, "" when it is not among them."""
    return next((subnet.az_id for subnet in subnets if subnet.subnet_id == own_subnet_id), "")
