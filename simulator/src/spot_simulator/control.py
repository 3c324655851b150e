"""What a person, or a test, does to a region: let things go wrong in it. Every refusal is a ``Problem``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from spot_simulator.base_image import base_files, default_services
from spot_simulator.hosting.init import ServiceAnswer
from spot_simulator.hosting.service_list import parse_services
from spot_simulator.images import Image
from spot_simulator.machine import CANCELLED, Machine, Maintenance, MaintenanceCode, MetadataFault, Notice, NoticeAction, State
from spot_simulator.model.capacity import CapacityPool, Mode
from spot_simulator.model.delays import MAINTENANCE_LEAD_SECONDS, NOTICE_LEAD_SECONDS
from spot_simulator.model.faults import Fault, Mishap
from spot_simulator.problems import Problem
from spot_simulator.region_view import RegionView
from spot_simulator.volumes.mounting import MountRefused

_UP = frozenset({State.PENDING, State.RUNNING})
_ANY_STATE = frozenset(State)


class Control:
    """Called with the region's lock held. Seconds are the region's, unscaled."""

    def __init__(self, region: RegionView) -> None:
        """Take the region."""
        self._region = region

    def base_image(
        self,
        name: str = "base",
        *,
        architecture: str = "x86_64",
        env_file: str = "",
        services: Sequence[Mapping[str, Any]] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Image:
        """Make the first image; without ``services`` the daemon and the workload are enabled, as the installer leaves them."""
        listed = default_services() if services is None else services
        try:
            parse_services({"services": listed})
        except ValueError as error:
            raise Problem(400, f"services: {error}.", field="services", value=listed, expected="a list of services") from error
        try:
            content = base_files(env_file, listed, files or {})
        except ValueError as error:
            raise Problem(400, str(error), field="files", value=list(files or {}), expected="paths on the disk") from error
        if self._region.books.image_of_name(name) is not None:
            raise Problem(409, "There is an image of this name.", field="name", value=name, expected="a name that is not taken")
        image = self._region.images.add_base(name, architecture)
        self._region.disks.fill_snapshot(image.snapshot_id, content)
        return image

    def set_capacity(self, instance_type: str, az_id: str, mode: Mode = Mode.SPOT, *, is_available: bool) -> None:
        """Empty or fill a pool."""
        self._expect_pool(instance_type, az_id)
        self._region.capacity.set_available(CapacityPool(instance_type, az_id, mode), is_available=is_available)
        self._region.log.append("capacity", instance_type=instance_type, az_id=az_id, mode=mode.value, available=is_available)

    def set_price(self, instance_type: str, az_id: str, usd_per_hour: Decimal) -> None:
        """Let a pool cost ``usd_per_hour`` (> 0) from now on."""
        self._expect_pool(instance_type, az_id)
        if not usd_per_hour.is_finite() or usd_per_hour <= 0:
            raise Problem(
                400, "A price is above 0.", field="usd_per_hour", value=str(usd_per_hour), expected="USD per hour, such as 0.0417"
            )
        self._region.prices.fix(instance_type, az_id, self._region.clock.now(), usd_per_hour)
        self._region.log.append("price", instance_type=instance_type, az_id=az_id, usd_per_hour=str(usd_per_hour))

    def add_fault(self, fault: Fault) -> None:
        """Order errors, or lost answers, for the next calls of an action."""
        if fault.code is None and fault.mishap is Mishap.REFUSED:
            raise Problem(400, "Say which error is wanted.", field="code", expected="an EC2 error code, or lose_answer true")
        self._region.faults.add(fault)
        self._region.log.append(
            "fault-ordered",
            action=fault.action,
            code=fault.code,
            count=fault.remaining,
            lose_answer=fault.is_answer_lost,
            mishap=fault.mishap.value,
            caller=fault.caller,
        )

    def clear_faults(self, caller: str | None = None) -> None:
        """Forget the faults that have not happened yet, of one caller or all."""
        if caller is None:
            self._region.faults.clear()
        else:
            self._region.faults.forget(caller)

    def fail_workload_starts(self, tag: Mapping[str, str], fail_starts: int = 1) -> None:
        """Let the next starts of the workload fail, on instances with these tags on which it never served; 0 takes the order back."""
        self._region.init.fail_starts(tag, fail_starts)
        self._region.log.append("workload-fault-ordered", tag=dict(tag), fail_starts=fail_starts)

    def set_launch_visibility(self, seconds: float) -> None:
        """Let instances be unknown by their id for so long after their launch."""
        self._region.visibility.invisible_seconds = self._region.delays.scaled(seconds)

    def notice(self, instance_id: str, action: NoticeAction = NoticeAction.TERMINATE, lead_seconds: float = NOTICE_LEAD_SECONDS) -> Notice:
        """Announce an interruption of a spot instance; it goes at the end of ``lead_seconds``, at once for hibernation."""
        return self._region.machines.notice(self._spot(instance_id), action, lead_seconds)

    def rebalance(self, instance_id: str) -> datetime:
        """Recommend to rebalance a spot instance; return since when."""
        machine = self._spot(instance_id)
        self._region.machines.recommend_rebalance(machine)
        return machine.rebalance_at or self._region.clock.now()

    def schedule_maintenance(self, instance_id: str, code: MaintenanceCode, lead_seconds: float = MAINTENANCE_LEAD_SECONDS) -> Maintenance:
        """Announce a scheduled event of an instance; it is shown, and never carried out."""
        machine = self.machine(instance_id, _UP)
        number = len(machine.maintenance) + 1
        not_before = self._region.clock.now() + timedelta(seconds=self._region.delays.scaled(lead_seconds))
        event = Maintenance(
            f"instance-event-{instance_id.removeprefix('i-')}{number:02d}", code.value, f"The instance has {code}.", not_before
        )
        machine.maintenance.append(event)
        self._region.log.append("maintenance", instance_id=instance_id, event_id=event.event_id, code=code.value)
        return event

    def cancel_maintenance(self, instance_id: str) -> None:
        """Call off everything that is scheduled for an instance."""
        machine = self.machine(instance_id)
        machine.maintenance = [
            event if event.is_over else replace(event, description=f"{CANCELLED} {event.description}") for event in machine.maintenance
        ]
        self._region.log.append("maintenance-cancelled", instance_id=instance_id)

    def impair(self, instance_id: str, *, is_impaired: bool = True) -> None:
        """Let EC2's check of an instance fail, or be well again. Nothing else happens to it."""
        machine = self.machine(instance_id, _UP)
        machine.impaired_since = self._region.clock.now() if is_impaired else None
        self._region.log.append("impaired", instance_id=instance_id, is_impaired=is_impaired)

    def lose(self, instance_id: str) -> None:
        """Take an instance away without a word."""
        self._region.machines.lose(self.machine(instance_id, _UP))

    def reboot(self, instance_id: str) -> None:
        """Reboot an instance, as a crash of its system does: no process gets a word."""
        self._region.machines.reboot(self.machine(instance_id, frozenset({State.RUNNING})))

    def kill_service(self, instance_id: str, service: str) -> None:
        """Kill -9 one service; init starts it again if it is one that is restarted."""
        machine = self.machine(instance_id)
        running = [run.name for run in machine.services.values() if run.pid is not None]
        if service not in running:
            expected = f"one of {', '.join(running) or 'nothing: no service runs'}"
            raise Problem(409, "No such service runs on this instance.", field="service", value=service, expected=expected)
        self._region.log.append("service-killed", instance_id=instance_id, service=service)
        self._region.init.kill_service(machine, service)

    def set_metadata_fault(self, instance_id: str, fault: MetadataFault) -> None:
        """Let the metadata endpoint of an instance misbehave."""
        self.machine(instance_id).metadata_fault = fault
        self._region.log.append("metadata-fault", instance_id=instance_id, mode=fault.value)

    def start_service(self, instance_id: str, service: str) -> ServiceAnswer:
        """Start a service, as ``systemctl start`` does."""
        return self._region.init.start(self.machine(instance_id), service)

    def stop_service(self, instance_id: str, service: str) -> ServiceAnswer:
        """Stop a service, as ``systemctl stop`` does: it is down afterwards."""
        return self._region.stop_service(self.machine(instance_id), service)

    def service_status(self, instance_id: str, service: str) -> ServiceAnswer:
        """Look at a service."""
        return self._region.init.status(self.machine(instance_id), service)

    def mount(self, instance_id: str, volume_id: str, mount_point: str) -> None:
        """Mount a volume that is attached to a running instance at a path of its disk, as the program ``mount`` does."""
        machine = self.machine(instance_id, frozenset({State.RUNNING}))
        if not mount_point.startswith("/") or len(mount_point.strip("/")) == 0 or ".." in mount_point.split("/"):
            raise Problem(400, "This is no place to mount at.", field="mount_point", value=mount_point, expected="a path such as /srv/shop")
        try:
            self._region.mounting.mount(machine, volume_id, mount_point)
        except MountRefused as refused:
            raise _not_mounted(volume_id, refused) from refused

    def unmount(self, instance_id: str, volume_id: str) -> None:
        """Unmount a volume, as the program ``umount`` does."""
        try:
            self._region.mounting.unmount(self.machine(instance_id, frozenset({State.RUNNING})), volume_id)
        except MountRefused as refused:
            raise _not_mounted(volume_id, refused) from refused

    def machine(self, instance_id: str, states: frozenset[State] = _ANY_STATE) -> Machine:
        """Return an instance that is in one of these states."""
        machine = self._region.machines.by_id.get(instance_id)
        if machine is None:
            raise Problem(404, "There is no such instance.", field="instance_id", value=instance_id, expected="an instance's id")
        if machine.state not in states:
            expected = f"an instance that is {' or '.join(sorted(states))}"
            raise Problem(409, f"The instance is {machine.state}.", field="instance_id", value=instance_id, expected=expected)
        return machine

    def _spot(self, instance_id: str) -> Machine:
        machine = self.machine(instance_id, _UP)
        if machine.mode is not Mode.SPOT:
            raise Problem(
                409, "On-demand instances get no such notice.", field="instance_id", value=instance_id, expected="a spot instance"
            )
        return machine

    def _expect_pool(self, instance_type: str, az_id: str) -> None:
        _expect_one_of("instance_type", instance_type, self._region.types)
        _expect_one_of("az_id", az_id, tuple(self._region.books.az_ids().values()))


def _not_mounted(volume_id: str, refused: MountRefused) -> Problem:
    return Problem(409, str(refused), field="volume_id", value=volume_id, expected="a data volume of the instance that is free for it")


def _expect_one_of(field: str, value: str, right: tuple[str, ...]) -> None:
    if value not in right:
        raise Problem(400, f"The region knows no {field} {value}.", field=field, value=value, expected=f"one of {', '.join(right)}")
