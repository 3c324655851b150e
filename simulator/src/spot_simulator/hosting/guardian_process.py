"""The guardian as a process of its own: the region's side of it. It starts services, ends them, and passes on what they tell."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.clock import parse_time
from spot_simulator.helper_process import HelperFailed, HelperProcess, Message
from spot_simulator.hosting.disks import Disks
from spot_simulator.hosting.environment import service_environment
from spot_simulator.hosting.hosts import HostFailed, Hosts
from spot_simulator.hosting.service_list import ServiceSpec
from spot_simulator.machine import Machine
from spot_simulator.model.delays import Delays
from spot_simulator.ports import Log, ServiceListener, SpawnFailed


@dataclass(frozen=True, slots=True)
class GuardianParts:
    """What services get to know of the region; ``region_token`` tells its processes from those of other regions."""

    disks: Disks
    hosts: Hosts
    delays: Delays
    log: Log
    api_url: str
    region_token: str
    lock: threading.RLock


class GuardianProcess:
    """Every method is called with the region's lock held; only ``wait_for`` lets it go."""

    def __init__(self, parts: GuardianParts) -> None:
        """Start the process."""
        self._parts = parts
        self._listener: ServiceListener | None = None
        self._changed = threading.Condition(parts.lock)
        self._process = HelperProcess("spot_simulator.hosting.guardian", self._on_event)

    def report_to(self, listener: ServiceListener) -> None:
        """Say who hears of services; before the first one starts."""
        self._listener = listener

    def spawn(self, machine: Machine, spec: ServiceSpec, *, must_fail: bool) -> int:
        """Start a service's process. Raise ``SpawnFailed``."""
        disks, instance_id = self._parts.disks, machine.instance_id
        environment = service_environment(machine, spec, disks, self._parts.delays, self._parts.api_url)
        metadata_ip, metadata_port = self._parts.hosts.metadata_address(machine)
        environment.setdefault("IMDS_ENDPOINT", f"http://{metadata_ip}:{metadata_port}")
        if must_fail:
            environment["WORKLOAD_FAIL_START"] = "1"
        try:
            answer = self._process.call(
                do="spawn",
                unit=self._unit(machine, spec.name),
                argv=list(spec.argv),
                env=environment,
                namespaces=self._parts.hosts.namespaces(machine),
                cwd=str(disks.root(instance_id)),
                log_path=str(disks.log(instance_id, spec.name)),
            )
        except (HelperFailed, HostFailed) as error:
            raise SpawnFailed(str(error)) from error
        return int(answer["pid"])

    def terminate(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGTERM."""
        return self._signal("term", machine, names)

    def kill(self, machine: Machine, names: Sequence[str]) -> bool:
        """Send SIGKILL."""
        return self._signal("kill", machine, names)

    def wait_for(self, is_so: Callable[[], bool], within_seconds: float) -> bool:
        """Wait for something that the end of a service makes true; the region goes on meanwhile."""
        return self._changed.wait_for(is_so, within_seconds)

    def stop(self) -> None:
        """Kill every service; returns when that is done."""
        self._process.stop()

    def _signal(self, what: str, machine: Machine, names: Sequence[str]) -> bool:
        try:
            return bool(self._process.call(do=what, units=[self._unit(machine, name) for name in names])["pids"])
        except HelperFailed as error:
            self._parts.log.append("internal-error", where="guardian", error=str(error))
            return False

    def _unit(self, machine: Machine, name: str) -> str:
        return f"{self._parts.region_token}/{machine.instance_id}/{name}"

    def _on_event(self, event: Message) -> None:
        _, instance_id, name = event["unit"].split("/", 2)
        with self._changed:
            if self._listener is not None:
                _pass_on(self._listener, instance_id, name, event)
            self._changed.notify_all()


def _pass_on(listener: ServiceListener, instance_id: str, name: str, event: Message) -> None:
    pid, told = int(event["pid"]), event.get("told", {})
    if event["kind"] == "exited":
        listener.on_exited(instance_id, name, pid, int(event["exit_code"]))
    elif told["event"] == "serving":
        listener.on_serving(instance_id, pid, _told_at(told))
    elif told["event"] == "stopped":
        listener.on_stopped_serving(instance_id, pid, _told_at(told))


def _told_at(told: Message) -> datetime | None:
    try:
        return parse_time(str(told["at"]))
    except (KeyError, ValueError):
        return None
