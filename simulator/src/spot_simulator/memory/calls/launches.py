"""RunInstances: idempotent by client token, short of capacity on order, pending before it runs."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spot_simulator.clock import Clock
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.hardware import KindOfSnapshot, LaunchVolumes, VolumeKind, cpu_credits, launch_volumes
from spot_simulator.ec2.launch_gate import LaunchGate, Place, Wish
from spot_simulator.machine import Machine
from spot_simulator.machines import Machines
from spot_simulator.memory import shapes
from spot_simulator.memory.books import ACCOUNT_ID, MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.disks import MemoryDisks
from spot_simulator.memory.records import ImageRecord, InstanceRecord, SubnetRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.model.capacity import Mode
from spot_simulator.volumes.volumes import Volumes

_METADATA_DEFAULTS: Mapping[str, object] = {
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "HttpPutResponseHopLimit": 1,
    "HttpTokens": "optional",
    "InstanceMetadataTags": "disabled",
}


@dataclass(frozen=True, slots=True)
class LaunchParts:
    """What a launch touches."""

    gate: LaunchGate[Shape]
    books: MemoryBooks
    machines: Machines
    disks: MemoryDisks
    volumes: Volumes
    kind_of_snapshot: KindOfSnapshot
    clock: Clock
    region: str


class Launches:
    """Makes instances."""

    def __init__(self, parts: LaunchParts) -> None:
        """Start with no launches."""
        self._parts = parts
        self._count = 0

    def run(self, request: Request) -> Shape:
        """Answer RunInstances."""
        token, gate = request.get("ClientToken", ""), self._parts.gate
        zone, written = gate.zone(_place(request)), _written(request)
        first = gate.first_answer(token, zone, written)
        if first is not None:
            return copy.deepcopy(first)
        wish = _wish(request, zone)
        image = self._parts.books.images.get(wish.image_id)
        mode = gate.admit(wish, image.state if image else None)
        groups = self._groups(request)
        of_image, asked = image.root if image else VolumeKind(), request.get("BlockDeviceMappings", [])
        volumes = launch_volumes(of_image, asked, self._parts.kind_of_snapshot)
        cpu_credits(wish.instance_type, _credits(request))
        request.end_if_dry_run()
        if image is None:  # the gate has refused it
            raise KeyError(wish.image_id)
        reservation_id = self._parts.books.ids.new("r")
        count = int(request.needed("MaxCount"))
        records = [self._take_in(request, wish, mode, image, groups, reservation_id, volumes) for _ in range(count)]
        instance_ids = tuple(record.machine.instance_id for record in records)
        gate.remember(token, zone, written, shapes.reservation(records, self._parts.books), instance_ids)
        return shapes.reservation(records, self._parts.books)

    def _groups(self, request: Request) -> tuple[str, ...]:
        group_ids = tuple(request.get("SecurityGroupIds") or (self._parts.books.group_id,))
        for group_id in group_ids:
            if group_id != self._parts.books.group_id:
                raise Ec2Error("InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        return group_ids

    def _take_in(
        self,
        request: Request,
        wish: Wish,
        mode: Mode,
        image: ImageRecord,
        groups: tuple[str, ...],
        reservation_id: str,
        volumes: LaunchVolumes,
    ) -> InstanceRecord:
        books = self._parts.books
        subnet = books.subnets[request.get("SubnetId") or books.subnet_of_zone(wish.zone).subnet_id]
        machine = self._machine(request, wish, mode, image, subnet)
        record = InstanceRecord(
            machine=machine,
            reservation_id=reservation_id,
            subnet_id=subnet.subnet_id,
            interface_id=books.ids.new("eni"),
            client_token=request.get("ClientToken"),
            key_name=request.get("KeyName"),
            profile_arn=request.get("IamInstanceProfile", {}).get("Arn"),
            group_ids=groups,
            metadata_options={**_METADATA_DEFAULTS, **request.get("MetadataOptions", {})},
            is_monitored=bool(request.get("Monitoring", {}).get("Enabled")),
            is_ebs_optimized=bool(request.get("EbsOptimized")),
            cpu_credits=cpu_credits(machine.instance_type, _credits(request)),
        )
        books.instances[machine.instance_id] = record
        books.add_tags(machine.instance_id, request.tags("instance"))
        self._parts.disks.make_instance(machine.instance_id, image.snapshot_id)
        for volume_id in self._parts.volumes.make_of_launch(machine, image.snapshot_id, volumes):
            books.add_tags(volume_id, request.tags("volume"))
        self._parts.machines.launch(machine)
        return record

    def _machine(self, request: Request, wish: Wish, mode: Mode, image: ImageRecord, subnet: SubnetRecord) -> Machine:
        self._count += 1
        ids = self._parts.books.ids
        return Machine(
            instance_id=ids.new("i"),
            ordinal=self._count,
            instance_type=wish.instance_type,
            az_id=subnet.az_id,
            az_name=subnet.zone,
            mode=mode,
            private_ip=_private_ip(self._parts.books, subnet),
            image_id=image.image_id,
            launched_at=self._parts.clock.now(),
            account_id=ACCOUNT_ID,
            region=self._parts.region,
            architecture=image.architecture,
            user_data=_user_data(request.get("UserData")),
            mac=ids.mac(),
        )


def _credits(request: Request) -> str | None:
    asked: str | None = request.get("CreditSpecification", {}).get("CpuCredits")
    return asked


def _written(request: Request) -> dict[str, str]:
    """Return the parameters as text, to be compared with those of a later call; the order of a structure's fields does not matter."""
    return {name: json.dumps(value, sort_keys=True, default=repr) for name, value in request.parameters.items()}


def _private_ip(books: MemoryBooks, subnet: SubnetRecord) -> str:
    assigned = {ip for record in books.instances.values() for ip in record.machine.assigned_ips}
    try:
        while (found := books.ids.private_ip(subnet.number)) in assigned:
            pass
        return found
    except OverflowError as error:
        raise Ec2Error("InsufficientFreeAddressesInSubnet", f"There are no free addresses in subnet '{subnet.subnet_id}'") from error


def _place(request: Request) -> Place:
    placement = request.get("Placement", {})
    return Place(request.get("SubnetId"), placement.get("AvailabilityZone"), placement.get("AvailabilityZoneId"))


def _wish(request: Request, zone: str) -> Wish:
    market = request.get("InstanceMarketOptions", {})
    options: Mapping[str, Any] = market.get("SpotOptions", {})
    return Wish(
        image_id=request.needed("ImageId"),
        instance_type=request.needed("InstanceType"),
        zone=zone,
        is_spot=market.get("MarketType") == "spot",
        spot_type=options.get("SpotInstanceType"),
        interruption=options.get("InstanceInterruptionBehavior"),
        max_price=options.get("MaxPrice"),
    )


def _user_data(text: str | bytes | None) -> bytes | None:
    """boto3 encodes what it is given, and the instance gets it decoded."""
    return text.encode() if isinstance(text, str) else text or None
