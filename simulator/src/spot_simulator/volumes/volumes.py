"""The life of every volume: made, attached, mounted, let go of, deleted. A volume is on one instance at most."""

from collections.abc import Callable

from spot_simulator.ec2.hardware import ROOT_DEVICE, LaunchVolumes, VolumeKind
from spot_simulator.machine import Machine, State
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Device, Ground, VolumeBook, VolumeDisks
from spot_simulator.volumes.records import LETTING_GO, Attachment, AttachmentState, Volume


class Volumes:
    """Every method is called with the region's lock held; what EC2 refuses was refused before."""

    def __init__(self, book: VolumeBook, disks: VolumeDisks, ground: Ground) -> None:
        """Start with none."""
        self._book, self._disks, self._ground = book, disks, ground
        self._changes = 0
        self.by_id: dict[str, Volume] = {}

    def on_instance(self, instance_id: str) -> list[Volume]:
        """Return the volumes of an instance, in the order in which they came."""
        return [volume for volume in self.by_id.values() if volume.held_by == instance_id]

    def at_device(self, instance_id: str, device_name: str) -> Volume | None:
        """Return what an instance has at a device."""
        held = self.on_instance(instance_id)
        return next((one for one in held if one.attachment and one.attachment.device_name == device_name), None)

    def root_of(self, instance_id: str) -> Volume | None:
        """Return the root volume of an instance, as long as there is one."""
        return next((volume for volume in self.by_id.values() if volume.disk_of == instance_id), None)

    def make_of_launch(self, machine: Machine, root_snapshot_id: str, wanted: LaunchVolumes, root_id: str | None = None) -> list[str]:
        """Make the volumes of a new instance, all attached, and return their ids; ``root_id`` if EC2's book has named the root already."""
        root = Volume(
            root_id or self._book.new_volume_id(), machine.az_name, machine.launched_at, wanted.root, root_snapshot_id, machine.instance_id
        )
        root.attachment = _at_launch(machine, ROOT_DEVICE, is_deleted_on_termination=wanted.is_root_deleted_on_termination)
        made = [root]
        for device in wanted.data:
            volume = Volume(self._book.new_volume_id(), machine.az_name, machine.launched_at, device.kind, device.snapshot_id)
            volume.attachment = _at_launch(machine, device.device_name, is_deleted_on_termination=device.is_deleted_on_termination)
            made.append(volume)
        for volume in made:
            self._take_in(volume)
        return [volume.volume_id for volume in made]

    def create(self, zone: str, kind: VolumeKind, snapshot_id: str) -> Volume:
        """Make a volume, with the content of a snapshot unless that is empty."""
        now = self._ground.clock.now()
        volume = Volume(self._book.new_volume_id(), zone, now, kind, snapshot_id, is_creating=True)
        self._take_in(volume)
        self._changed(volume, volume.state)
        self._later(volume, Delay.VOLUME_CREATE, self._on_created)
        return volume

    def attach(self, volume: Volume, machine: Machine, device_name: str) -> Attachment:
        """Begin to attach; the system there has the device when that is done."""
        attachment = Attachment(machine.instance_id, device_name, self._ground.clock.now(), AttachmentState.ATTACHING)
        volume.attachment = attachment
        self._changed(volume, attachment.state)
        self._later(volume, Delay.VOLUME_ATTACH, self._on_attached)
        return attachment

    def detach(self, volume: Volume, *, is_forced: bool) -> None:
        """Begin to detach. One that is mounted is busy until it is not; with ``is_forced`` it is torn away, whatever was not written."""
        attachment = volume.attachment
        if attachment is None or attachment.state is AttachmentState.DETACHING:
            return
        if attachment.mount_point is not None and not is_forced:
            attachment.state = AttachmentState.BUSY
            self._changed(volume, attachment.state)
            return
        self._unmount(volume)
        self._let_go(volume)

    def delete(self, volume: Volume) -> None:
        """Delete a volume with its content."""
        volume.attachment = None
        del self.by_id[volume.volume_id]
        if volume.disk_of is None:
            self._disks.drop_volume(volume.volume_id)
        self._book.drop_volume(volume.volume_id)
        self._changed(volume, "deleted", is_shown=False)

    def keep(self, volume: Volume, *, is_deleted_on_termination: bool) -> None:
        """Set what becomes of an attached volume when its instance is terminated."""
        if volume.attachment is not None:
            volume.attachment.is_deleted_on_termination = is_deleted_on_termination
            self._book.show_volume(volume)

    def mount(self, volume: Volume, mount_point: str) -> None:
        """Let the system of its instance mount a volume at a path of its disk."""
        if volume.attachment is not None:
            self._disks.mount(volume.attachment.instance_id, volume.volume_id, mount_point)
            volume.attachment.mount_point = mount_point
            self._changed(volume, "mounted", is_shown=False)

    def unmount(self, volume: Volume) -> None:
        """Let the system of its instance unmount a volume; one that was busy goes then."""
        if volume.attachment is not None and volume.attachment.mount_point is not None:
            self._unmount(volume)
            if volume.attachment.state is AttachmentState.BUSY:
                self._let_go(volume)

    def on_boot(self, machine: Machine) -> None:
        """Let nothing be mounted on an instance whose system begins anew."""
        for volume in self.on_instance(machine.instance_id):
            self.unmount(volume)
        self._show_devices(machine.instance_id)

    def on_off(self, machine: Machine, final: State) -> None:
        """Keep, free or delete the volumes of an instance whose system has ended."""
        for volume in self.on_instance(machine.instance_id):
            self.unmount(volume)
            if final is State.TERMINATED and volume.attachment is not None:
                if volume.attachment.is_deleted_on_termination:
                    self.delete(volume)
                elif volume.attachment.state not in LETTING_GO:
                    self._let_go(volume)

    def _take_in(self, volume: Volume) -> None:
        self.by_id[volume.volume_id] = volume
        if volume.disk_of is None:  # the disk of a root is made by the launch
            self._disks.make_volume(volume.volume_id, volume.snapshot_id or None)
        self._book.show_volume(volume)

    def _show_devices(self, instance_id: str) -> None:
        held = [(volume.volume_id, volume.attachment) for volume in self.on_instance(instance_id)]
        devices = [Device(one, at.device_name, at.mount_point) for one, at in held if at is not None and at.is_shown]
        self._disks.show_devices(instance_id, devices)

    def _unmount(self, volume: Volume) -> None:
        attachment = volume.attachment
        if attachment is not None and attachment.mount_point is not None:
            self._disks.unmount(attachment.instance_id, volume.volume_id, attachment.mount_point)
            attachment.mount_point = None
            self._changed(volume, "unmounted", is_shown=False)

    def _let_go(self, volume: Volume) -> None:
        if volume.attachment is not None:
            volume.attachment.state = AttachmentState.DETACHING
            self._changed(volume, volume.attachment.state)
            self._later(volume, Delay.VOLUME_DETACH, self._on_detached)

    def _on_created(self, volume: Volume) -> None:
        volume.is_creating = False
        self._changed(volume, volume.state)

    def _on_attached(self, volume: Volume) -> None:
        if volume.attachment is not None:
            volume.attachment.state = AttachmentState.ATTACHED
            self._changed(volume, volume.attachment.state)

    def _on_detached(self, volume: Volume) -> None:
        held_by, volume.attachment = volume.held_by, None
        self._changed(volume, volume.state)
        if held_by is not None:
            self._show_devices(held_by)

    def _later(self, volume: Volume, delay: Delay, step: Callable[[Volume], None]) -> None:
        """Take the step when the delay is over, unless the volume went another way meanwhile."""
        self._changes += 1
        attachment, state = volume.attachment, volume.attachment.state if volume.attachment else None

        def run() -> None:
            with self._ground.lock:
                is_as_it_was = volume.attachment is attachment and (attachment is None or attachment.state is state)
                if self.by_id.get(volume.volume_id) is volume and is_as_it_was:
                    step(volume)

        self._ground.timeline.after(self._ground.delays.seconds(delay, self._changes), run)

    def _changed(self, volume: Volume, state: str, *, is_shown: bool = True) -> None:
        if is_shown:
            self._book.show_volume(volume)
        if volume.attachment is not None:
            self._show_devices(volume.attachment.instance_id)
        held_by = {} if volume.held_by is None else {"instance_id": volume.held_by}
        self._ground.log.append("volume", volume_id=volume.volume_id, state=str(state), **held_by)


def _at_launch(machine: Machine, device_name: str, *, is_deleted_on_termination: bool) -> Attachment:
    return Attachment(machine.instance_id, device_name, machine.launched_at, AttachmentState.ATTACHED, is_deleted_on_termination)
