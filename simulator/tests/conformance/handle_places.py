"""Where the adapters for traffic handles are asked: a region in either form, or moto alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Protocol

import boto3

from conformance.port import RegionPort
from conformance.world import World


class Place(Protocol):
    """Something that answers as AWS does."""

    def client(self, service: str) -> Any:
        """Return boto3's client of a service, or one of its shape."""

    def instances(self) -> tuple[str, str]:
        """Return two running instances of one subnet."""


@dataclass
class RegionPlace:
    """The simulated region, in either form."""

    region: RegionPort

    def client(self, service: str) -> Any:
        return self.region.ec2 if service == "ec2" else self.region.client(service)

    def instances(self) -> tuple[str, str]:
        world = World(self.region)
        image_id = world.image()
        made = (world.launch(image_id), world.launch(image_id))
        for instance_id in made:
            world.wait_for_state(instance_id, "running")
        return made


@dataclass
class MotoPlace:
    """moto, as it is."""

    url: str

    def client(self, service: str) -> Any:
        create: Any = boto3.client  # its overloads ask for the service's name as a literal
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return create(service, region_name="us-east-1", endpoint_url=self.url, **keys)

    def instances(self) -> tuple[str, str]:
        ec2 = self.client("ec2")
        image_id = ec2.register_image(Name=uuid.uuid4().hex, RootDeviceName="/dev/sda1")["ImageId"]
        subnet_id = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        made = ec2.run_instances(ImageId=image_id, SubnetId=subnet_id, MinCount=2, MaxCount=2)["Instances"]
        return str(made[0]["InstanceId"]), str(made[1]["InstanceId"])


def new_group(place: Place) -> str:
    """Make a target group whose targets are asked often, and return its ARN."""
    vpc_id = place.client("ec2").describe_subnets()["Subnets"][0]["VpcId"]
    made = place.client("elbv2").create_target_group(
        Name=f"group-{uuid.uuid4().hex[:8]}", Protocol="HTTP", Port=8080, VpcId=vpc_id, HealthCheckIntervalSeconds=5
    )
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def new_zone(place: Place) -> str:
    """Make a zone example.com, and return its id."""
    made = place.client("route53").create_hosted_zone(Name="example.com", CallerReference=uuid.uuid4().hex)
    return str(made["HostedZone"]["Id"]).rpartition("/")[2]
