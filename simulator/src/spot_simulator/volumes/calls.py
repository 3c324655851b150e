"""EC2's calls about volumes, with parameters and answers as boto3 has them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.hardware import VolumeKind, data_kind
from spot_simulator.ec2.known_instances import KnownInstances
from spot_simulator.images import Images
from spot_simulator.model.idempotency import First, Mismatch, Repeat, TokenTable
from spot_simulator.volumes import shapes
from spot_simulator.volumes.records import Volume
from spot_simulator.volumes.refusals import check_attach, check_delete, check_detach, volume_not_found
from spot_simulator.volumes.volumes import Volumes

Parameters = Mapping[str, Any]
Shape = dict[str, Any]
Handler = Callable[[Parameters], Shape]

_ASKED = {"Size": "VolumeSize", "VolumeType": "VolumeType", "Iops": "Iops", "Throughput": "Throughput"}
_ENCRYPTION = {"Encrypted": "Encrypted", "KmsKeyId": "KmsKeyId"}
_FACTS: Mapping[str, Callable[[Volume], str | None]] = {
    "attachment.device": lambda volume: volume.attachment.device_name if volume.attachment else None,
    "attachment.instance-id": lambda volume: volume.held_by,
    "attachment.status": lambda volume: volume.attachment.state.value if volume.attachment else None,
    "availability-zone": lambda volume: volume.zone,
    "snapshot-id": lambda volume: volume.snapshot_id,
    "status": lambda volume: volume.state,
    "volume-id": lambda volume: volume.volume_id,
    "volume-type": lambda volume: volume.kind.volume_type,
}


class TaggedBook(Protocol):
    """What these calls read and write in EC2's books beside volumes."""

    def tags(self, resource_id: str) -> dict[str, str]:
        """Return a resource's tags."""
        ...

    def add_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Tag a resource."""
        ...

    def az_ids(self) -> Mapping[str, str]:
        """Return {zone name: zone id}."""
        ...

    def snapshot_states(self) -> dict[str, str]:
        """Return {snapshot id: pending or completed}."""
        ...


class VolumeCalls:
    """Called with the region's lock held."""

    def __init__(self, volumes: Volumes, known: KnownInstances, images: Images, book: TaggedBook) -> None:
        """Take the parts."""
        self._volumes, self._known, self._images, self._book = volumes, known, images, book
        self._tokens: TokenTable[str] = TokenTable()

    def handlers(self) -> dict[str, Handler]:
        """Return what answers each operation."""
        return {
            "AttachVolume": self.attach,
            "CreateVolume": self.create,
            "DeleteVolume": self.delete,
            "DescribeVolumes": self.describe,
            "DetachVolume": self.detach,
        }

    def kind_of_snapshot(self, snapshot_id: str) -> VolumeKind:
        """Return what a volume of a snapshot is like at least. Raise ``Ec2Error`` for one that is not there, or pending."""
        state = self._book.snapshot_states().get(snapshot_id)
        if state is None:
            raise Ec2Error("InvalidSnapshot.NotFound", f"The snapshot '{snapshot_id}' does not exist.")
        if state != "completed":
            raise Ec2Error("IncorrectState", f"Snapshot is in invalid state - {state}")
        return self._images.kinds[snapshot_id]

    def describe(self, parameters: Parameters) -> Shape:
        """Answer DescribeVolumes."""
        _end_if_dry_run(parameters)
        wanted = parameters.get("VolumeIds") or ()
        found = [self._one(volume_id) for volume_id in wanted] if wanted else list(self._volumes.by_id.values())
        for one in parameters.get("Filters") or ():
            found = self._passing(found, one["Name"], one["Values"])
        return {"Volumes": [shapes.volume(volume, self._book.tags(volume.volume_id)) for volume in found]}

    def create(self, parameters: Parameters) -> Shape:
        """Answer CreateVolume; a repeat with the same client token finds the first."""
        zone, token = _needed(parameters, "AvailabilityZone"), str(parameters.get("ClientToken") or "")
        written = {name: repr(value) for name, value in parameters.items()}
        match self._tokens.look_up(token, zone, written) if token else First():
            case Repeat(volume_id):
                return shapes.volume(self._one(volume_id), self._book.tags(volume_id))
            case Mismatch():
                raise Ec2Error("IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent")
            case First():
                pass
        if zone not in self._book.az_ids():
            raise Ec2Error("InvalidZone.NotFound", f"The zone '{zone}' does not exist.")
        snapshot_id = str(parameters.get("SnapshotId") or "")
        asked = {name: parameters[key] for key, name in (_ASKED | _ENCRYPTION).items() if parameters.get(key)}
        kind = data_kind(self.kind_of_snapshot(snapshot_id) if snapshot_id else None, asked)
        _end_if_dry_run(parameters)
        volume = self._volumes.create(zone, kind, snapshot_id)
        self._book.add_tags(volume.volume_id, _tags(parameters))
        if token:
            self._tokens.remember(token, zone, written, volume.volume_id)
        return shapes.volume(volume, self._book.tags(volume.volume_id))

    def attach(self, parameters: Parameters) -> Shape:
        """Answer AttachVolume."""
        volume, device_name = self._one(_needed(parameters, "VolumeId")), _needed(parameters, "Device")
        machine = self._known.one(_needed(parameters, "InstanceId"))
        check_attach(volume, machine, self._volumes.at_device(machine.instance_id, device_name))
        _end_if_dry_run(parameters)
        return shapes.attachment(volume, self._volumes.attach(volume, machine, device_name))

    def detach(self, parameters: Parameters) -> Shape:
        """Answer DetachVolume."""
        volume, instance_id = self._one(_needed(parameters, "VolumeId")), parameters.get("InstanceId")
        attachment = volume.attachment
        check_detach(volume, instance_id, self._known.one(attachment.instance_id) if attachment else None)
        _end_if_dry_run(parameters)
        if attachment is None:
            return {}
        self._volumes.detach(volume, is_forced=bool(parameters.get("Force")))
        return shapes.attachment(volume, attachment)

    def delete(self, parameters: Parameters) -> Shape:
        """Answer DeleteVolume."""
        volume = self._one(_needed(parameters, "VolumeId"))
        check_delete(volume)
        _end_if_dry_run(parameters)
        self._volumes.delete(volume)
        return {}

    def _one(self, volume_id: str) -> Volume:
        if volume_id not in self._volumes.by_id:
            raise volume_not_found(volume_id)
        return self._volumes.by_id[volume_id]

    def _passing(self, volumes: Iterable[Volume], name: str, values: list[str]) -> list[Volume]:
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            return [volume for volume in volumes if self._book.tags(volume.volume_id).get(key) in values]
        if name == "tag-key":
            return [volume for volume in volumes if not self._book.tags(volume.volume_id).keys().isdisjoint(values)]
        fact = _FACTS.get(name)
        if fact is None:
            raise Ec2Error("InvalidParameterValue", f"The filter '{name}' is invalid")
        return [volume for volume in volumes if fact(volume) in values]


def _needed(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise Ec2Error("MissingParameter", f"The request must contain the parameter {name}")
    return str(value)


def _tags(parameters: Parameters) -> dict[str, str]:
    specifications = [one for one in parameters.get("TagSpecifications") or () if one["ResourceType"] == "volume"]
    return {tag["Key"]: tag["Value"] for one in specifications for tag in one["Tags"]}


def _end_if_dry_run(parameters: Parameters) -> None:
    if parameters.get("DryRun"):
        raise Ec2Error("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
