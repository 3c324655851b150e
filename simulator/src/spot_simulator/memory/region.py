"""The composition root of a region in memory."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from spot_simulator.balancing.calls import BalancingCalls
from spot_simulator.balancing.target_groups import BalancingParts, TargetGroups
from spot_simulator.clock import Clock
from spot_simulator.control import Control
from spot_simulator.dns.calls import DnsCalls
from spot_simulator.dns.resolver import Resolver
from spot_simulator.dns.zones import Zones
from spot_simulator.ec2.known_instances import KnownInstances
from spot_simulator.ec2.launch_gate import GateParts, LaunchGate
from spot_simulator.ec2.price_pages import PricePages
from spot_simulator.ec2.spot_requests import SpotRequests
from spot_simulator.hosting.init import WORKLOAD, Init, ServiceAnswer
from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.images import Images
from spot_simulator.machine import Machine, State
from spot_simulator.machines import MachineParts, Machines
from spot_simulator.memory.api import Ec2Api
from spot_simulator.memory.books import ACCOUNT_ID, MemoryBooks
from spot_simulator.memory.calls.address_calls import AddressCalls
from spot_simulator.memory.calls.image_calls import ImageCalls, ImageParts
from spot_simulator.memory.calls.instance_calls import InstanceCalls
from spot_simulator.memory.calls.launches import Launches, LaunchParts
from spot_simulator.memory.calls.market_calls import MarketCalls
from spot_simulator.memory.calls.private_address_calls import PrivateAddressCalls
from spot_simulator.memory.calls.request import Handler
from spot_simulator.memory.client import ClientParts, MemoryClient, Sleep, no_time
from spot_simulator.memory.disks import MemoryDisks
from spot_simulator.memory.guardian import MemoryGuardian
from spot_simulator.memory.host import Host, HostParts
from spot_simulator.memory.ids import Ids
from spot_simulator.memory.log import MemoryLog
from spot_simulator.memory.programs import Program, Programs
from spot_simulator.memory.services import SERVICES
from spot_simulator.memory.shapes import Shape
from spot_simulator.memory.traffic import Traffic
from spot_simulator.memory.workload import WorkloadProgram
from spot_simulator.model.capacity import CapacityTable
from spot_simulator.model.catalogue import TYPES
from spot_simulator.model.delays import Delays
from spot_simulator.model.faults import FaultTable
from spot_simulator.model.prices import HISTORY_DAYS, PriceAxis
from spot_simulator.network.addresses import Addresses
from spot_simulator.network.front_addresses import FrontAddresses
from spot_simulator.network.secondary_addresses import SecondaryAddresses
from spot_simulator.ports import Ground, Timeline
from spot_simulator.price_book import PriceBook
from spot_simulator.price_list.calls import PriceListCalls
from spot_simulator.volumes.calls import VolumeCalls
from spot_simulator.volumes.mounting import Mounting
from spot_simulator.volumes.volumes import Volumes

ZONES = {
    "us-east-1a": "use1-az6",
    "us-east-1b": "use1-az1",
    "us-east-1c": "use1-az2",
    "us-east-1d": "use1-az4",
    "us-east-1e": "use1-az3",
    "us-east-1f": "use1-az5",
}
"""Names and ids of the zones, as moto has them for us-east-1."""

_ELASTIC_BLOCK = "127.20.0"


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """``time_scale`` (> 0) multiplies every delay; a virtual clock leaves it at 1. ``zones`` is {zone name: zone id}.

    ``price_days`` of prices lie before the start; fewer are made up sooner, a pool's 90 days cost some milliseconds.
    """

    seed: int
    region: str = "us-east-1"
    time_scale: float = 1.0
    price_days: int = HISTORY_DAYS
    zones: dict[str, str] = field(default_factory=lambda: dict(ZONES))


@dataclass(frozen=True, slots=True)
class World:
    """What the region is given: its time, what instances run, and how whoever calls lets time pass.

    ``programs`` may know a ``workload`` of its own; without one, services of that name run the region's.
    """

    clock: Clock
    timeline: Timeline
    programs: Programs
    sleep: Sleep = no_time


class MemoryRegion:
    """A region that is nothing but objects. Two of the same settings, whose callers do the same at the same times, are equal in all."""

    def __init__(self, settings: MemorySettings, world: World) -> None:
        """Build it; nothing is in it."""
        self.settings, self.name, self._world = settings, settings.region, world
        self.clock, self.started_at = world.clock, world.clock.now()
        self.types = TYPES
        self.delays = Delays(settings.seed, settings.time_scale)
        self.log = MemoryLog(self.clock)
        ground = Ground(world.timeline, self.delays, self.clock, self.log, nullcontext())
        self.ids = Ids(settings.seed)
        self.books, self.disks = MemoryBooks(self.ids, self.clock, settings.zones), MemoryDisks()
        self.faults, self.capacity = FaultTable(), CapacityTable()
        self.prices = PriceBook(settings.seed, PriceAxis(self.started_at, settings.time_scale), {}, settings.price_days)
        self.traffic = Traffic(self.clock)
        self.guardian = MemoryGuardian(self._installed(), self.ids, world.timeline, self.host)
        self.init = Init(self.disks, self.guardian, self.books.tags, ground)
        self.guardian.report_to(self.init)
        self.images = Images(self.books, self.disks, ground)
        self.volumes = Volumes(self.books, self.disks, ground)
        self.mounting = Mounting(self.volumes, self.disks, lambda machine, name: self.init.status(machine, name).pid is not None)
        self.addresses = Addresses(_ELASTIC_BLOCK, self.traffic, ground)
        self.machines = Machines(self._machine_parts(), ground)
        self.secondary_addresses = SecondaryAddresses(self.machines, self.traffic, ground)
        self.fronts = FrontAddresses(_ELASTIC_BLOCK)
        self.target_groups = TargetGroups(BalancingParts(self.traffic, self.traffic, self.fronts), ground)
        self.resolver = Resolver(self.traffic, self.fronts, ground)
        self.zones = Zones(self.resolver, ground)
        self.visibility = KnownInstances(self.machines, self.clock)
        self._volume_calls = VolumeCalls(self.volumes, self.visibility, self.images, self.books)
        self.api = Ec2Api(self._handlers(), self.faults, self.log)
        self.control = Control(self)
        self._with_metadata: set[str] = set()

    def ec2_client(self, caller: str, *, attempts: int = 1, sleep: Sleep | None = None) -> MemoryClient:
        """Return an EC2 client; ``caller`` is whom faults can be ordered for, ``attempts`` is boto3's total_max_attempts."""
        return self.client("ec2", caller, attempts=attempts, sleep=sleep)

    def client(self, service: str, caller: str, *, attempts: int = 1, sleep: Sleep | None = None) -> MemoryClient:
        """Return a client of ec2, elbv2, route53 or pricing."""
        return MemoryClient(ClientParts(self.api, self.name, caller, attempts, sleep or self._world.sleep, SERVICES[service]))

    def host(self, machine: Machine, pid: int) -> Host:
        """Return an instance as its programs meet it, for the boot that it is in."""
        parts = HostParts(self.init, self.traffic, self.delays, self.is_metadata_up, self.client, self.mounting)
        return Host(machine, pid, self.disks.roots[machine.instance_id], self.disks.runs[machine.instance_id], parts)

    def is_metadata_up(self, instance_id: str) -> bool:
        """Whether the metadata service of an instance answers at all: from running to the end."""
        return instance_id in self._with_metadata

    def stop_service(self, machine: Machine, service: str) -> ServiceAnswer:
        """Stop a service; where it takes its time, let time pass until it is down."""
        before = self.init.status(machine, service).pid
        if self.init.ask_to_stop(machine, service) and self.init.status(machine, service).pid == before:
            self._world.sleep(self.init.stop_bound_seconds(machine, service))
        return self.init.status(machine, service)

    def _on_up(self, machine: Machine) -> None:
        self._with_metadata.add(machine.instance_id)
        self.target_groups.bring_back(machine)

    def _on_off(self, machine: Machine, final: State) -> None:
        self._with_metadata.discard(machine.instance_id)
        self.volumes.on_off(machine, final)
        self.target_groups.drop(machine, final)
        if final is State.TERMINATED:
            self.addresses.drop_holder(machine)
            self.secondary_addresses.drop_holder(machine)

    def _installed(self) -> Programs:
        return _WithWorkload(self._world.programs, WorkloadProgram(self.traffic, self._world.timeline))

    def _machine_parts(self) -> MachineParts:
        return MachineParts(
            book=self.books,
            disks=self.disks,
            init=self.init,
            on_boot=self.mounting.on_boot,
            on_up=self._on_up,
            on_off=self._on_off,
        )

    def _launches(self) -> Launches:
        gate_parts = GateParts(
            machines=self.machines,
            capacity=self.capacity,
            clock=self.clock,
            types=self.types,
            az_ids=self.books.az_ids(),
            zone_of_subnet=self.books.zone_of_subnet,
            spot_usd_per_hour=self.prices.spot_usd_per_hour,
        )
        return Launches(
            LaunchParts(
                gate=LaunchGate(gate_parts),
                books=self.books,
                machines=self.machines,
                disks=self.disks,
                volumes=self.volumes,
                kind_of_snapshot=self._volume_calls.kind_of_snapshot,
                clock=self.clock,
                region=self.name,
            )
        )

    def _handlers(self) -> dict[str, Handler]:
        known, books = self.visibility, self.books
        instances = InstanceCalls(books, self.machines, self.volumes, known)
        addresses = AddressCalls(books, self.addresses, known)
        images = ImageCalls(ImageParts(books, self.images, self.machines, self.disks, self.volumes), known, self.clock)
        pages = PricePages(self.prices, self.types, books.az_ids())
        market = MarketCalls(books, SpotRequests(self.machines), pages, self.clock, self.name)
        private = PrivateAddressCalls(books, self.secondary_addresses)
        return {
            **self._neighbours(),
            **{action: _answering(answer) for action, answer in self._volume_calls.handlers().items()},
            "RunInstances": self._launches().run,
            "DescribeInstances": instances.describe,
            "DescribeInstanceStatus": instances.describe_status,
            "TerminateInstances": instances.terminate,
            "StopInstances": instances.stop,
            "StartInstances": instances.start,
            "RebootInstances": instances.reboot,
            "ModifyInstanceAttribute": instances.modify,
            "CreateTags": instances.tag,
            "CreateImage": images.create_image,
            "DeregisterImage": images.deregister_image,
            "DescribeImages": images.describe_images,
            "CreateSnapshot": images.create_snapshot,
            "CreateSnapshots": images.create_snapshots,
            "DeleteSnapshot": images.delete_snapshot,
            "DescribeSnapshots": images.describe_snapshots,
            "DescribeInstanceCreditSpecifications": instances.describe_credits,
            "AllocateAddress": addresses.allocate,
            "AssociateAddress": addresses.associate,
            "DisassociateAddress": addresses.disassociate,
            "ReleaseAddress": addresses.release,
            "DescribeAddresses": addresses.describe,
            "AssignPrivateIpAddresses": private.assign,
            "UnassignPrivateIpAddresses": private.unassign,
            "DescribeSpotPriceHistory": market.price_history,
            "DescribeInstanceTypes": market.instance_types,
            "DescribeInstanceTypeOfferings": market.offerings,
            "DescribeAvailabilityZones": market.zones,
            "DescribeSubnets": market.subnets,
            "DescribeSpotInstanceRequests": market.spot_requests,
            "CancelSpotInstanceRequests": market.cancel_spot_requests,
        }

    def _neighbours(self) -> dict[str, Handler]:
        """Load balancing, Route 53 and the price list, which both forms of the region answer with the same calls."""
        arn_prefix = f"arn:aws:elasticloadbalancing:{self.name}:{ACCOUNT_ID}"
        balancing = BalancingCalls(self.target_groups, self.machines, arn_prefix, self.settings.seed)
        price_list = PriceListCalls(self.name, self.types, self.started_at)
        calls = balancing.handlers() | DnsCalls(self.zones).handlers() | price_list.handlers()
        return {action: _answering(answer) for action, answer in calls.items()}


def _answering(answer: Callable[[Mapping[str, Any]], Shape]) -> Handler:
    return lambda request: answer(request.parameters)


@dataclass(frozen=True, slots=True)
class _WithWorkload:
    """The programs that were given, and the region's own workload where they have none."""

    programs: Programs
    workload: WorkloadProgram

    def find(self, spec: ServiceSpec) -> Program | None:
        """Return a service's program."""
        return self.programs.find(spec) or (self.workload if spec.name == WORKLOAD else None)
