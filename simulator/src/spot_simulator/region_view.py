"""A region as its control sees it, whichever its form."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from spot_simulator.balancing.target_groups import TargetGroups
from spot_simulator.clock import Clock
from spot_simulator.dns.resolver import Resolver
from spot_simulator.hosting.init import Init, ServiceAnswer
from spot_simulator.images import Images
from spot_simulator.machine import Machine
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import CapacityTable
from spot_simulator.model.delays import Delays
from spot_simulator.model.faults import FaultTable
from spot_simulator.network.addresses import Addresses
from spot_simulator.network.secondary_addresses import SecondaryAddresses
from spot_simulator.ports import Books, Disks, Log
from spot_simulator.price_book import PriceBook
from spot_simulator.volumes.mounting import Mounting
from spot_simulator.volumes.volumes import Volumes


class ReadableLog(Log, Protocol):
    """A log that can be read."""

    def after(self, number: int) -> Sequence[Mapping[str, object]]:
        """Return the events with a number above ``number``, oldest first."""
        ...


class Visibility(Protocol):
    """How soon the API knows what it made."""

    invisible_seconds: float
    """What passes, of the region's clock, after a launch before an instance is known by its id."""


class RegionView(Protocol):
    """Every part is used with the region's lock held."""

    @property
    def name(self) -> str:
        """The region's name, such as us-east-1."""
        ...

    @property
    def started_at(self) -> datetime:
        """When it began."""
        ...

    @property
    def types(self) -> tuple[str, ...]:
        """The instance types that it offers."""
        ...

    @property
    def clock(self) -> Clock:
        """Its time."""
        ...

    @property
    def delays(self) -> Delays:
        """How long things take in it."""
        ...

    @property
    def log(self) -> ReadableLog:
        """What happened in it."""
        ...

    @property
    def books(self) -> Books:
        """EC2's books."""
        ...

    @property
    def disks(self) -> Disks:
        """The disks and their copies."""
        ...

    @property
    def machines(self) -> Machines:
        """The instances."""
        ...

    @property
    def images(self) -> Images:
        """The images."""
        ...

    @property
    def volumes(self) -> Volumes:
        """The volumes."""
        ...

    @property
    def mounting(self) -> Mounting:
        """What systems mount."""
        ...

    @property
    def addresses(self) -> Addresses:
        """The Elastic IPs."""
        ...

    @property
    def secondary_addresses(self) -> SecondaryAddresses:
        """The secondary private addresses."""
        ...

    @property
    def target_groups(self) -> TargetGroups:
        """The target groups."""
        ...

    @property
    def resolver(self) -> Resolver:
        """What clients know of the records."""
        ...

    @property
    def init(self) -> Init:
        """The services of the instances."""
        ...

    @property
    def prices(self) -> PriceBook:
        """The spot prices."""
        ...

    @property
    def capacity(self) -> CapacityTable:
        """The pools that are empty."""
        ...

    @property
    def faults(self) -> FaultTable:
        """The faults that are to come."""
        ...

    @property
    def visibility(self) -> Visibility:
        """How soon new instances are known."""
        ...

    def stop_service(self, machine: Machine, service: str) -> ServiceAnswer:
        """Stop a service and return when it is down."""
        ...
