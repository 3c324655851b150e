"""Data volumes on simulated instances: there are none yet, and a daemon that is told to mount one is refused, as on a bare machine."""

from __future__ import annotations

from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.rules.volumes import DataVolume


class VirtualMounts:
    """No device ever comes."""

    def mount(self, volume: DataVolume, bound_seconds: float) -> str:
        """Refuse."""
        raise ActFailed(ErrorClass.RACE, "device_not_there", f"simulated instances have no device of {volume.volume_id}")

    def unmount(self, volume: DataVolume, bound_seconds: float) -> None:
        """What was never mounted is fine."""
