"""The composition root: one region, built by hand from its parts."""

import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from spot_simulator.balancing.calls import BalancingCalls
from spot_simulator.balancing.target_groups import BalancingParts, TargetGroups
from spot_simulator.clock import SystemClock
from spot_simulator.dns.calls import DnsCalls
from spot_simulator.dns.resolver import Resolver
from spot_simulator.dns.zones import Zones
from spot_simulator.ec2.address_calls import AddressCalls
from spot_simulator.ec2.call import Handler
from spot_simulator.ec2.described_calls import over_http
from spot_simulator.ec2.image_calls import ImageCalls
from spot_simulator.ec2.instance_calls import InstanceCalls
from spot_simulator.ec2.known_instances import KnownInstances
from spot_simulator.ec2.launch_gate import GateParts, LaunchGate
from spot_simulator.ec2.launches import Launches, LaunchParts
from spot_simulator.ec2.market_calls import MarketCalls
from spot_simulator.ec2.moto_backend import ACCOUNT_ID, MotoBackend
from spot_simulator.ec2.price_pages import PricePages
from spot_simulator.ec2.private_address_calls import PrivateAddressCalls
from spot_simulator.ec2.shim import Shim
from spot_simulator.ec2.spot_request_calls import SpotRequestCalls
from spot_simulator.ec2.spot_requests import SpotRequests
from spot_simulator.event_log import EventLog
from spot_simulator.hosting.disks import Disks
from spot_simulator.hosting.guardian_process import GuardianParts, GuardianProcess
from spot_simulator.hosting.hosts import Bridge, HostFailed, Hosts, NamespaceHosts, SharedHost
from spot_simulator.hosting.init import Init, ServiceAnswer
from spot_simulator.images import Images
from spot_simulator.machine import Machine, State
from spot_simulator.machines import MachineParts, Machines
from spot_simulator.model.capacity import CapacityTable
from spot_simulator.model.catalogue import TYPES
from spot_simulator.model.delays import Delays
from spot_simulator.model.faults import FaultTable
from spot_simulator.model.prices import PriceAxis
from spot_simulator.neighbours.door import NeighbourDoor
from spot_simulator.network.addresses import Addresses
from spot_simulator.network.forwarder_process import ForwarderProcess
from spot_simulator.network.front_addresses import FrontAddresses
from spot_simulator.network.health_checks import HttpHealthChecker
from spot_simulator.network.imds import ImdsServer
from spot_simulator.network.secondary_addresses import SecondaryAddresses
from spot_simulator.network.slot import claim_slot
from spot_simulator.ports import Ground
from spot_simulator.price_book import PriceBook
from spot_simulator.price_list.calls import PriceListCalls
from spot_simulator.recorded_prices import read_recording, replayed
from spot_simulator.timeline import ThreadTimeline
from spot_simulator.volumes.calls import VolumeCalls
from spot_simulator.volumes.mounting import Mounting
from spot_simulator.volumes.volumes import Volumes

KILL_SECONDS = 5.0
"""How long the end of a process that was killed may take."""


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """What the command line says; ``time_scale`` (> 0) multiplies every delay."""

    state_dir: Path
    api_url: str
    region: str
    time_scale: float
    seed: int
    price_file: Path | None
    bridge: Bridge | None = None
    """Between hosts of their own, on which the instances run; None: they share this machine."""


