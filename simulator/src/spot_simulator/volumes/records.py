"""What EC2 knows of a volume."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spot_simulator.ec2.hardware import VolumeKind


class AttachmentState(StrEnum):
    """EC2's words. A volume that is mounted is ``busy`` when somebody wants to detach it, and stays so."""

    ATTACHING = "attaching"
    ATTACHED = "attached"
    BUSY = "busy"
    DETACHING = "detaching"


_WITH_DEVICE = frozenset({AttachmentState.ATTACHED, AttachmentState.BUSY})
LETTING_GO = frozenset({AttachmentState.BUSY, AttachmentState.DETACHING})


@dataclass(slots=True)
class Attachment:
    """Where a volume is. ``mount_point`` is where the system there has mounted it, None if it has not."""

    instance_id: str
    device_name: str
    since: datetime
    state: AttachmentState
    is_deleted_on_termination: bool = False
    mount_point: str | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the system of the instance has a device of it."""
        return self.state in _WITH_DEVICE


@dataclass(slots=True)
class Volume:
    """A volume in a zone. ``disk_of`` is the instance whose root disk it was from the beginning, None for a data volume."""

    volume_id: str
    zone: str
    created_at: datetime
    kind: VolumeKind
    snapshot_id: str = ""
    disk_of: str | None = None
    is_creating: bool = False
    attachment: Attachment | None = None

    @property
    def state(self) -> str:
        """EC2's word for it: creating, available or in-use."""
        if self.is_creating:
            return "creating"
        return "in-use" if self.attachment else "available"

    @property
    def held_by(self) -> str | None:
        """The instance that it is attached to, or on its way to or from."""
        return self.attachment.instance_id if self.attachment else None
