"""An instance as the programs on it meet it, from one boot to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.hosting.init import Init
from spot_simulator.machine import Machine
from spot_simulator.memory.client import MemoryClient
from spot_simulator.memory.disk import Disk
from spot_simulator.memory.metadata import Reading, read_metadata
from spot_simulator.memory.traffic import Traffic
from spot_simulator.model.delays import Delay, Delays
from spot_simulator.volumes.mounting import Mounting


@dataclass(frozen=True, slots=True)
class HostParts:
    """What instances share. ``is_metadata_up`` tells of an instance; ``client`` makes one of a service for a caller."""

    init: Init
    traffic: Traffic
    delays: Delays
    is_metadata_up: Callable[[str], bool]
    client: Callable[[str, str], MemoryClient]
    mounting: Mounting


class Host:
    """Given to each program that is started; ``pid`` is that program's number, ``booted_at`` when its boot began."""

    def __init__(self, machine: Machine, pid: int, disk: Disk, run: Disk, parts: HostParts) -> None:
        """``run`` is the /run of this boot."""
        self.machine, self.pid, self.disk, self.run, self._parts = machine, pid, disk, run, parts
        self.booted_at: datetime = machine.boot_began_at or machine.launched_at

    @property
    def instance_id(self) -> str:
        """EC2's name for it."""
        return self.machine.instance_id

    @property
    def private_ip(self) -> str:
        """Its address inside the region."""
        return self.machine.private_ip

    @property
    def workload_start_seconds(self) -> float:
        """How long a workload takes here from its start until it accepts writes."""
        return self._parts.delays.seconds(Delay.WORKLOAD_START, self.machine.ordinal)

    def read_metadata(self, path: str) -> tuple[Reading, float]:
        """Return what the metadata service answers now at a path below /latest/, and the seconds that the client waits for it."""
        return read_metadata(self.machine, path, is_up=self._parts.is_metadata_up(self.instance_id))

    def client(self, service: str) -> MemoryClient:
        """Return a client of ec2, elbv2 or route53 whose caller is this instance; it makes one attempt per call."""
        return self._parts.client(service, self.instance_id)

    def start_service(self, name: str) -> tuple[bool, str]:
        """Ask init to start a service: whether it runs now, and one line that says so or why not."""
        answer = self._parts.init.start(self.machine, name)
        return answer.state == "running", f"{name}: {answer.detail or answer.state}"

    def stop_service(self, name: str) -> float:
        """Ask init to stop a service; return the seconds until it is down, at most its bound."""
        if not self._parts.init.ask_to_stop(self.machine, name) or not self.is_service_running(name):
            return 0.0
        return self._parts.init.stop_bound_seconds(self.machine, name)

    def is_service_running(self, name: str) -> bool:
        """Whether a service's program is there."""
        return self._parts.init.status(self.machine, name).pid is not None

    def is_accepting(self) -> bool:
        """Whether a workload accepts writes here now."""
        return self._parts.traffic.acceptor(self.private_ip) is not None

    def has_device(self, volume_id: str) -> bool:
        """Whether the system shows a volume."""
        return self._parts.mounting.has_device(self.machine, volume_id)

    def mount(self, volume_id: str, mount_point: str) -> None:
        """Mount a volume. Raise ``MountRefused``."""
        self._parts.mounting.mount(self.machine, volume_id, mount_point)

    def unmount(self, volume_id: str) -> None:
        """Unmount a volume, if it is here and mounted. Raise ``MountRefused``."""
        self._parts.mounting.unmount(self.machine, volume_id)

    def tell_serving(self) -> None:
        """Let init note that this program accepts writes from now on."""
        self._parts.init.on_serving(self.instance_id, self.pid, None)

    def tell_stopped_serving(self) -> None:
        """Let init note that this program accepts no writes from now on."""
        self._parts.init.on_stopped_serving(self.instance_id, self.pid, None)
