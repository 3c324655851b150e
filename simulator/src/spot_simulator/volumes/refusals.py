"""What EC2 refuses of calls about volumes, in its words."""

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import Machine, State
from spot_simulator.volumes.records import Volume

_ATTACHABLE = frozenset({State.RUNNING, State.STOPPED})
MOST_PENDING_SNAPSHOTS = 5
"""Of one volume at a time. Source: the EC2 API reference, ConcurrentSnapshotLimitExceeded."""


def volume_not_found(volume_id: str) -> Ec2Error:
    """Say that there is no such volume."""
    return Ec2Error("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")


def check_attach(volume: Volume, machine: Machine, at_device: Volume | None) -> None:
    """Refuse AttachVolume; ``at_device`` is what the instance has at that device."""
    if volume.attachment is not None:
        raise Ec2Error("VolumeInUse", f"{volume.volume_id} is already attached to an instance")
    if volume.is_creating:
        raise Ec2Error("IncorrectState", f"Volume '{volume.volume_id}' is in the '{volume.state}' state.")
    if machine.state not in _ATTACHABLE:
        raise Ec2Error("IncorrectState", f"Instance '{machine.instance_id}' is not 'running'.")
    if volume.disk_of is not None:
        raise Ec2Error("UnsupportedOperation", f"{volume.volume_id} was a root disk, which the simulated region attaches to nothing else")
    if volume.zone != machine.az_name:
        text = f"The volume '{volume.volume_id}' is not in the same availability zone as instance '{machine.instance_id}'"
        raise Ec2Error("InvalidVolume.ZoneMismatch", text)
    if at_device is not None:
        raise Ec2Error("InvalidParameterValue", "Invalid value for unixDevice. Attachment point is already in use")


def check_detach(volume: Volume, instance_id: str | None, machine: Machine | None) -> None:
    """Refuse DetachVolume; ``instance_id`` is the instance that the call names, None for any, ``machine`` the one that has the volume."""
    if volume.attachment is None or machine is None:
        raise Ec2Error("IncorrectState", f"Volume '{volume.volume_id}' is in the '{volume.state}' state.")
    if instance_id not in {None, volume.held_by}:
        raise Ec2Error("InvalidAttachment.NotFound", f"The volume {volume.volume_id} is not attached to {instance_id}")
    if volume.disk_of == volume.held_by and machine.state not in {State.STOPPED, State.TERMINATED}:
        raise Ec2Error("OperationNotPermitted", f"Unable to detach root volume '{volume.volume_id}' from instance '{volume.held_by}'")


def check_delete(volume: Volume) -> None:
    """Refuse DeleteVolume."""
    if volume.attachment is not None:
        raise Ec2Error("VolumeInUse", f"Volume {volume.volume_id} is currently attached to {volume.held_by}")
    if volume.is_creating:
        raise Ec2Error("IncorrectState", f"Volume '{volume.volume_id}' is in the '{volume.state}' state.")


def check_snapshot(volume: Volume, pending: int) -> None:
    """Refuse CreateSnapshot; ``pending`` is how many of the volume's snapshots are."""
    if volume.is_creating:
        raise Ec2Error("IncorrectState", f"Volume '{volume.volume_id}' is in the '{volume.state}' state.")
    if pending >= MOST_PENDING_SNAPSHOTS:
        raise Ec2Error("ConcurrentSnapshotLimitExceeded", "Maximum allowed in-progress snapshots for a single volume exceeded.")


def check_left_out(held: list[Volume], left_out: frozenset[str]) -> None:
    """Refuse to make an image with data volumes in it: EC2 does that, the simulated region has no such images."""
    devices = {one.attachment.device_name for one in held if one.disk_of is None and one.attachment is not None} - left_out
    if devices:
        text = f"The simulated region makes images of root volumes only: leave out {', '.join(sorted(devices))} with NoDevice"
        raise Ec2Error("UnsupportedOperation", text)
