"""What others have in the same account: nothing of it may be touched. It is put there by hand, and draws nothing from the region's seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy

from spot_simulator.ec2.hardware import ROOT_DEVICE, VolumeKind
from spot_simulator.images import Image
from spot_simulator.machine import Machine, State
from spot_simulator.memory.books import ACCOUNT_ID, NO_VOLUME
from spot_simulator.memory.records import AddressRecord, ImageRecord, InstanceRecord, SnapshotRecord
from spot_simulator.memory.region import MemoryRegion
from spot_simulator.model.capacity import Mode
from spot_simulator.volumes.records import Attachment, AttachmentState, Volume

TAGS_OF_ANOTHER = {
    "spot-optimizer:managed": "true",
    "spot-optimizer:client-id": "another",
    "spot-optimizer:agent-id": "another",
    "spot-optimizer:logical-agent-id": "another",
}
"""Of what another server has in the account: our tags, and none of our agents."""


def tags_of_namesake(name: str) -> dict[str, str]:
    """Return the tags of what another client's agent of the same name has."""
    return {**TAGS_OF_ANOTHER, "spot-optimizer:logical-agent-id": name}


LONG_BEFORE_DAYS = 400
"""Older than any limit of a cleanup by age."""
_TYPE = "m5.large"


class Foreign:
    """Volumes, snapshots, an image, a running instance and an address without any tag, and the same with another server's.

    Of another client's agent that has the name of one of ours there is all but the instance, by whose name faults are aimed here.
    """

    def __init__(self, region: MemoryRegion, name: str) -> None:
        """Put it there. `name`: of an agent that another client has, too."""
        self._region = region
        self._long_ago = region.clock.now().replace(year=region.clock.now().year - 2)
        self._ids: list[str] = []
        for number, tags in enumerate(({}, TAGS_OF_ANOTHER), start=1):
            self._put_running(number, tags, self._put_stored(number, tags))
        self._put_stored(3, tags_of_namesake(name))
        self._before = {foreign_id: self._look_at(foreign_id) for foreign_id in self._ids}

    @property
    def ids(self) -> frozenset[str]:
        """All that is foreign."""
        return frozenset(self._ids)

    def changed(self) -> Iterator[str]:
        """Give what is no more as it was put there."""
        for foreign_id, before in self._before.items():
            now = self._look_at(foreign_id)
            if now != before:
                yield f"{foreign_id} was {before}, and is {now}"

    def _look_at(self, foreign_id: str) -> object:
        """Return what EC2 has of it, with its tags. What a reset of all faults sets back is not looked at."""
        books = self._region.books
        shelves: tuple[Mapping[str, object], ...] = (books.volumes, books.snapshots, books.images, books.addresses)
        found: object = next((deepcopy(shelf[foreign_id]) for shelf in shelves if foreign_id in shelf), None)
        machine = self._region.machines.by_id.get(foreign_id)
        if machine is not None:
            found = (machine.state, machine.reason, machine.boot_number, tuple(machine.assigned_ips))
        return found, books.tags(foreign_id)

    def _put_stored(self, number: int, tags: Mapping[str, str]) -> str:
        """Put an image, its snapshot, which is returned, another snapshot, and a volume at no instance."""
        snapshot_id = self._new("snap", number, tags)
        self._put_image(snapshot_id, number, tags)
        loose = Volume(self._new("vol", number, tags), "us-east-1a", self._long_ago, VolumeKind())
        self._put_volume(loose)
        return snapshot_id

    def _put_running(self, number: int, tags: Mapping[str, str], snapshot_id: str) -> None:
        machine = self._put_instance(number, snapshot_id, tags)
        data = Volume(self._new("vol", 10 + number, tags), machine.az_name, self._long_ago, VolumeKind())
        data.attachment = Attachment(machine.instance_id, ROOT_DEVICE, self._long_ago, AttachmentState.ATTACHED)
        self._put_volume(data)
        allocation_id = self._new("eipalloc", number, tags)
        address = AddressRecord(allocation_id, f"203.0.113.{number}", f"eipassoc-f0{number:015d}", machine.instance_id)
        self._region.books.addresses[allocation_id] = address

    def _new(self, prefix: str, number: int, tags: Mapping[str, str]) -> str:
        """Name something; the region's own ids are digests, of which none is mostly zeros."""
        foreign_id = f"{prefix}-f0{number:015d}"
        self._ids.append(foreign_id)
        self._region.books.add_tags(foreign_id, tags)
        return foreign_id

    def _put_image(self, snapshot_id: str, number: int, tags: Mapping[str, str]) -> None:
        books, image_id, name = self._region.books, self._new("ami", number, tags), f"foreign-{number}"
        books.snapshots[snapshot_id] = SnapshotRecord(snapshot_id, NO_VOLUME, self._long_ago)
        self._region.disks.fill_snapshot(snapshot_id, {})
        books.images[image_id] = ImageRecord(image_id, name, snapshot_id, "x86_64", self._long_ago)
        self._region.images.by_id[image_id] = Image(image_id, name, snapshot_id, None, self._long_ago, self._long_ago)
        loose_id = self._new("snap", 10 + number, tags)
        books.snapshots[loose_id] = SnapshotRecord(loose_id, NO_VOLUME, self._long_ago)

    def _put_volume(self, volume: Volume) -> None:
        self._region.volumes.by_id[volume.volume_id] = volume
        self._region.disks.make_volume(volume.volume_id, None)
        self._region.books.show_volume(volume)

    def _put_instance(self, number: int, snapshot_id: str, tags: Mapping[str, str]) -> Machine:
        region = self._region
        subnet = region.books.subnet_of_zone("us-east-1a")
        machine = Machine(
            instance_id=self._new("i", number, tags),
            ordinal=0,
            instance_type=_TYPE,
            az_id=subnet.az_id,
            az_name=subnet.zone,
            mode=Mode.ON_DEMAND,
            private_ip=f"127.10.255.{number}",
            image_id=f"ami-f0{number:015d}",
            launched_at=self._long_ago,
            account_id=ACCOUNT_ID,
            region=region.name,
            architecture="x86_64",
            user_data=None,
            mac=f"02:00:ff:ff:ff:{number:02x}",
            state=State.RUNNING,
            is_booted=True,
        )
        group_ids = (region.books.group_id,)
        record = InstanceRecord(
            machine, f"r-f0{number:015d}", subnet.subnet_id, f"eni-f0{number:015d}", None, None, None, group_ids, {"HttpTokens": "required"}
        )
        region.machines.by_id[machine.instance_id] = machine
        region.books.instances[machine.instance_id] = record
        region.disks.make_instance(machine.instance_id, snapshot_id)
        return machine
