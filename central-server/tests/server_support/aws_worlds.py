"""The two forms of AWS under one set of tests: in memory, and the real adapter in front of the simulated region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from conformance.http_region import HttpRegion
from server_support.clock import START
from server_support.memory_aws import FakeEc2, failure
from spot_server.aws.ports import ControlRole, Ec2Port, LaunchRequest, ScheduledEventFacts
from spot_server.aws.sessions import AssumedRoles
from spot_server.clock import SystemClock

REGION = "us-east-1"
ROLE = ControlRole("arn:aws:iam::123456789012:role/spot-optimizer", "external-1", "spot-optimizer-test")

ACTIONS = {"run_instance": "RunInstances", "create_image": "CreateImage", "associate_address": "AssociateAddress"}


class AwsWorld(Protocol):
    """What a conformance test arranges with."""

    ec2: Ec2Port

    def request(self, token: str, **changes: Any) -> LaunchRequest:
        """A launch that AWS accepts."""

    def settle(self) -> None:
        """Return when instances and images that were on their way have arrived."""

    def refuse(self, call: str, code: str) -> None:
        """Let the next call of this name fail with EC2's code."""

    def lose_answer(self, call: str) -> None:
        """Let the next call of this name act, and lose its answer."""

    def notice(self, instance_id: str) -> None:
        """Announce the end of a spot instance."""

    def schedule_maintenance(self, instance_id: str) -> None:
        """Announce that an instance is retired in two weeks."""

    def impair(self, instance_id: str) -> None:
        """Let EC2's check of an instance fail."""

    def address(self) -> str:
        """Return the allocation id of an Elastic IP that is not associated."""


class MemoryWorld:
    """The fake."""

    def __init__(self) -> None:
        self.fake = FakeEc2()
        self.ec2: Ec2Port = self.fake

    def request(self, token: str, **changes: Any) -> LaunchRequest:
        members = {"image_id": "ami-base", "instance_type": "m5.large", "subnet_id": "subnet-1", "is_spot": True}
        return LaunchRequest(client_token=token, **{**members, **changes})

    def settle(self) -> None:
        self.fake.settle()

    def refuse(self, call: str, code: str) -> None:
        self.fake.refusals[call].append(failure(code))

    def lose_answer(self, call: str) -> None:
        self.fake.lost.add(call)

    def notice(self, instance_id: str) -> None:
        self.fake.announce(instance_id, "instance-terminated-no-capacity", START)

    def schedule_maintenance(self, instance_id: str) -> None:
        event = ScheduledEventFacts("instance-event-1", "instance-retirement", "The instance is retired.", START + timedelta(days=14))
        self.fake.scheduled[instance_id] = (event,)

    def impair(self, instance_id: str) -> None:
        self.fake.impaired[instance_id] = START

    def address(self) -> str:
        return "eipalloc-1"


class RegionWorld:
    """The real adapter, with a role that the region's STS lets it assume."""

    def __init__(self, region: HttpRegion) -> None:
        self._region = region
        self.ec2: Ec2Port = AssumedRoles(SystemClock()).ec2(ROLE, REGION)
        status, answer = region.control("POST", "/base-image", {"name": "base", "env_file": "", "services": []})
        assert status == 201, answer
        self._image_id = answer["image_id"]
        self._subnet_id = region.ec2.describe_subnets()["Subnets"][0]["SubnetId"]

    def request(self, token: str, **changes: Any) -> LaunchRequest:
        members = {"image_id": self._image_id, "instance_type": "m5.large", "subnet_id": self._subnet_id, "is_spot": True}
        return LaunchRequest(client_token=token, **{**members, **changes})

    def settle(self) -> None:
        self._region.eventually(self._is_settled)

    def _is_settled(self) -> bool:
        _status, state = self._region.control("GET", "/state")
        is_moving = any(made["state"] in {"pending", "shutting-down", "stopping"} for made in state["instances"])
        return not is_moving and all(made["state"] != "pending" for made in state["images"])

    def refuse(self, call: str, code: str) -> None:
        self._order({"action": ACTIONS[call], "code": code})

    def lose_answer(self, call: str) -> None:
        self._order({"action": ACTIONS[call], "lose_answer": True})

    def _order(self, fault: dict[str, Any]) -> None:
        status, answer = self._region.control("POST", "/faults", fault)
        assert status < 300, answer

    def notice(self, instance_id: str) -> None:
        self._tell(instance_id, "notice", {"lead_seconds": 60_000})

    def schedule_maintenance(self, instance_id: str) -> None:
        self._tell(instance_id, "maintenance", {"code": "instance-retirement"})

    def impair(self, instance_id: str) -> None:
        self._tell(instance_id, "impair", {})

    def _tell(self, instance_id: str, what: str, body: dict[str, Any]) -> None:
        status, answer = self._region.control("POST", f"/instances/{instance_id}/{what}", body)
        assert status < 300, answer

    def address(self) -> str:
        return str(self._region.ec2.allocate_address(Domain="vpc")["AllocationId"])


@contextmanager
def region_for_the_server(state_dir: Path) -> Iterator[HttpRegion]:
    """Run a region that boto3 in this process finds by AWS_ENDPOINT_URL, with credentials as a server has them."""
    with HttpRegion(state_dir) as region, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", region.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "server")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "server")
        yield region
