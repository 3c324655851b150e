"""How long things take: drawn per resource from a seed, so that the timing of threads changes nothing."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Delay(StrEnum):
    """What takes time in the region."""

    RUN = "run"  # RunInstances to running
    BOOT = "boot"  # running to services started
    IMAGE = "image"  # CreateImage or CreateSnapshot to available
    ADDRESS_MOVE = "address_move"  # AssociateAddress to traffic moved
    WORKLOAD_START = "workload_start"  # workload process started to listening
    SHUTDOWN = "shutdown"  # shutting-down to terminated (or stopping to stopped)
    TARGET_REGISTRATION = "target_registration"  # RegisterTargets to the first health check
    RECORD_SYNC = "record_sync"  # ChangeResourceRecordSets to INSYNC
    VOLUME_CREATE = "volume_create"  # CreateVolume to available
    VOLUME_ATTACH = "volume_attach"  # AttachVolume to attached
    VOLUME_DETACH = "volume_detach"  # DetachVolume, or the end of the instance, to available
    LATER_SNAPSHOT = "later_snapshot"  # CreateSnapshot of a data volume that has a snapshot already: of what changed since
    SERVICE_RESTART = "service_restart"  # a service died to started again


RANGES_SECONDS: dict[Delay, tuple[float, float]] = {
    Delay.RUN: (10.0, 40.0),
    Delay.BOOT: (30.0, 120.0),
    Delay.IMAGE: (120.0, 480.0),
    Delay.ADDRESS_MOVE: (2.0, 10.0),
    Delay.WORKLOAD_START: (3.0, 3.0),
    Delay.SHUTDOWN: (5.0, 20.0),
    Delay.TARGET_REGISTRATION: (1.0, 5.0),
    Delay.RECORD_SYNC: (10.0, 60.0),
    Delay.VOLUME_CREATE: (1.0, 5.0),
    Delay.VOLUME_ATTACH: (1.0, 5.0),
    Delay.VOLUME_DETACH: (1.0, 5.0),
    Delay.LATER_SNAPSHOT: (20.0, 90.0),
    Delay.SERVICE_RESTART: (1.0, 1.0),
}
"""Unscaled seconds, lowest and highest. Source: the 120-second budget in the design's AWS facts; estimates, not measured."""

NOTICE_LEAD_SECONDS = 120.0
MAINTENANCE_LEAD_SECONDS = 14 * 86_400.0
"""How far ahead EC2 usually announces maintenance. Source: the EC2 user guide, scheduled events."""


def unit_draw(*parts: object) -> float:
    """Return a number in [0, 1) that depends on ``parts`` alone."""
    digest = hashlib.sha256("|".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class Delays:
    """The delays of one region; ``time_scale`` (> 0) multiplies every one."""

    seed: int
    time_scale: float

    def seconds(self, delay: Delay, ordinal: object) -> float:
        """Return the scaled delay of one resource; ``ordinal`` names it among those of its kind."""
        low, high = RANGES_SECONDS[delay]
        return (low + (high - low) * unit_draw(self.seed, delay, ordinal)) * self.time_scale

    def scaled(self, region_seconds: float) -> float:
        """Turn seconds of the region into seconds of this machine's clock."""
        return region_seconds * self.time_scale
