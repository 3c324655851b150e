"""Arranging a region for a test: images with trivial services, instances, addresses, and looking at them."""

import itertools
from typing import Any

from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.port import HttpAnswer, RegionPort

_NUMBERS = itertools.count(1)


def service(name: str, program: Behaviour | list[str], **more: Any) -> dict[str, Any]:
    """Describe a service for an image; ``program`` is what it does, or a command."""
    return {"name": name, "argv": program, **more}


def shell(name: str, script: str, **more: Any) -> dict[str, Any]:
    """Describe a service that is a shell script: for regions of processes."""
    return service(name, ["/bin/sh", "-c", script], **more)


class World:
    """Short words for what the tests do again and again."""

    def __init__(self, region: RegionPort) -> None:
        self.region, self.ec2 = region, region.ec2

    def unique(self, prefix: str = "name") -> str:
        """Return a text that no other test uses."""
        return f"{prefix}-{next(_NUMBERS)}"

    def image(self, *services: dict[str, Any]) -> str:
        """Make a base image with these services, and return its id."""
        listed = [{**one, "argv": self._argv(one["argv"])} for one in services]
        body = {"name": self.unique("base"), "env_file": "SETTING=1\n", "services": listed}
        status, answer = self.region.control("POST", "/base-image", body)
        assert status == 201, answer
        return str(answer["image_id"])

    def _argv(self, program: Behaviour | list[str]) -> list[str]:
        return self.region.argv(program) if isinstance(program, Behaviour) else program

    def subnet(self, az_id: str = "use1-az1") -> str:
        """Return the subnet of a zone."""
        subnets = self.ec2.describe_subnets()["Subnets"]
        return str(next(subnet["SubnetId"] for subnet in subnets if subnet["AvailabilityZoneId"] == az_id))

    def launch_request(self, image_id: str, **more: Any) -> dict[str, Any]:
        """Return the parameters of RunInstances for one spot instance; ``is_spot=False`` for one on demand."""
        request = {"ImageId": image_id, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1, "SubnetId": self.subnet()}
        if more.pop("is_spot", True):
            request["InstanceMarketOptions"] = {"MarketType": "spot", "SpotOptions": {"SpotInstanceType": "one-time"}}
        return {**request, **more}

    def launch(self, image_id: str, **more: Any) -> str:
        """Launch one instance and return its id."""
        answer = self.ec2.run_instances(**self.launch_request(image_id, **more))
        return str(answer["Instances"][0]["InstanceId"])

    def launch_and_boot(self, *services: dict[str, Any], **more: Any) -> str:
        """Launch an instance with these services, and wait until they were started."""
        instance_id = self.launch(self.image(*services), **more)
        self.region.eventually(lambda: self.seen(instance_id)["is_booted"])
        return instance_id

    def describe(self, instance_id: str) -> dict[str, Any]:
        """Return EC2's view of an instance."""
        answer = self.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(answer["Reservations"][0]["Instances"][0])

    def wait_for_state(self, instance_id: str, state: str) -> dict[str, Any]:
        """Wait until EC2 shows a state, and return the instance."""
        self.region.eventually(lambda: self.describe(instance_id)["State"]["Name"] == state)
        return self.describe(instance_id)

    def pass_address_moves(self) -> None:
        """Wait until every order to move an address that was given before has been carried out, or was dropped for a later one.

        Nothing tells of one that was dropped; but a launch takes longer than the longest move, and what is due earlier comes earlier.
        """
        self.wait_for_state(self.launch(self.image()), "running")

    def seen(self, instance_id: str) -> dict[str, Any]:
        """Return the region's own view of an instance."""
        _, state = self.region.control("GET", "/state")
        return dict(next(one for one in state["instances"] if one["instance_id"] == instance_id))

    def events(self, **facts: Any) -> list[dict[str, Any]]:
        """Return the log's events that have these facts."""
        _, log = self.region.control("GET", "/log?after=0")
        return [event for event in log["events"] if facts.items() <= event.items()]

    def pid(self, instance_id: str, name: str) -> int | None:
        """Return the process of a service, None if none runs."""
        service_seen = self.seen(instance_id)["services"].get(name)
        return service_seen["pid"] if service_seen else None

    def ask(self, ip: str, path: str = "/") -> HttpAnswer:
        """Ask the workload behind an address."""
        return self.region.ask(ip, path)

    def wait_for_answer(self, ip: str, instance_id: str) -> None:
        """Wait until an address answers for an instance."""
        self.region.eventually(lambda: self.ask(ip).text == instance_id)


def error_code(error: ClientError) -> str:
    """Return EC2's code for an error."""
    return str(error.response["Error"]["Code"])
