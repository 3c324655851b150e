"""Images and snapshots: a snapshot holds a copy of a disk from the moment of the call, an image points to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import RLock

from spot_simulator.clock import Clock
from spot_simulator.ec2.moto_backend import MotoBackend
from spot_simulator.event_log import EventLog
from spot_simulator.hosting.disks import Disks
from spot_simulator.model.delays import Delay, Delays
from spot_simulator.timeline import Timeline


@dataclass(slots=True)
class Image:
    """An image; ``available_at`` is None while it is pending."""

    image_id: str
    name: str
    snapshot_id: str
    instance_id: str | None
    created_at: datetime
    available_at: datetime | None = None


class Images:
    """Every method is called with the region's lock held."""

    def __init__(
        self, moto: MotoBackend, disks: Disks, timeline: Timeline, delays: Delays, clock: Clock, log: EventLog, lock: RLock
    ) -> None:
        """Start with none."""
        self._moto, self._disks, self._timeline, self._delays = moto, disks, timeline, delays
        self._clock, self._log, self._lock = clock, log, lock
        self._count = 0
        self.by_id: dict[str, Image] = {}

    def add(self, image_id: str, instance_id: str, snapshot_tags: Mapping[str, str]) -> None:
        """Take in the image that moto just made of an instance: copy the disk now, make it available after the delay."""
        moto_image = self._moto.image(image_id)
        if moto_image is None:
            raise KeyError(image_id)
        snapshot_id = moto_image.ebs_snapshot.id
        moto_image.root_device_type = "ebs"
        volume_id = self._moto.root_volume_id(instance_id)
        if volume_id:
            self._moto.set_snapshot_volume(snapshot_id, volume_id)
        self._moto.add_tags(snapshot_id, snapshot_tags)
        image = Image(image_id, moto_image.name, snapshot_id, instance_id, self._clock.now())
        self.by_id[image_id] = image
        moto_image.state = "pending"
        self.start_snapshot(snapshot_id, instance_id)
        self._timeline.after(self._delay_seconds(), lambda: self._on_available(image))

    def add_base(self, name: str, architecture: str) -> Image:
        """Register an image without an instance, available at once; the caller fills ``disks.snapshot(snapshot_id)``."""
        moto_image = self._moto.register_image(name, architecture)
        now = self._clock.now()
        image = Image(moto_image.id, name, moto_image.ebs_snapshot.id, None, now, now)
        self.by_id[image.image_id] = image
        self._log.append("image-available", image_id=image.image_id, name=name)
        return image

    def start_snapshot(self, snapshot_id: str, instance_id: str) -> None:
        """Copy an instance's disk into a snapshot; it is pending until the image delay is over."""
        self._disks.take_snapshot(instance_id, snapshot_id)
        snapshot = self._moto.snapshot(snapshot_id)
        if snapshot is not None:
            snapshot.status = "pending"
        self._log.append("snapshot-started", snapshot_id=snapshot_id, instance_id=instance_id)
        self._count += 1
        self._timeline.after(self._delay_seconds(), lambda: self._on_completed(snapshot_id))

    def _delay_seconds(self) -> float:
        return self._delays.seconds(Delay.IMAGE, self._count)

    def _on_available(self, image: Image) -> None:
        with self._lock:
            moto_image = self._moto.image(image.image_id)
            if moto_image is not None:
                moto_image.state = "available"
                image.available_at = self._clock.now()
                self._log.append("image-available", image_id=image.image_id, name=image.name)

    def _on_completed(self, snapshot_id: str) -> None:
        with self._lock:
            snapshot = self._moto.snapshot(snapshot_id)
            if snapshot is not None:
                snapshot.status = "completed"
                self._log.append("snapshot-completed", snapshot_id=snapshot_id)
