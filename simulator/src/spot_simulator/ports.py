"""What the shared parts of a region ask of their surroundings: the same classes serve a region of processes and one in memory."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from spot_simulator.clock import Clock
from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.machine import Machine, ReasonCode, State
from spot_simulator.model.delays import Delays
from spot_simulator.volumes.records import Volume

WORKLOAD_PORT = 8080
"""At which workloads answer, and every front."""

Lock = AbstractContextManager[object]
"""The region's lock; where there are no threads, a context that does nothing."""


class Timeline(Protocol):
    """Things that happen later, in the order in which they are due; what is due together keeps the order of the calls."""

    def after(self, seconds: float, callback: Callable[[], None]) -> object:
        """Run ``callback`` when ``seconds`` (>= 0) have passed, and never within this call."""
        ...


class Log(Protocol):
    """The region's log of what happened."""

    def append(self, kind: str, **facts: object) -> None:
        """Record an event; ``facts`` are JSON values."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What every part of a region stands on; ``lock`` is the region's."""

    timeline: Timeline
    delays: Delays
    clock: Clock
    log: Log
    lock: Lock


class InstanceBook(Protocol):
    """EC2's book of instances, as their life changes it."""

    def set_state(self, instance_id: str, state: State, reason: ReasonCode | None) -> None:
        """Put an instance into a state; ``terminated`` also ends its associations."""
        ...


class ImageBook(Protocol):
    """EC2's book of images and snapshots, as their life changes it."""

    def begin_image(self, image_id: str, instance_id: str) -> tuple[str, str]:
        """Take a new image of an instance in as pending; return its name and the id of its snapshot."""
        ...

    def finish_image(self, image_id: str) -> bool:
        """Make an image available; False if it was deregistered meanwhile."""
        ...

    def register_image(self, name: str, architecture: str) -> tuple[str, str]:
        """Make an available image without an instance; return its id and the id of its snapshot."""
        ...

    def begin_snapshot(self, snapshot_id: str) -> None:
        """Make a new snapshot pending."""
        ...

    def finish_snapshot(self, snapshot_id: str) -> bool:
        """Make a snapshot complete; False if it was deleted meanwhile."""
        ...

    def add_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Tag a resource."""
        ...


@dataclass(frozen=True, slots=True)
class AddressEntry:
    """An Elastic IP in EC2's book; ``instance_id`` is whom it is associated with, wherever its traffic goes."""

    allocation_id: str
    public_ip: str
    association_id: str | None
    instance_id: str | None


class Books(Protocol):
    """EC2's books, as far as the control of the region looks into them."""

    def tags(self, resource_id: str) -> dict[str, str]:
        """Return a resource's tags."""
        ...

    def snapshot_states(self) -> dict[str, str]:
        """Return {snapshot id: pending or completed}."""
        ...

    def address_entries(self) -> Sequence[AddressEntry]:
        """Return the Elastic IPs."""
        ...

    def image_of_name(self, name: str) -> str | None:
        """Return the id of the image that has this name."""
        ...

    def az_ids(self) -> Mapping[str, str]:
        """Return {zone name: zone id}."""
        ...


class VolumeBook(Protocol):
    """EC2's book of volumes, as their life changes it."""

    def new_volume_id(self) -> str:
        """Return an id that no volume has."""
        ...

    def show_volume(self, volume: Volume) -> None:
        """Show a volume, and the instance that it is attached to, as they are now."""
        ...

    def drop_volume(self, volume_id: str) -> None:
        """Show a volume no more."""
        ...


@dataclass(frozen=True, slots=True)
class Device:
    """A volume as the system of its instance has it: at ``device_name`` by EC2's word, mounted at ``mount_point`` or not."""

    volume_id: str
    device_name: str
    mount_point: str | None


