"""EC2's books: instances, volumes, images, snapshots, addresses and tags. What takes time is the shared parts' business."""

from collections.abc import Iterable, Mapping

from spot_simulator.clock import Clock
from spot_simulator.ec2.hardware import VolumeKind
from spot_simulator.machine import ReasonCode, State
from spot_simulator.memory.ids import Ids
from spot_simulator.memory.records import AddressRecord, ImageRecord, InstanceRecord, SnapshotRecord, SubnetRecord
from spot_simulator.ports import AddressEntry
from spot_simulator.volumes.records import Volume

ACCOUNT_ID = "123456789012"
NO_VOLUME = "vol-ffffffff"
"""What EC2 shows as the volume of a snapshot that was made without one."""


class MemoryBooks:
    """One account in one region, with a default VPC of one subnet per zone and one security group."""

    def __init__(self, ids: Ids, clock: Clock, zones: Mapping[str, str]) -> None:
        """``zones`` is {zone name: zone id}."""
        self.ids, self._clock, self._zones = ids, clock, dict(zones)
        self.vpc_id, self.group_id = ids.new("vpc"), ids.new("sg")
        laid_out = [SubnetRecord(ids.new("subnet"), zone, az_id, number) for number, (zone, az_id) in enumerate(zones.items())]
        self.subnets = {subnet.subnet_id: subnet for subnet in laid_out}
        self.instances: dict[str, InstanceRecord] = {}
        self.volumes: dict[str, Volume] = {}
        self.images: dict[str, ImageRecord] = {}
        self.deregistered: set[str] = set()
        self.snapshots: dict[str, SnapshotRecord] = {}
        self.addresses: dict[str, AddressRecord] = {}
        self._tags: dict[str, dict[str, str]] = {}

    def az_ids(self) -> Mapping[str, str]:
        """Return {zone name: zone id}."""
        return self._zones

    def zone_of_subnet(self, subnet_id: str) -> str | None:
        """Return the name of a subnet's zone, or None if there is no such subnet."""
        subnet = self.subnets.get(subnet_id)
        return subnet.zone if subnet else None

    def subnet_of_zone(self, zone: str) -> SubnetRecord:
        """Return the subnet of a zone."""
        return next(subnet for subnet in self.subnets.values() if subnet.zone == zone)

    def tags(self, resource_id: str) -> dict[str, str]:
        """Return a resource's tags."""
        return dict(self._tags.get(resource_id, {}))

    def add_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Tag a resource; a key that it has gets the new value."""
        if tags:
            self._tags.setdefault(resource_id, {}).update(tags)

    def carries(self, resource_id: str, key: str, values: Iterable[str] | None) -> bool:
        """Whether a resource has a tag, with one of these values (None: any)."""
        value = self._tags.get(resource_id, {}).get(key)
        return value is not None and (values is None or value in values)

    def set_state(self, instance_id: str, state: State, reason: ReasonCode | None) -> None:
        """End the associations of a terminated instance; the state itself is the machine's."""
        if state is not State.TERMINATED:
            return
        for address in self.addresses.values():
            if address.instance_id == instance_id:
                address.instance_id = address.association_id = None

    def new_volume_id(self) -> str:
        """Return an id that no volume has."""
        return self.ids.new("vol")

    def show_volume(self, volume: Volume) -> None:
        """List a volume, and at its instance and no other."""
        self.volumes[volume.volume_id] = volume
        self._take_from_instances(volume.volume_id, but_for=volume.held_by)
        if volume.attachment is not None:
            self.instances[volume.attachment.instance_id].volume_ids[volume.attachment.device_name] = volume.volume_id

    def drop_volume(self, volume_id: str) -> None:
        """List a volume no more."""
        del self.volumes[volume_id]
        self._take_from_instances(volume_id, but_for=None)

    def _take_from_instances(self, volume_id: str, *, but_for: str | None) -> None:
        for instance_id, record in self.instances.items():
            if instance_id != but_for and volume_id in record.volume_ids.values():
                record.volume_ids = {device: held for device, held in record.volume_ids.items() if held != volume_id}

    def begin_image(self, image_id: str, instance_id: str) -> tuple[str, str]:
        """Make a new image pending."""
        image = self.images[image_id]
        image.state = "pending"
        return image.name, image.snapshot_id

    def finish_image(self, image_id: str) -> bool:
        """Make an image available; False if it was deregistered."""
        image = self.images.get(image_id)
        if image is not None:
            image.state = "available"
        return image is not None

    def register_image(self, name: str, architecture: str) -> tuple[str, str]:
        """Make an available image without an instance; return its id and snapshot."""
        snapshot = self.new_snapshot(NO_VOLUME, "")
        image = ImageRecord(self.ids.new("ami"), name, snapshot.snapshot_id, architecture, self._clock.now())
        image.description = "Base image of the simulated region"
        self.images[image.image_id] = image
        return image.image_id, image.snapshot_id

    def image_of_name(self, name: str) -> str | None:
        """Return the id of the image that has this name."""
        return next((image.image_id for image in self.images.values() if image.name == name), None)

    def new_snapshot(self, volume_id: str, description: str, kind: VolumeKind | None = None) -> SnapshotRecord:
        """Take a new snapshot in; ``kind`` is what its volume is like."""
        snapshot_id = self.ids.new("snap")
        snapshot = SnapshotRecord(snapshot_id, volume_id, self._clock.now(), description=description, kind=kind or VolumeKind())
        self.snapshots[snapshot.snapshot_id] = snapshot
        return snapshot

    def begin_snapshot(self, snapshot_id: str) -> None:
        """Make a snapshot pending."""
        self.snapshots[snapshot_id].state = "pending"

    def finish_snapshot(self, snapshot_id: str) -> bool:
        """Make a snapshot complete; False if it was deleted."""
        snapshot = self.snapshots.get(snapshot_id)
        if snapshot is not None:
            snapshot.state = "completed"
        return snapshot is not None

    def snapshot_states(self) -> dict[str, str]:
        """Return {snapshot id: state}."""
        return {snapshot.snapshot_id: snapshot.state for snapshot in self.snapshots.values()}

    def address_entries(self) -> list[AddressEntry]:
        """Return the Elastic IPs."""
        return [AddressEntry(one.allocation_id, one.public_ip, one.association_id, one.instance_id) for one in self.addresses.values()]

    def address_of(self, instance_id: str) -> AddressRecord | None:
        """Return the Elastic IP that is associated with an instance."""
        return next((one for one in self.addresses.values() if one.instance_id == instance_id), None)
