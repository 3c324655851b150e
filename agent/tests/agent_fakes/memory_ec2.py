"""EC2 in memory. test_ec2_conformance.py holds it to what the real adapter does against a pretend EC2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from agent_fakes.memory_traffic import FakeBalancing, FakeDns
from agent_fakes.memory_volumes import FakeVolumes
from agent_fakes.virtual import START
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
    VolumeFacts,
    VolumeSettings,
)
from spot_agent.errors import Ec2Failed, ErrorClass
from spot_agent.model import TAG_LAUNCH_TOKEN
from spot_agent.rules.ec2_errors import class_of_code


def _has(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(tags.get(key) == value for key, value in wanted.items())


class FakeEc2:
    """`failures` are raised once each, before the call acts; `lost` lets it act and then loses the answer.

    `denied` maps an operation to the code that a dry run of it gets; "" stands for an EC2 that ignores DryRun.
    """

    def __init__(self) -> None:
        self.instances: dict[str, InstanceFacts] = {}
        self.tagged: dict[str, dict[str, str]] = {}
        self.images: dict[str, ImageFacts] = {}
        self.snapshots: dict[str, SnapshotFacts] = {}
        self.addresses: dict[str, AddressFacts] = {}
        self.subnets: list[SubnetFacts] = [SubnetFacts("subnet-1", "use1-az1", "us-east-1a", 100, maps_public_ip=True)]
        self.prices: list[SpotPrice] = []
        self.types: dict[str, TypeFacts] = {}
        self.calls: list[str] = []
        self.failures: dict[str, list[str]] = defaultdict(list)
        self.lost: set[str] = set()
        self.checks: dict[str, str] = {}
        self.persistent_requests: set[str] = set()
        self.cancelled_requests: list[str] = []
        self.volumes: dict[str, VolumeSettings] = {}
        self.credits: dict[str, str] = {}
        self.new_image_state = "available"
        self.shows_snapshots = True
        """Whether a new image shows its snapshot at once."""
        self.before: Callable[[str], None] = lambda call: None
        self.launch_requests: list[LaunchRequest] = []
        self.denied: dict[str, str] = {}
        self.dry_runs: list[tuple[str, dict[str, Any]]] = []
        self._number = 0
        self.balancing = FakeBalancing(self._begin, self._end)
        self.dns = FakeDns(self._begin, self._end)
        self.ebs = FakeVolumes(self._begin, self._end, self.instances, self.snapshots)
        self.left_out: list[tuple[str, ...]] = []

    def add_instance(self, instance_id: str, **facts: object) -> InstanceFacts:
        base = InstanceFacts(
            instance_id,
            "running",
            launched_at=START,
            lifecycle="spot",
            vpc_id="vpc-1",
            subnet_id="subnet-1",
            az_name="us-east-1a",
            volumes=(VolumeFacts(f"vol-{instance_id}", "/dev/xvda", delete_on_termination=True),),
            root_device_name="/dev/xvda",
            interface_id=f"eni-{instance_id}",
            private_ips=(f"10.0.0.{len(self.instances) + 1}",),
            public_ip=f"198.51.100.{len(self.instances) + 1}",
        )
        self.instances[instance_id] = replace(base, **facts)  # type: ignore[arg-type]
        return self.instances[instance_id]

    def set_state(self, instance_id: str, state: str) -> None:
        self.instances[instance_id] = replace(self.instances[instance_id], state=state)

    def describe_instance(self, instance_id: str) -> InstanceFacts | None:
        self._begin("describe_instance")
        return self.instances.get(instance_id)

    def status_checks(self, instance_id: str) -> str | None:
        self._begin("status_checks")
        made = self.instances.get(instance_id)
        return self.checks.get(instance_id, "ok") if made is not None and made.state == "running" else None

    def find_instances(self, tags: Mapping[str, str]) -> tuple[InstanceFacts, ...]:
        self._begin("find_instances")
        return tuple(made for made in self.instances.values() if _has(made.tags, tags))

    def images_in_use(self, image_ids: Sequence[str]) -> frozenset[str]:
        self._begin("images_in_use")
        used = {made.image_id for made in self.instances.values() if made.state != "terminated"}
        return frozenset(used & set(image_ids))

    def run_instance(self, request: LaunchRequest) -> InstanceFacts:
        self._begin("run_instance")
        self.launch_requests.append(request)
        made = self.add_instance(
            self._new_id("i"),
            tags={**request.tags, TAG_LAUNCH_TOKEN: request.client_token},
            image_id=request.image_id,
            instance_type=request.instance_type,
            lifecycle="spot" if request.is_spot else None,
            client_token=request.client_token,
        )
        self._end("run_instance")
        return made

    def terminate_instance(self, instance_id: str) -> str:
        self._begin("terminate_instance")
        if instance_id not in self.instances:
            raise _failed("InvalidInstanceID.NotFound")
        self.set_state(instance_id, "shutting-down")
        return "shutting-down"

    def stop_instance(self, instance_id: str) -> str:
        self._begin("stop_instance")
        if instance_id not in self.instances:
            raise _failed("InvalidInstanceID.NotFound")
        if self.instances[instance_id].lifecycle == "spot":
            raise _failed("UnsupportedOperation")
        self.set_state(instance_id, "stopping")
        return "stopping"

    def tag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        self._begin("tag")
        self.tagged[resource_id] = {**self.tagged.get(resource_id, {}), **tags}
        if resource_id in self.instances:
            instance = self.instances[resource_id]
            self.instances[resource_id] = replace(instance, tags={**instance.tags, **tags})

    def is_persistent_request(self, spot_request_id: str) -> bool:
        return spot_request_id in self.persistent_requests

    def cancel_spot_request(self, spot_request_id: str) -> None:
        self._begin("cancel_spot_request")
        self.cancelled_requests.append(spot_request_id)

    def keep_volumes(self, instance_id: str, device_names: Sequence[str]) -> None:
        self._begin("keep_volumes")
        instance = self.instances[instance_id]
        kept = tuple(
            replace(volume, delete_on_termination=volume.delete_on_termination and volume.device_name not in device_names)
            for volume in instance.volumes
        )
        self.instances[instance_id] = replace(instance, volumes=kept)

    def let_volumes_go(self, instance_id: str, device_names: Sequence[str]) -> None:
        self._begin("let_volumes_go")
        instance = self.instances[instance_id]
        going = tuple(
            replace(volume, delete_on_termination=volume.delete_on_termination or volume.device_name in device_names)
            for volume in instance.volumes
        )
        self.instances[instance_id] = replace(instance, volumes=going)

    def find_image(self, name: str) -> ImageFacts | None:
        self._begin("find_image")
        return next((made for made in self.images.values() if made.name == name), None)

    def find_images(self, tags: Mapping[str, str]) -> tuple[ImageFacts, ...]:
        self._begin("find_images")
        return tuple(made for made in self.images.values() if _has(made.tags, tags))

    def create_image(self, instance_id: str, name: str, tags: Mapping[str, str], without_devices: Sequence[str] = ()) -> str:
        self._begin("create_image")
        self.left_out.append(tuple(without_devices))
        if any(made.name == name for made in self.images.values()):
            raise _failed("InvalidAMIName.Duplicate")
        image_id, snapshot_id = self._new_id("ami"), self._new_id("snap")
        self.snapshots[snapshot_id] = SnapshotFacts(snapshot_id, f"vol-{instance_id}", START, dict(tags))
        shown = (snapshot_id,) if self.shows_snapshots else ()
        self.images[image_id] = ImageFacts(image_id, name, self.new_image_state, START, shown, tags=dict(tags))
        self._end("create_image")
        return image_id

    def finish_images(self) -> None:
        """EC2 is done with every image that it has begun."""
        self.images = {image_id: replace(made, state="available") for image_id, made in self.images.items()}

    def deregister_image(self, image_id: str) -> None:
        self._begin("deregister_image")
        self.images.pop(image_id, None)

    def find_snapshots(self, tags: Mapping[str, str]) -> tuple[SnapshotFacts, ...]:
        self._begin("find_snapshots")
        return tuple(made for made in self.snapshots.values() if _has(made.tags, tags))

    def create_snapshots(self, instance_id: str, tags: Mapping[str, str]) -> tuple[str, ...]:
        self._begin("create_snapshots")
        made = []
        for volume in self.instances[instance_id].volumes:
            snapshot_id = self._new_id("snap")
            self.snapshots[snapshot_id] = SnapshotFacts(snapshot_id, volume.volume_id, START, dict(tags))
            made.append(snapshot_id)
        self._end("create_snapshots")
        return tuple(made)

    def delete_snapshot(self, snapshot_id: str) -> None:
        self._begin("delete_snapshot")
        if any(snapshot_id in image.snapshot_ids for image in self.images.values()):
            raise _failed("InvalidSnapshot.InUse")
        self.snapshots.pop(snapshot_id, None)

    def find_volumes(self, tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        self._begin("find_volumes")
        own = tuple((made.volume_id, made.state) for made in self.ebs.known.values() if tags and _has(made.tags, tags))
        return own + tuple(
            (volume.volume_id, "available" if made.state == "terminated" else "in-use")
            for made in self.instances.values()
            for volume in made.volumes
            if _has({**made.tags, **self.tagged.get(volume.volume_id, {})}, tags)
            and not (volume.delete_on_termination and made.state == "terminated")
        )

    def volume_settings(self, volume_ids: Sequence[str]) -> tuple[VolumeSettings, ...]:
        self._begin("volume_settings")
        return tuple(self.volumes.get(volume_id, VolumeSettings(volume_id, "gp3", 8, 3000, 125)) for volume_id in volume_ids)

    def cpu_credits(self, instance_id: str) -> str | None:
        self._begin("cpu_credits")
        return self.credits.get(instance_id)

    def describe_address(self, allocation_id: str) -> AddressFacts | None:
        self._begin("describe_address")
        return self.addresses.get(allocation_id)

    def associate_address(self, allocation_id: str, instance_id: str, *, allow_reassociation: bool) -> str:
        self._begin("associate_address")
        held = self.addresses.get(allocation_id)
        if held is None:
            raise _failed("InvalidAllocationID.NotFound")
        if held.instance_id not in (None, instance_id) and not allow_reassociation:
            raise _failed("Resource.AlreadyAssociated")
        if held.instance_id != instance_id or held.association_id is None:
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
            others = tuple(held for held in made.private_ips if held != private_ip)
            held = (*others, private_ip) if made.interface_id == interface_id else others
            self.instances[made.instance_id] = replace(made, private_ips=held)
        self._end("assign_private_ip")

    def subnets_of_vpc(self, vpc_id: str) -> tuple[SubnetFacts, ...]:
        self._begin("subnets_of_vpc")
        return tuple(self.subnets) if vpc_id == "vpc-1" else ()

    def zone_ids(self) -> dict[str, str]:
        self._begin("zone_ids")
        return {subnet.az_name: subnet.az_id for subnet in self.subnets}

    def spot_prices(self, instance_types: Sequence[str], products: Sequence[str], at: datetime) -> tuple[SpotPrice, ...]:
        self._begin("spot_prices")
        return tuple(
            row for row in self.prices if row.instance_type in instance_types and row.product in products and row.effective_at <= at
        )

    def instance_types(self, instance_types: Sequence[str]) -> tuple[TypeFacts, ...]:
        self._begin("instance_types")
        return tuple(self.types[name] for name in instance_types if name in self.types)

    def dry_run(self, operation: str, arguments: Mapping[str, Any]) -> DryRun:
        self.dry_runs.append((operation, dict(arguments)))
        code = self.denied.get(operation, "DryRunOperation")
        if code == "":
            return DryRun("", "as if it were meant", ErrorClass.UNEXPECTED, is_ignored=True)
        return DryRun(code, "as the test wants it", None if code == "DryRunOperation" else class_of_code(code))

    def _begin(self, call: str) -> None:
        self.calls.append(call)
        self.before(call)
        if self.failures[call]:
            raise _failed(self.failures[call].pop(0))

    def _end(self, call: str) -> None:
        if call in self.lost:
            self.lost.discard(call)
            raise Ec2Failed(ErrorClass.UNREACHABLE, "ReadTimeoutError", "the answer was lost")

    def _new_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-{self._number:04d}"


def _failed(code: str) -> Ec2Failed:
    return Ec2Failed(class_of_code(code), code, "as the test wants it")
