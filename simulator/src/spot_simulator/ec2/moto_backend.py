"""moto, in process: the only file that touches its objects. It keeps EC2's books; what takes time is the region's business."""

import io
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlencode

from spot_simulator.ec2.moto_objects import MotoAddress, MotoImage, MotoInstance, MotoVolume
from spot_simulator.ec2.wire import Answer, Parameters
from spot_simulator.machine import STATE_CODES, ReasonCode, State
from spot_simulator.ports import AddressEntry
from spot_simulator.volumes.records import Attachment, AttachmentState, Volume

ACCOUNT_ID = "123456789012"
_INSTANCE_FILTERS = {
    "client-token": "client_token",
    "instance-lifecycle": "lifecycle",
    "spot-instance-request-id": "spot_instance_request_id",
    "root-device-type": "root_device_type",
    "instance-state-code": "state_code",
}
"""Filters of DescribeInstances that moto lacks, and the attribute of its instance that each looks at."""
_LIKE = {f"g4ad.{size}": f"g4dn.{size}" for size in ("xlarge", "2xlarge", "4xlarge")}
"""Types that moto no longer lists, though there are recorded prices of them, and types of the same processors and memory."""
_MESSAGES = {
    ReasonCode.USER: "Client.UserInitiatedShutdown: User initiated shutdown",
    ReasonCode.SPOT_TERMINATION: "Server.SpotInstanceTermination: Spot instance termination",
    ReasonCode.SPOT_STOP: "Server.SpotInstanceShutdown: Spot instance shutdown",
    ReasonCode.INTERNAL_ERROR: "Server.InternalError: The instance was lost",
}


