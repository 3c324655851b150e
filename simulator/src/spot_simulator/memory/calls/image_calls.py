"""Images and snapshots: names are unique, snapshots can be tagged with the image, and both take their time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from spot_simulator.clock import Clock
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.known_instances import KnownInstances, check_image_source
from spot_simulator.images import Images
from spot_simulator.machines import Machines
from spot_simulator.memory import shapes
from spot_simulator.memory.books import ACCOUNT_ID, MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.disks import MemoryDisks
from spot_simulator.memory.filters import Facts, passing
from spot_simulator.memory.records import ImageRecord, SnapshotRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.volumes.records import Volume
from spot_simulator.volumes.refusals import check_left_out, check_snapshot, volume_not_found
from spot_simulator.volumes.volumes import Volumes

Record = TypeVar("Record")

_OURS = frozenset({"self", ACCOUNT_ID})
_IMAGE_FACTS: Facts[ImageRecord] = {
    "image-id": lambda record: record.image_id,
    "name": lambda record: record.name,
    "state": lambda record: record.state,
}
_SNAPSHOT_FACTS: Facts[SnapshotRecord] = {
    "snapshot-id": lambda record: record.snapshot_id,
    "status": lambda record: record.state,
    "volume-id": lambda record: record.volume_id,
}


@dataclass(frozen=True, slots=True)
class ImageParts:
    """What these calls touch."""

    books: MemoryBooks
    images: Images
    machines: Machines
    disks: MemoryDisks
    volumes: Volumes


class ImageCalls:
    """Everything that outlives an instance."""

    def __init__(self, parts: ImageParts, known: KnownInstances, clock: Clock) -> None:
        """Take the parts."""
        self._books, self._images, self._machines = parts.books, parts.images, parts.machines
        self._disks, self._volumes, self._known, self._clock = parts.disks, parts.volumes, known, clock

    def create_image(self, request: Request) -> Shape:
        """Answer CreateImage; without NoReboot a running instance is rebooted, as AWS does."""
        name, instance_id = request.needed("Name"), request.needed("InstanceId")
        machine = self._known.one(instance_id)
        check_image_source(machine, name, self._books.image_of_name(name))
        left_out = frozenset(one["DeviceName"] for one in request.get("BlockDeviceMappings", ()) if "NoDevice" in one)
        check_left_out(self._volumes.on_instance(instance_id), left_out)
        root = self._volumes.root_of(instance_id)
        if root is None:  # a running or stopped instance has one
            raise KeyError(instance_id)
        request.end_if_dry_run()
        snapshot = self._books.new_snapshot(root.volume_id, request.get("Description", ""), root.kind)
        image = ImageRecord(
            image_id=self._books.ids.new("ami"),
            name=name,
            snapshot_id=snapshot.snapshot_id,
            architecture=machine.architecture,
            created_at=self._clock.now(),
            source_instance_id=instance_id,
            description=request.get("Description", ""),
            root=root.kind,
        )
        self._books.images[image.image_id] = image
        self._books.add_tags(image.image_id, request.tags("image"))
        self._images.add(image.image_id, instance_id, root, request.tags("snapshot"))
        if not request.get("NoReboot"):
            self._machines.reboot(machine)
        return {"ImageId": image.image_id}

    def deregister_image(self, request: Request) -> Shape:
        """Answer DeregisterImage; its snapshot stays unless DeleteAssociatedSnapshots says otherwise."""
        image_id = request.needed("ImageId")
        image = self._books.images.get(image_id)
        if image_id in self._books.deregistered:
            raise Ec2Error("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is no longer available")
        if image is None:
            raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        request.end_if_dry_run()
        del self._books.images[image_id], self._images.by_id[image_id]
        self._books.deregistered.add(image_id)
        if request.get("DeleteAssociatedSnapshots"):
            self._delete(image.snapshot_id)
        return {"Return": True}

    def describe_images(self, request: Request) -> Shape:
        """Answer DescribeImages; one that was deregistered is left out."""
        wanted = [image_id for image_id in request.get("ImageIds", ()) if image_id not in self._books.deregistered]
        owners = request.get("Owners")
        if (owners and not _OURS.intersection(owners)) or (request.get("ImageIds") and not wanted):
            return {"Images": []}
        found = _chosen(self._books.images, wanted, "InvalidAMIID.NotFound")
        found = passing(found, request.filters(), _IMAGE_FACTS, self._books, lambda record: record.image_id)
        return {"Images": [shapes.image(record, self._books) for record in found]}

    def create_snapshot(self, request: Request) -> Shape:
        """Answer CreateSnapshot of a volume, attached or left over."""
        volume = self._books.volumes.get(request.needed("VolumeId"))
        if volume is None:
            raise volume_not_found(request.needed("VolumeId"))
        listed = self._books.snapshots.values()
        check_snapshot(volume, sum(1 for one in listed if one.volume_id == volume.volume_id and one.state == "pending"))
        request.end_if_dry_run()
        return self._taken(request, volume)

    def create_snapshots(self, request: Request) -> Shape:
        """Answer CreateSnapshots of an instance: one of each attached volume."""
        machine = self._known.one(request.needed("InstanceSpecification").get("InstanceId", ""))
        request.end_if_dry_run()
        volume_ids = self._books.instances[machine.instance_id].volume_ids.values()
        return {"Snapshots": [self._taken(request, self._books.volumes[volume_id]) for volume_id in volume_ids]}

    def delete_snapshot(self, request: Request) -> Shape:
        """Answer DeleteSnapshot; not of one that an image needs."""
        snapshot_id = request.needed("SnapshotId")
        if snapshot_id not in self._books.snapshots:
            raise Ec2Error("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        image = next((image for image in self._books.images.values() if image.snapshot_id == snapshot_id), None)
        if image is not None:
            raise Ec2Error("InvalidSnapshot.InUse", f"The snapshot {snapshot_id} is currently in use by {image.image_id}")
        request.end_if_dry_run()
        self._delete(snapshot_id)
        return {}

    def describe_snapshots(self, request: Request) -> Shape:
        """Answer DescribeSnapshots."""
        owners = request.get("OwnerIds")
        if owners and not _OURS.intersection(owners):
            return {"Snapshots": []}
        found = _chosen(self._books.snapshots, request.get("SnapshotIds", ()), "InvalidSnapshot.NotFound")
        found = passing(found, request.filters(), _SNAPSHOT_FACTS, self._books, lambda record: record.snapshot_id)
        return {"Snapshots": [shapes.snapshot(record, self._books) for record in found]}

    def _taken(self, request: Request, volume: Volume) -> Shape:
        snapshot = self._books.new_snapshot(volume.volume_id, request.get("Description", ""), volume.kind)
        self._books.add_tags(snapshot.snapshot_id, request.tags("snapshot"))
        self._images.start_snapshot(snapshot.snapshot_id, volume)
        return shapes.snapshot(snapshot, self._books)

    def _delete(self, snapshot_id: str) -> None:
        del self._books.snapshots[snapshot_id]
        self._disks.delete_snapshot(snapshot_id)


def _chosen(records: Mapping[str, Record], wanted: Sequence[str], code: str) -> list[Record]:
    """Return the records of these ids, or all; an unknown id is refused."""
    for wanted_id in wanted:
        if wanted_id not in records:
            raise Ec2Error(code, f"'{wanted_id}' does not exist")
    return [records[wanted_id] for wanted_id in wanted] if wanted else list(records.values())