class Region:
    """A running region. ``lock`` guards everything in it; moto and the parts rely on it."""

    def __init__(self, settings: RegionSettings) -> None:
        """Build and start it; the caller serves ``shim``."""
        self.settings, self.name = settings, settings.region
        self.lock = threading.RLock()
        self.clock = SystemClock()
        self.slot = claim_slot(settings.bridge.interface.network if settings.bridge else None)
        self.started_at = self.clock.now()
        self.delays = Delays(settings.seed, settings.time_scale)
        self.log = EventLog(settings.state_dir / "region.log", self.clock)
        self.timeline = ThreadTimeline(self.clock, self.log)
        self.disks = Disks(settings.state_dir)
        self._hosts: Hosts = NamespaceHosts(settings.bridge, self.disks.instances) if settings.bridge else SharedHost()
        self.faults, self.capacity = FaultTable(), CapacityTable()
        self.moto = self.books = MotoBackend(settings.region, self.slot.vpc_cidr, self.slot.subnet_cidrs)
        self.types = self.moto.offered(TYPES)
        self.prices = self._price_book()
        self._guardian, self._forwarder = GuardianProcess(self._guardian_parts()), ForwarderProcess()
        ground = Ground(self.timeline, self.delays, self.clock, self.log, self.lock)
        self.init = Init(self.disks, self._guardian, self.books.tags, ground)
        self._guardian.report_to(self.init)
        self.images = Images(self.moto, self.disks, ground)
        self.volumes = Volumes(self.moto, self.disks, ground)
        self.mounting = Mounting(self.volumes, self.disks, lambda machine, name: self.init.status(machine, name).pid is not None)
        self.addresses = Addresses(self.slot.elastic_block, self._forwarder, ground)
        self.machines = Machines(self._machine_parts(), ground)
        self.secondary_addresses = SecondaryAddresses(self.machines, self._forwarder, ground)
        fronts, self._checker = FrontAddresses(self.slot.elastic_block), HttpHealthChecker()
        self.target_groups = TargetGroups(BalancingParts(self._forwarder, self._checker, fronts), ground)
        self.resolver = Resolver(self._forwarder, fronts, ground)
        self.zones = Zones(self.resolver, ground)
        self.visibility = KnownInstances(self.machines, self.clock)
        self._volume_calls = VolumeCalls(self.volumes, self.visibility, self.images, self.moto)
        self.shim = Shim(self.moto, self._handlers(), self._neighbours(), self.faults, self.log, self.lock)
        self._metadata: dict[str, ImdsServer] = {}
        self.timeline.start()
        self.log.append("region-started", region=settings.region, time_scale=settings.time_scale, seed=settings.seed)

    def stop(self) -> None:
        """End every process that the region started, services first; its threads end with this process."""
        self.log.append("region-stopping")
        self.timeline.stop()
        self._checker.stop()
        self._guardian.stop()
        self._forwarder.stop()
        self.log.close()

    def _price_book(self) -> PriceBook:
        axis = PriceAxis(self.started_at, self.settings.time_scale)
        path = self.settings.price_file
        rows = read_recording(path, self.settings.region) if path else []
        return PriceBook(self.settings.seed, axis, replayed(rows, axis, self.moto.az_ids()))

    def stop_service(self, machine: Machine, service: str) -> ServiceAnswer:
        """Stop a service and return when it is down; the lock is let go meanwhile."""
        before = self.init.status(machine, service)
        if before.pid is not None and self.init.ask_to_stop(machine, service):
            seconds = self.init.stop_bound_seconds(machine, service) + KILL_SECONDS
            self._guardian.wait_for(lambda: self.init.status(machine, service).pid != before.pid, seconds)
        return self.init.status(machine, service)

    def _guardian_parts(self) -> GuardianParts:
        return GuardianParts(
            disks=self.disks,
            hosts=self._hosts,
            delays=self.delays,
            log=self.log,
            api_url=self.settings.api_url,
            region_token=uuid.uuid4().hex,
            lock=self.lock,
        )

    def _machine_parts(self) -> MachineParts:
        return MachineParts(
            book=self.moto,
            disks=self.disks,
            init=self.init,
            on_boot=self.mounting.on_boot,
            on_up=self._on_up,
            on_off=self._on_off,
        )

    def _on_up(self, machine: Machine) -> None:
        try:
            self._hosts.put_up(machine)
            listens_at = self._hosts.metadata_address(machine)
            self._metadata[machine.instance_id] = self._hosts.on_host(machine, lambda: ImdsServer(machine, listens_at, self.clock))
        except (OSError, HostFailed) as error:
            self.log.append("internal-error", where="metadata", instance_id=machine.instance_id, error=str(error))
        self.target_groups.bring_back(machine)

    def _on_off(self, machine: Machine, final: State) -> None:
        server = self._metadata.pop(machine.instance_id, None)
        if server is not None:
            threading.Thread(target=server.close, daemon=True).start()
        self._hosts.take_down(machine)
        self.volumes.on_off(machine, final)
        self.target_groups.drop(machine, final)
        if final is State.TERMINATED:
            self.addresses.drop_holder(machine)
            self.secondary_addresses.drop_holder(machine)

    def _gate_parts(self) -> GateParts:
        return GateParts(
            machines=self.machines,
            capacity=self.capacity,
            clock=self.clock,
            types=self.types,
            az_ids=self.moto.az_ids(),
            zone_of_subnet=self.moto.zone_of_subnet,
            spot_usd_per_hour=self.prices.spot_usd_per_hour,
        )

    def _launches(self) -> Launches:
        return Launches(
            LaunchParts(
                gate=LaunchGate(self._gate_parts()),
                moto=self.moto,
                machines=self.machines,
                images=self.images,
                disks=self.disks,
                volumes=self.volumes,
                kind_of_snapshot=self._volume_calls.kind_of_snapshot,
                clock=self.clock,
                region=self.settings.region,
            )
        )

    def _neighbours(self) -> dict[str, NeighbourDoor]:
        """Return the services beside EC2 that are the region's own, by their names in a request's signature."""
        arn_prefix = f"arn:aws:elasticloadbalancing:{self.name}:{ACCOUNT_ID}"
        balancing = BalancingCalls(self.target_groups, self.machines, arn_prefix, self.settings.seed)
        price_list = PriceListCalls(self.name, self.types, self.started_at)
        return {
            "elasticloadbalancing": NeighbourDoor("elbv2", balancing.handlers(), self.faults, self.log, self.lock),
            "route53": NeighbourDoor("route53", DnsCalls(self.zones).handlers(), self.faults, self.log, self.lock),
            "pricing": NeighbourDoor("pricing", price_list.handlers(), self.faults, self.log, self.lock),
        }

    def _handlers(self) -> dict[str, Handler]:
        known = self.visibility
        launches = self._launches()
        instances = InstanceCalls(self.machines, self.volumes, known)
        images = ImageCalls(self.images, self.machines, self.volumes, known, self.disks)
        addresses = AddressCalls(self.addresses, known)
        private = PrivateAddressCalls(self.secondary_addresses, self.machines)
        requests = SpotRequestCalls(SpotRequests(self.machines))
        pages = PricePages(self.prices, self.types, self.moto.az_ids())
        market = MarketCalls(pages, self.clock, self.settings.region, self.types)
        return {
            **{action: over_http(answer) for action, answer in self._volume_calls.handlers().items()},
            "RunInstances": launches.run_instances,
            "TerminateInstances": instances.terminate,
            "StopInstances": instances.stop,
            "StartInstances": instances.start,
            "RebootInstances": instances.reboot,
            "ModifyInstanceAttribute": instances.modify,
            "CreateTags": instances.tag,
            "DescribeInstances": instances.describe,
            "DescribeInstanceCreditSpecifications": instances.describe_credits,
            "DescribeInstanceStatus": instances.describe_status,
            "DescribeSpotInstanceRequests": requests.describe,
            "CancelSpotInstanceRequests": requests.cancel,
            "CreateImage": images.create_image,
            "DeregisterImage": images.deregister_image,
            "CreateSnapshot": images.create_snapshot,
            "CreateSnapshots": images.create_snapshots,
            "DeleteSnapshot": images.delete_snapshot,
            "AllocateAddress": addresses.allocate,
            "AssociateAddress": addresses.associate,
            "DisassociateAddress": addresses.disassociate,
            "ReleaseAddress": addresses.release,
            "AssignPrivateIpAddresses": private.assign,
            "UnassignPrivateIpAddresses": private.unassign,
            "DescribeSpotPriceHistory": market.price_history,
            "DescribeInstanceTypes": market.instance_types,
            "DescribeInstanceTypeOfferings": market.offerings,
        }
