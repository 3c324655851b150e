"""AWS in memory. `test_aws_conformance.py` holds it to what the real adapter does against the simulated region."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from server_support.clock import START
from server_support.memory_traffic import FakeBalancing, FakeDns
from server_support.memory_volumes import FakeVolumes
from spot_server.aws.errors import AwsFailed, ErrorClass, class_of_code
from spot_server.aws.ports import (
    TAG_CLIENT_ID,
    TAG_LAUNCH_TOKEN,
    TAG_MANAGED,
    AddressFacts,
    ControlRole,
    ImageFacts,
    InstanceFacts,
    InstanceStatusFacts,
    LaunchRequest,
    NetworkFacts,
    ScheduledEventFacts,
    SpotRequestFacts,
)

ENDED = ("shutting-down", "terminated")


def _nothing() -> None:
    pass


def failure(code: str) -> AwsFailed:
    """What AWS would say with this code."""
    return AwsFailed(class_of_code(code), code, "as the test wants it")


class FakeEc2:
    """`refusals` are raised once each, before the call acts; a call named in `lost` acts, and its answer is lost."""

    def __init__(self) -> None:
        self.instances: dict[str, InstanceFacts] = {}
        self.images: dict[str, ImageFacts] = {}
        self.addresses = {"eipalloc-1": AddressFacts("eipalloc-1", "192.0.2.1", None, None)}
        self.launches: dict[str, tuple[LaunchRequest, str]] = {}
        self.hidden: set[str] = set()
        self.persistent_requests: set[str] = set()
        self.calls: list[str] = []
        self.refusals: dict[str, list[Exception]] = defaultdict(list)
        self.lost: set[str] = set()
        self.meanwhile: dict[str, Callable[[], None]] = {}
        """What happens elsewhere, once, while a call of this name is under way."""
        self.image_tags: dict[str, dict[str, str]] = {}
        self.spot_codes: dict[str, tuple[str, datetime | None, str]] = {}
        """Status code, time of its change, and behaviour, by instance; without an entry a spot instance's request is fulfilled."""
        self.scheduled: dict[str, tuple[ScheduledEventFacts, ...]] = {}
        self.impaired: dict[str, datetime] = {}
        self._number = 0
        self.balancing = FakeBalancing(self._begin, self._end)
        self.dns = FakeDns(self._begin, self._end)
        self.volumes = FakeVolumes(self._begin, self._end)
        self.left_out: list[tuple[str, ...]] = []

    def add_instance(self, instance_id: str, state: str = "running", spot_request_id: str | None = None, **facts: Any) -> None:
        self._number += 1
        network = NetworkFacts(f"eni-{self._number:04d}", (f"10.0.0.{self._number}",), f"198.51.100.{self._number}")
        self.instances[instance_id] = replace(InstanceFacts(instance_id, state, None, START, spot_request_id, network=network), **facts)

    def settle(self) -> None:
        """Let time do its work: what is on its way arrives."""
        after = {"pending": "running", "shutting-down": "terminated", "stopping": "stopped"}
        self.instances = {key: replace(made, state=after.get(made.state, made.state)) for key, made in self.instances.items()}
        self.images = {
            key: replace(made, state="available" if made.state == "pending" else made.state) for key, made in self.images.items()
        }

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        self._begin("describe_instance")
        return None if instance_id in self.hidden else self.instances.get(instance_id)

    def find_by_launch_token(self, client_token: str) -> tuple[InstanceFacts, ...]:
        self._begin("find_by_launch_token")
        launched = self.launches.get(client_token)
        return () if launched is None or launched[1] in self.hidden else (self.instances[launched[1]],)

    def find_managed(self, client_id: str) -> tuple[InstanceFacts, ...]:
        self._begin("find_managed")
        wanted = {TAG_MANAGED: "true", TAG_CLIENT_ID: client_id}.items()
        return tuple(made for made in self.instances.values() if wanted <= made.tags.items() and made.instance_id not in self.hidden)

    def address_holders(self) -> frozenset[str]:
        self._begin("address_holders")
        return frozenset(held.instance_id for held in self.addresses.values() if held.instance_id is not None)

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        self._begin("run_instance")
        launched = self.launches.get(request.client_token)
        if launched is not None and launched[0] != request:
            raise failure("IdempotentParameterMismatch")
        if launched is not None and self.instances[launched[1]].state == "terminated":
            raise failure("IdempotentInstanceTerminated")
        if launched is None:
            instance_id = self._new_id("i")
            self.launches[request.client_token] = (request, instance_id)
            tags = {**request.tags, TAG_LAUNCH_TOKEN: request.client_token}
            spot_request_id = self._new_id("sir") if request.is_spot else None
            self.add_instance(instance_id, "pending", spot_request_id, client_token=request.client_token, tags=tags)
        self._end("run_instance")
        return self.instances[self.launches[request.client_token][1]]

    def terminate_instance(self, instance_id: str) -> str:
        self._begin("terminate_instance")
        made = self.instances.get(instance_id)
        if made is None:
            raise failure("InvalidInstanceID.NotFound")
        state = made.state if made.state in ENDED else "shutting-down"
        self.instances[instance_id] = replace(made, state=state)
        self._end("terminate_instance")
        return state

    def stop_instance(self, instance_id: str) -> str:
        self._begin("stop_instance")
        made = self.instances.get(instance_id)
        if made is None:
            raise failure("InvalidInstanceID.NotFound")
        if made.spot_request_id is not None:
            raise failure("UnsupportedOperation")
        self.instances[instance_id] = replace(made, state="stopping")
        self._end("stop_instance")
        return "stopping"

    def is_persistent_request(self, spot_request_id: str) -> bool:
        self._begin("is_persistent_request")
        return spot_request_id in self.persistent_requests

    def spot_requests_of(self, instance_ids: Sequence[str]) -> tuple[SpotRequestFacts, ...]:
        self._begin("spot_requests_of")
        made = [self.instances[instance_id] for instance_id in instance_ids if instance_id in self.instances]
        plain = ("fulfilled", START, "terminate")
        return tuple(
            SpotRequestFacts(one.spot_request_id, one.instance_id, *self.spot_codes.get(one.instance_id, plain))
            for one in made
            if one.spot_request_id is not None
        )

    def instance_statuses(self, instance_ids: Sequence[str]) -> tuple[InstanceStatusFacts, ...]:
        self._begin("instance_statuses")
        made = [self.instances[instance_id] for instance_id in instance_ids if instance_id in self.instances]
        return tuple(self._status(one.instance_id) for one in made if one.state == "running")

    def _status(self, instance_id: str) -> InstanceStatusFacts:
        since = self.impaired.get(instance_id)
        checks = {"SystemStatus": "ok", "InstanceStatus": "ok" if since is None else "impaired"}
        return InstanceStatusFacts(instance_id, checks, since, self.scheduled.get(instance_id, ()))

    def announce(self, instance_id: str, code: str, at: datetime | None, behavior: str = "terminate") -> None:
        """Let the spot request of the instance have this status code since `at`."""
        self.spot_codes[instance_id] = (code, at, behavior)

    def cancel_spot_request(self, spot_request_id: str) -> None:
        self._begin("cancel_spot_request")

    def find_image_by_name(self, name: str) -> ImageFacts | None:
        self._begin("find_image_by_name")
        return next((made for made in self.images.values() if made.name == name), None)

    def describe_image(self, image_id: str) -> ImageFacts | None:
        self._begin("describe_image")
        return self.images.get(image_id)

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        self._begin("create_image")
        self.left_out.append(tuple(without_devices))
        if instance_id not in self.instances:
            raise failure("InvalidInstanceID.NotFound")
        if any(made.name == name for made in self.images.values()):
            raise failure("InvalidAMIName.Duplicate")
        image_id = self._new_id("ami")
        self.images[image_id] = ImageFacts(image_id, name, "pending", START, (self._new_id("snap"),))
        self.image_tags[image_id] = dict(tags)
        self._end("create_image")
        return image_id

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        self._begin("describe_address")
        return self.addresses.get(allocation_id)

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        self._begin("associate_address")
        held = self.addresses.get(allocation_id)
        if held is None:
            raise failure("InvalidAllocationID.NotFound")
        if self.instances[instance_id].state != "running":
            raise failure("InvalidInstanceID")
        if held.instance_id not in {None, instance_id} and not allow_reassociation:
            raise failure("Resource.AlreadyAssociated")
        if held.instance_id != instance_id:
            held = replace(held, instance_id=instance_id, association_id=self._new_id("eipassoc"))
            self.addresses[allocation_id] = held
        self._end("associate_address")
        return str(held.association_id)

    def disassociate_address(self, association_id: str) -> None:
        self._begin("disassociate_address")
        for allocation_id, held in self.addresses.items():
            if held.association_id == association_id:
                self.addresses[allocation_id] = replace(held, instance_id=None, association_id=None)
        self._end("disassociate_address")

    def assign_private_ip(self, interface_id: str, private_ip: str) -> None:
        self._begin("assign_private_ip")
        for made in list(self.instances.values()):
            others = tuple(held for held in made.network.private_ips if held != private_ip)
            held = (*others, private_ip) if made.network.interface_id == interface_id else others
            self.instances[made.instance_id] = replace(made, network=replace(made.network, private_ips=held))
        self._end("assign_private_ip")

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.meanwhile.pop(call, _nothing)()
        if self.refusals[call]:
            raise self.refusals[call].pop(0)

    def _end(self, call: str) -> None:
        if call in self.lost:
            self.lost.discard(call)
            raise AwsFailed(ErrorClass.UNREACHABLE, "ReadTimeoutError", "the answer was lost", may_have_acted=True)

    def _new_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number:04d}"


@dataclass
class FakeGateway:
    """Every role leads to the same EC2, unless STS refuses it."""

    fake_ec2: FakeEc2 = field(default_factory=FakeEc2)
    refusal: AwsFailed | None = None
    asked: list[tuple[ControlRole, str]] = field(default_factory=list)
    forgotten: list[ControlRole] = field(default_factory=list)

    def ec2(self, role: ControlRole, region: str) -> FakeEc2:
        self.asked.append((role, region))
        if self.refusal is not None:
            raise self.refusal
        return self.fake_ec2

    def forget(self, role: ControlRole, region: str) -> None:
        self.forgotten.append(role)
