"""EBS and this machine's mounts in memory. What is attached is told by the instances of the FakeEc2 that these volumes belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from agent_fakes.virtual import START
from spot_agent.ec2_facts import AttachmentFacts, EbsFacts, InstanceFacts, SnapshotFacts, VolumeFacts, VolumeRequest
from spot_agent.errors import ActFailed, Ec2Failed
from spot_agent.rules.ec2_errors import class_of_code
from spot_agent.rules.volumes import DataVolume


class FakeVolumes:
    """`looks_until_settled` is how many descriptions an attaching, detaching or new volume stays so; `stuck` ones stay until forced."""

    def __init__(
        self,
        begin: Callable[[str], None],
        end: Callable[[str], None],
        instances: dict[str, InstanceFacts],
        snapshots: dict[str, SnapshotFacts],
    ) -> None:
        self._begin, self._end = begin, end
        self._instances, self._snapshots = instances, snapshots
        self.known: dict[str, EbsFacts] = {}
        self.requests: list[VolumeRequest] = []
        self.forced: list[str] = []
        self.stuck: set[str] = set()
        self.looks_until_settled = 0
        self.new_snapshot_state = "completed"
        self._looks = 0
        self._number = 0

    def add(self, volume_id: str, instance_id: str | None = None, device_name: str = "/dev/sdf", **facts: object) -> EbsFacts:
        base = EbsFacts(volume_id, "available", "us-east-1a", size_gib=100, volume_type="gp3", iops=3000, throughput_mib_per_second=125)
        self.known[volume_id] = replace(base, **facts)  # type: ignore[arg-type]
        if instance_id is not None:
            self._put(volume_id, AttachmentFacts(instance_id, device_name, "attached"))
        return self.known[volume_id]

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        self._begin("describe_ebs")
        self._looks -= 1
        if self._looks < 0:
            self._settle()
        return tuple(self.known[volume_id] for volume_id in volume_ids if volume_id in self.known)

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        self._begin("attach_volume")
        if self.known[volume_id].attachments:
            raise _failed("VolumeInUse")
        self._put(volume_id, AttachmentFacts(instance_id, device_name, "attaching"))
        self._looks = self.looks_until_settled
        self._end("attach_volume")

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        self._begin("detach_volume")
        held = self.known[volume_id].attachments
        if not held or held[0].instance_id != instance_id:
            raise _failed("IncorrectState")
        self._put(volume_id, replace(held[0], state="detaching"))
        self._looks = self.looks_until_settled
        if is_forced:
            self.forced.append(volume_id)
            self.stuck.discard(volume_id)
        self._end("detach_volume")

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        self._begin("find_snapshots")
        return tuple(made for made in self._snapshots.values() if made.volume_id == volume_id)

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        self._begin("create_snapshot")
        snapshot_id = self._new_id("snap")
        self._snapshots[snapshot_id] = SnapshotFacts(snapshot_id, volume_id, START, dict(tags), self.new_snapshot_state, "0%")
        self._end("create_snapshot")
        return snapshot_id

    def create_volume(self, request: VolumeRequest) -> str:
        self._begin("create_volume")
        earlier = next((made for made in self.known.values() if made.tags.get("test:token") == request.client_token), None)
        self.requests.append(request)
        if earlier is None:
            tags = {**request.tags, "test:token": request.client_token}
            earlier = replace(request.like, volume_id=self._new_id("vol"), az_name=request.az_name, attachments=(), tags=tags)
            self.known[earlier.volume_id] = replace(earlier, state="creating")
            self._looks = self.looks_until_settled
        self._end("create_volume")
        return earlier.volume_id

    def delete(self, volume_id: str) -> None:
        self._begin("delete_volume")
        if volume_id in self.known and self.known[volume_id].attachments:
            raise _failed("VolumeInUse")
        self.known.pop(volume_id, None)

    def _settle(self) -> None:
        for volume_id, volume in list(self.known.items()):
            held = volume.attachments[0] if volume.attachments else None
            if volume.state == "creating":
                self.known[volume_id] = replace(volume, state="available")
            elif held is not None and held.state == "attaching":
                self._put(volume_id, replace(held, state="attached"))
            elif held is not None and held.state == "detaching" and volume_id not in self.stuck:
                self._put(volume_id, None)

    def _put(self, volume_id: str, held: AttachmentFacts | None) -> None:
        before = self.known[volume_id]
        self.known[volume_id] = replace(before, attachments=(held,) if held else (), state="in-use" if held else "available")
        for instance in list(self._instances.values()):
            others = tuple(one for one in instance.volumes if one.volume_id != volume_id)
            own = (VolumeFacts(volume_id, held.device_name, delete_on_termination=False),) if held else ()
            is_holder = held is not None and held.instance_id == instance.instance_id
            self._instances[instance.instance_id] = replace(instance, volumes=(*others, *(own if is_holder else ())))

    def _new_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}-v{self._number:03d}"


class FakeMounts:
    """`mounted` is {mount point: volume id}; `refusals` come first, one each."""

    def __init__(self) -> None:
        self.mounted: dict[str, str] = {}
        self.calls: list[str] = []
        self.refusals: list[ActFailed] = []

    def mount(self, volume: DataVolume, bound_seconds: float) -> str:
        self._act(f"mount {volume.volume_id} at {volume.mount_point}", bound_seconds)
        self.mounted[volume.mount_point] = volume.volume_id
        return "/dev/nvme1n1"

    def unmount(self, volume: DataVolume, bound_seconds: float) -> None:
        self._act(f"unmount {volume.volume_id}", bound_seconds)
        self.mounted = {where: held for where, held in self.mounted.items() if held != volume.volume_id}

    def _act(self, act: str, bound_seconds: float) -> None:
        assert bound_seconds > 0
        self.calls.append(act)
        if self.refusals:
            raise self.refusals.pop(0)


def _failed(code: str) -> Ec2Failed:
    return Ec2Failed(class_of_code(code), code, "as the test wants it")
