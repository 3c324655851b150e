"""Images and snapshots: a snapshot holds a copy of a disk from the moment of the call, an image points to one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spot_simulator.ec2.hardware import VolumeKind
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Disks, Ground, ImageBook
from spot_simulator.volumes.records import Volume


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

    def __init__(self, book: ImageBook, disks: Disks, ground: Ground) -> None:
        """Start with none."""
        self._book, self._disks, self._ground = book, disks, ground
        self._count = self._data_count = 0
        self._copied: set[str] = set()
        self.kinds: dict[str, VolumeKind] = {}
        """What the volumes were like of which snapshots were taken, by snapshot."""
        self.by_id: dict[str, Image] = {}

    def add(self, image_id: str, instance_id: str, root: Volume, snapshot_tags: Mapping[str, str]) -> None:
        """Take in the image that EC2's book just got of an instance: copy its root now, make it available after the delay."""
        name, snapshot_id = self._book.begin_image(image_id, instance_id)
        self._book.add_tags(snapshot_id, snapshot_tags)
        image = Image(image_id, name, snapshot_id, instance_id, self._ground.clock.now())
        self.by_id[image_id] = image
        self.start_snapshot(snapshot_id, root)
        self._ground.timeline.after(self._delay_seconds(), lambda: self._on_available(image))

    def add_base(self, name: str, architecture: str) -> Image:
        """Register an image without an instance, available at once; the caller fills its snapshot."""
        image_id, snapshot_id = self._book.register_image(name, architecture)
        now = self._ground.clock.now()
        image = Image(image_id, name, snapshot_id, None, now, now)
        self.by_id[image_id], self.kinds[snapshot_id] = image, VolumeKind()
        self._ground.log.append("image-available", image_id=image_id, name=name)
        return image

    def start_snapshot(self, snapshot_id: str, volume: Volume) -> None:
        """Copy a volume into a snapshot; it is pending until the delay is over. Later ones of a data volume are quicker."""
        if volume.disk_of is not None:
            self._disks.take_snapshot(volume.disk_of, snapshot_id)
            self._count += 1
            seconds = self._delay_seconds()
        else:
            self._disks.take_volume_snapshot(volume.volume_id, snapshot_id)
            self._data_count += 1
            delay = Delay.LATER_SNAPSHOT if volume.volume_id in self._copied else Delay.IMAGE
            self._copied.add(volume.volume_id)
            seconds = self._ground.delays.seconds(delay, f"data-{self._data_count}")
        self.kinds[snapshot_id] = volume.kind
        self._book.begin_snapshot(snapshot_id)
        instance_id = volume.disk_of or volume.held_by
        of_instance = {} if instance_id is None else {"instance_id": instance_id}
        self._ground.log.append("snapshot-started", snapshot_id=snapshot_id, volume_id=volume.volume_id, **of_instance)
        self._ground.timeline.after(seconds, lambda: self._on_completed(snapshot_id))

    def _delay_seconds(self) -> float:
        return self._ground.delays.seconds(Delay.IMAGE, self._count)

    def _on_available(self, image: Image) -> None:
        with self._ground.lock:
            if self._book.finish_image(image.image_id):
                image.available_at = self._ground.clock.now()
                self._ground.log.append("image-available", image_id=image.image_id, name=image.name)

    def _on_completed(self, snapshot_id: str) -> None:
        with self._ground.lock:
            if self._book.finish_snapshot(snapshot_id):
                self._ground.log.append("snapshot-completed", snapshot_id=snapshot_id)