class VolumeDisks(Protocol):
    """What data volumes hold, and where systems have mounted them."""

    def make_volume(self, volume_id: str, snapshot_id: str | None) -> None:
        """Make the content of a volume: a copy of a snapshot, or nothing."""
        ...

    def drop_volume(self, volume_id: str) -> None:
        """Delete the content of a volume."""
        ...

    def show_devices(self, instance_id: str, devices: Sequence[Device]) -> None:
        """Let the kernel of an instance show these devices and what is mounted of them, and no others."""
        ...

    def mount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Put a volume's content over a path of an instance's disk, such as /srv/shop."""
        ...

    def unmount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Take it away again: what was there before shows, and what is written from now on is not on the volume."""
        ...


class Disks(Protocol):
    """The disks of the instances, and the copies that snapshots hold."""

    def empty_run(self, instance_id: str) -> None:
        """Empty /run, as every boot does."""
        ...

    def take_snapshot(self, instance_id: str, snapshot_id: str) -> None:
        """Copy an instance's root volume as it is now, without what is mounted on it."""
        ...

    def take_volume_snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Copy a data volume as it is now."""
        ...

    def fill_snapshot(self, snapshot_id: str, files: Mapping[str, str]) -> None:
        """Give a snapshot its content: text by its path on the disk."""
        ...

    def services(self, instance_id: str) -> tuple[ServiceSpec, ...]:
        """Read the services that are enabled on an instance's disk. Raise ``ValueError`` if the list cannot be read."""
        ...

    def is_in_run(self, instance_id: str, path: str) -> bool:
        """Whether a path exists below an instance's /run."""
        ...


class Services(Protocol):
    """The services of the instances, as the life of an instance starts and ends them."""

    def boot(self, machine: Machine) -> None:
        """Start the enabled services in their order."""
        ...

    def halt(self, machine: Machine, *, is_at_once: bool) -> None:
        """End all services: SIGKILL if at once, else SIGTERM; none is restarted.

        The caller may be one of them: where that ends it, this does not return, so it is the last thing that its caller does.
        """
        ...


class SpawnFailed(Exception):
    """A service's program could not be started."""


class Guardian(Protocol):
    """Who starts and ends the programs of services, and tells init of their end."""

    def spawn(self, machine: Machine, spec: ServiceSpec, *, must_fail: bool) -> int:
        """Start a service's program and return its number; with ``must_fail`` one that gives up. Raise ``SpawnFailed``."""
        ...

    def terminate(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGTERM to the programs of these services; False if none was there."""
        ...

    def kill(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGKILL to them. May not return to a caller that is one of them."""
        ...


class ServiceListener(Protocol):
    """Who hears what a guardian sees. Called with the region's lock held."""

    def on_serving(self, instance_id: str, pid: int, since: datetime | None) -> None:
        """A workload began to accept writes (None: now)."""
        ...

    def on_stopped_serving(self, instance_id: str, pid: int, at: datetime | None) -> None:
        """A workload ceased to accept writes (None: now)."""
        ...

    def on_exited(self, instance_id: str, name: str, pid: int, exit_code: int) -> None:
        """A program ended; below 0 by that signal."""
        ...


class ForwardingFailed(Exception):
    """The traffic of an address could not be sent where it was to go."""


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a front sends requests: an address, of an instance or again of a front, and a port."""

    address: str
    port: int = WORKLOAD_PORT


class Forwarder(Protocol):
    """What carries requests from the fronts that clients ask at. Every method raises ``ForwardingFailed``."""

    def listen(self, front: str) -> None:
        """Answer on an address; it leads nowhere yet."""
        ...

    def route(self, front: str, leads: Sequence[Lead], *, is_cut: bool = True) -> int:
        """Send what comes from now on to each lead in turn, or nowhere; ``is_cut`` ends what is open.

        Return how many connections that cut.
        """
        ...

    def close(self, front: str) -> None:
        """Answer no more."""
        ...


@dataclass(frozen=True, slots=True)
class Checked:
    """What a health check got: an HTTP status; None if nobody answered, or not in time."""

    status: int | None
    is_timed_out: bool = False


class HealthChecker(Protocol):
    """What asks workloads how they are, as a load balancer does."""

    def check(self, lead: Lead, path: str, timeout_seconds: float, told: Callable[[Checked], None]) -> None:
        """Ask, and say what came of it: within this call, or later from another thread."""
        ...