class MotoBackend:
    """One account and region of moto. Every method is called with the region's lock held: moto has none of its own."""

    def __init__(self, region: str, vpc_cidr: str, subnet_cidrs: Iterable[str]) -> None:
        """Load moto (about two seconds) and lay out the default VPC: one subnet per zone, from ``subnet_cidrs``."""
        os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
        from moto.ec2 import utils as ec2_utils  # noqa: PLC0415 - moto reads its settings from the environment when imported
        from moto.ec2.models import ec2_backends  # noqa: PLC0415
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app  # noqa: PLC0415

        self.region = region
        self.cpu_credits: dict[str, str] = {}
        """The credit specifications of instances that have one: moto keeps none."""
        self._app = DomainDispatcherApplication(create_backend_app)
        self._ec2: Any = ec2_backends[ACCOUNT_ID][region]
        ec2_utils.filter_dict_attribute_mapping.update(_INSTANCE_FILTERS)
        self._lay_out_network(vpc_cidr, list(subnet_cidrs))

    def _lay_out_network(self, vpc_cidr: str, subnet_cidrs: list[str]) -> None:
        ec2 = self._ec2
        for book in (ec2.subnets, ec2.vpcs, ec2.groups, ec2.route_tables, ec2.network_acls):
            book.clear()
        ec2.default_vpc = ec2.create_vpc(vpc_cidr, is_default=True)
        for zone, cidr in zip(ec2.describe_availability_zones(), subnet_cidrs, strict=False):
            subnet = ec2.create_subnet(ec2.default_vpc.id, cidr, availability_zone=zone.name)
            subnet.map_public_ip_on_launch = False

    def offered(self, instance_types: Iterable[str]) -> tuple[str, ...]:
        """Return those of the types that the region has in moto's list, or would have by their likes."""
        from moto.ec2.models import instance_types as listed  # noqa: PLC0415 - as above

        for name, like in _LIKE.items():
            if name not in listed.INSTANCE_TYPES:
                listed.INSTANCE_TYPES[name] = {**listed.INSTANCE_TYPES[like], "InstanceType": name}
                listed.InstanceTypeBackend.instance_types.append(listed.InstanceType(name))
        offerings: Any = listed.INSTANCE_TYPE_OFFERINGS
        known = {offering["InstanceType"] for offering in offerings["region"][self.region]}
        return tuple(name for name in instance_types if _LIKE.get(name, name) in known)

    def az_ids(self) -> dict[str, str]:
        """Return {zone name: zone id}."""
        return {zone.name: zone.zone_id for zone in self._ec2.describe_availability_zones()}

    def subnet_of_zone(self, zone_name: str) -> str | None:
        """Return the id of the zone's default subnet."""
        subnets = [subnet for subnet in self._ec2.describe_subnets() if subnet.availability_zone == zone_name]
        return next((subnet.id for subnet in subnets if subnet.default_for_az), None)

    def zone_of_subnet(self, subnet_id: str) -> str | None:
        """Return the name of a subnet's zone, or None if there is no such subnet."""
        return next((subnet.availability_zone for subnet in self._ec2.describe_subnets() if subnet.id == subnet_id), None)

    def forward(self, environ: Mapping[str, Any], parameters: Parameters) -> Answer:
        """Let moto answer an EC2 call with these parameters, in the one account: moto goes by the access key, and checks no signature."""
        body = urlencode(parameters).encode()
        changed = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "QUERY_STRING": ""}
        changed["HTTP_AUTHORIZATION"] = re.sub(r"Credential=[^/]*/", "Credential=simulated/", environ.get("HTTP_AUTHORIZATION", ""))
        started: list[str] = []
        chunks = self._app(changed, lambda status, _headers, _exc=None: started.append(status))
        return Answer(int(started[0].split()[0]), b"".join(chunks))

    def pass_on(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Let moto answer a call of any other service."""
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def instance(self, instance_id: str) -> MotoInstance:
        """Return moto's instance. Raise ``KeyError`` if there is none."""
        instance: MotoInstance | None = self._ec2.get_instance_by_id(instance_id)
        if instance is None:
            raise KeyError(instance_id)
        return instance

    def tags(self, resource_id: str) -> dict[str, str]:
        """Return a resource's tags."""
        return dict(self._ec2.tags.get(resource_id, {}))

    def add_tags(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Tag a resource."""
        if tags:
            self._ec2.create_tags([resource_id], dict(tags))

    def set_state(self, instance_id: str, state: State, reason: ReasonCode | None) -> None:
        """Put an instance into a state; ``terminated`` also takes its volumes and its address from it."""
        instance = self._ec2.get_instance_by_id(instance_id)
        if state is State.TERMINATED:
            self.release_addresses_of(instance_id)
            instance.terminate()
        instance.instance_state.name, instance.instance_state.code = state.value, STATE_CODES[state]
        instance.state_reason.code = reason.value if reason else ""
        instance.state_reason.message = _MESSAGES[reason] if reason else ""
        instance._reason = _MESSAGES[reason] if reason else ""  # noqa: SLF001 - moto shows it and offers no setter

    def root_volume_id(self, instance_id: str) -> str | None:
        """Return the instance's root volume."""
        instance = self._ec2.get_instance_by_id(instance_id)
        devices = dict(instance.get_block_device_mapping)
        device = devices.get(instance.root_device_name) or next(iter(devices.values()), None)
        return device.volume_id if device else None

    def new_volume_id(self) -> str:
        """Return an id that no volume has."""
        from moto.ec2.utils import random_volume_id  # noqa: PLC0415 - as above

        return str(random_volume_id())

    def show_volume(self, volume: Volume) -> None:
        """Let moto know a volume: instances and snapshots are described with it. Volumes themselves are described by the region."""
        from moto.ec2.models.elastic_block_store import Volume as MotosVolume  # noqa: PLC0415 - as above

        kind = volume.kind
        if volume.volume_id not in self._ec2.volumes:
            zone, make = self._ec2.get_zone_by_name(volume.zone), cast("Callable[..., object]", MotosVolume)
            self._ec2.volumes[volume.volume_id] = make(self._ec2, volume.volume_id, kind.size_gib, zone)
        shown: MotoVolume = self._ec2.volumes[volume.volume_id]
        shown.volume_type, shown.size, shown.iops = kind.volume_type, kind.size_gib, kind.shown_iops
        shown.throughput, shown.encrypted, shown.kms_key_id = kind.throughput, kind.is_encrypted, kind.key_id
        self._take_from_instance(shown)
        if volume.attachment is not None:
            self._put_on_instance(volume.volume_id, volume.attachment)

    def drop_volume(self, volume_id: str) -> None:
        """Let moto forget a volume; its snapshots stay."""
        self._take_from_instance(self._ec2.volumes[volume_id])
        del self._ec2.volumes[volume_id]

    def _put_on_instance(self, volume_id: str, attachment: Attachment) -> None:
        instance = self._ec2.get_instance_by_id(attachment.instance_id)
        if instance.instance_state.name == State.TERMINATED.value:
            return
        self._ec2.attach_volume(volume_id, attachment.instance_id, attachment.device_name, attachment.is_deleted_on_termination)
        device = instance.block_device_mapping[attachment.device_name]
        device.attach_time = attachment.since
        device.status = "detaching" if attachment.state is AttachmentState.BUSY else attachment.state.value

    def _take_from_instance(self, volume: MotoVolume) -> None:
        held = volume.attachment
        if held is not None:
            held.instance.block_device_mapping.pop(held.device, None)
            volume.attachment = None

    def volume_of_snapshot(self, snapshot_id: str) -> str:
        """Return the volume that a snapshot was taken of."""
        return str(self._ec2.snapshots[snapshot_id].volume.id)

    def image(self, image_id: str) -> MotoImage | None:
        """Return moto's image; None once it was deregistered."""
        image: MotoImage | None = self._ec2.amis.get(image_id)
        return image

    def image_of_name(self, name: str) -> str | None:
        """Return the id of the image that has this name."""
        return next((str(image.id) for image in self._ec2.amis.values() if image.name == name), None)

    def begin_image(self, image_id: str, instance_id: str) -> tuple[str, str]:
        """Make the image that moto just made of an instance a pending EBS image; return its name and snapshot."""
        image: MotoImage = self._ec2.amis[image_id]
        image.root_device_type, image.state = "ebs", "pending"
        snapshot_id = image.ebs_snapshot.id
        volume = self._ec2.volumes.get(self.root_volume_id(instance_id))
        if volume is not None:  # moto names one that never was
            self._ec2.snapshots[snapshot_id].volume = volume
        return image.name, snapshot_id

    def finish_image(self, image_id: str) -> bool:
        """Make an image available; False if it was deregistered."""
        image = self.image(image_id)
        if image is not None:
            image.state = "available"
        return image is not None

    def register_image(self, name: str, architecture: str) -> tuple[str, str]:
        """Make an available EBS image without an instance; return its id and snapshot."""
        image: MotoImage = self._ec2.register_image(name, "Base image of the simulated region")
        image.architecture, image.virtualization_type = architecture, "hvm"
        image.root_device_type = "ebs"
        return image.id, image.ebs_snapshot.id

    def snapshot_states(self) -> dict[str, str]:
        """Return {snapshot id: status}."""
        return {snapshot_id: str(snapshot.status) for snapshot_id, snapshot in self._ec2.snapshots.items()}

    def begin_snapshot(self, snapshot_id: str) -> None:
        """Make a snapshot pending."""
        self._ec2.snapshots[snapshot_id].status = "pending"

    def finish_snapshot(self, snapshot_id: str) -> bool:
        """Make a snapshot complete; False if it was deleted."""
        snapshot = self._ec2.snapshots.get(snapshot_id)
        if snapshot is not None:
            snapshot.status = "completed"
        return snapshot is not None

    def address_entries(self) -> list[AddressEntry]:
        """Return the Elastic IPs."""
        return [
            AddressEntry(one.allocation_id, one.public_ip, one.association_id, one.instance.id if one.instance else None)
            for one in self._ec2.addresses
        ]

    def address(self, parameters: Mapping[str, str]) -> MotoAddress | None:
        """Return the Elastic IP that a request names by allocation, association or public address."""
        wanted = {parameters.get(name) for name in ("AllocationId", "AssociationId", "PublicIp")} - {None}
        return next((a for a in self._ec2.addresses if wanted & {a.allocation_id, a.association_id, a.public_ip}), None)

    def cidr_of(self, instance_id: str) -> str:
        """Return the addresses of the subnet that an instance is in."""
        return str(self._subnet_of(instance_id).cidr_block)

    def instance_of_interface(self, interface_id: str) -> str | None:
        """Return the instance whose interface this is; None if there is none that is not terminated."""
        live = [one for one in self._ec2.all_instances() if one.instance_state.name != State.TERMINATED.value]
        return next((str(one.id) for one in live if any(nic.id == interface_id for nic in one.nics.values())), None)

    def set_secondary_ips(self, instance_id: str, addresses: Sequence[str]) -> None:
        """Let an instance be shown with these secondary addresses, and give them to nobody else at a launch."""
        instance = self.instance(instance_id)
        nic = instance.nics.get(0)
        if nic is None:  # of an instance that is terminated
            return
        primary = [one for one in nic.private_ip_addresses if one["Primary"]]
        nic.private_ip_addresses = [*primary, *({"Primary": False, "PrivateIpAddress": address} for address in addresses)]
        for address in addresses:
            self._subnet_of(instance_id)._subnet_ips.setdefault(address, instance)  # noqa: SLF001 - moto has no call for this

    def _subnet_of(self, instance_id: str) -> Any:  # noqa: ANN401 - moto publishes no types
        subnet_id = self._ec2.get_instance_by_id(instance_id).subnet_id
        return next(subnet for subnet in self._ec2.describe_subnets() if subnet.id == subnet_id)

    def release_addresses_of(self, instance_id: str) -> list[str]:
        """End every association of an instance and return the addresses."""
        held = [address for address in self._ec2.addresses if address.instance and address.instance.id == instance_id]
        for address in held:
            self._ec2.disassociate_address(association_id=address.association_id)
        return [address.public_ip for address in held]
