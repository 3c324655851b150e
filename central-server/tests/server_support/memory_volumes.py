"""EBS in memory, for the control role. `settle` lets what is under way arrive; `stuck` volumes stay until they are forced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from server_support.clock import START
from spot_server.aws.errors import AwsFailed, class_of_code
from spot_server.aws.volume_ports import AttachmentFacts, EbsFacts, SnapshotFacts, VolumeRequest


class FakeVolumes:
    """What is attached where. A call named in the FakeEc2's `lost` acts, and its answer is lost."""

    def __init__(self, begin: Callable[[str], None], end: Callable[[str], None]) -> None:
        self._begin, self._end = begin, end
        self.known: dict[str, EbsFacts] = {}
        self.snapshots: dict[str, SnapshotFacts] = {}
        self.tokens: dict[str, str] = {}
        self.requests: list[VolumeRequest] = []
        self.forced: list[str] = []
        self.stuck: set[str] = set()
        self.kept: list[tuple[str, tuple[str, ...]]] = []
        self.tagged: dict[str, dict[str, str]] = {}

    def add(self, volume_id: str, instance_id: str | None = None, state: str = "attached") -> None:
        held = () if instance_id is None else (AttachmentFacts(instance_id, "/dev/sdf", state),)
        whole = EbsFacts(volume_id, "in-use" if held else "available", 100, "gp3", 3000, 125, attachments=held, tags={"Name": "shop"})
        self.known[volume_id] = whole

    def settle(self) -> None:
        """Let time do its work."""
        for volume_id, volume in list(self.known.items()):
            held = volume.attachments[0] if volume.attachments else None
            if volume.state == "creating":
                self.known[volume_id] = replace(volume, state="available")
            elif held is not None and held.state == "attaching":
                self.known[volume_id] = replace(volume, attachments=(replace(held, state="attached"),))
            elif held is not None and held.state == "detaching" and volume_id not in self.stuck:
                self.known[volume_id] = replace(volume, state="available", attachments=())
        self.snapshots = {key: replace(made, state="completed") for key, made in self.snapshots.items()}

    def describe(self, volume_ids: Sequence[str]) -> tuple[EbsFacts, ...]:
        self._begin("describe_volumes")
        return tuple(self.known[volume_id] for volume_id in volume_ids if volume_id in self.known)

    def find(self, tags: Mapping[str, str]) -> tuple[EbsFacts, ...]:
        self._begin("find_volumes")
        return tuple(volume for volume in self.known.values() if tags.items() <= volume.tags.items())

    def attach(self, volume_id: str, instance_id: str, device_name: str) -> None:
        self._begin("attach_volume")
        if self.known[volume_id].attachments:
            raise _failure("VolumeInUse")
        held = AttachmentFacts(instance_id, device_name, "attaching")
        self.known[volume_id] = replace(self.known[volume_id], state="in-use", attachments=(held,))
        self._end("attach_volume")

    def detach(self, volume_id: str, instance_id: str, *, is_forced: bool) -> None:
        self._begin("detach_volume")
        held = self.known[volume_id].attachments
        if not held or held[0].instance_id != instance_id:
            raise _failure("IncorrectState")
        self.known[volume_id] = replace(self.known[volume_id], attachments=(replace(held[0], state="detaching"),))
        if is_forced:
            self.forced.append(volume_id)
            self.stuck.discard(volume_id)
        self._end("detach_volume")

    def snapshots_of(self, volume_id: str) -> tuple[SnapshotFacts, ...]:
        self._begin("snapshots_of")
        return tuple(made for made in self.snapshots.values() if made.volume_id == volume_id)

    def create_snapshot(self, volume_id: str, tags: Mapping[str, str]) -> str:
        self._begin("create_snapshot")
        snapshot_id = f"snap-{len(self.snapshots) + 1}"
        self.snapshots[snapshot_id] = SnapshotFacts(snapshot_id, volume_id, "pending", START, dict(tags))
        self._end("create_snapshot")
        return snapshot_id

    def create_volume(self, request: VolumeRequest) -> str:
        self._begin("create_volume")
        self.requests.append(request)
        if request.client_token not in self.tokens:
            volume_id = f"vol-new-{len(self.tokens) + 1}"
            self.tokens[request.client_token] = volume_id
            self.known[volume_id] = replace(request.like, volume_id=volume_id, state="creating", attachments=(), tags=dict(request.tags))
        self._end("create_volume")
        return self.tokens[request.client_token]

    def delete(self, volume_id: str) -> None:
        self._begin("delete_volume")
        self.known.pop(volume_id, None)

    def tag(self, volume_id: str, tags: Mapping[str, str]) -> None:
        self._begin("tag_volume")
        self.tagged[volume_id] = {**self.tagged.get(volume_id, {}), **tags}

    def keep(self, instance_id: str, device_names: Sequence[str]) -> None:
        self._begin("keep_volumes")
        self.kept.append((instance_id, tuple(device_names)))


def _failure(code: str) -> AwsFailed:
    return AwsFailed(class_of_code(code), code, "as the test wants it")
