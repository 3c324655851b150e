"""RunInstances: idempotent by client token, short of capacity on order, pending before it runs."""

import base64
import binascii
import re
from dataclasses import dataclass

from spot_simulator.clock import Clock
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.hardware import KindOfSnapshot, LaunchVolumes, VolumeKind, cpu_credits, launch_volumes
from spot_simulator.ec2.launch_gate import LaunchGate, Place, Wish
from spot_simulator.ec2.moto_backend import ACCOUNT_ID, MotoBackend
from spot_simulator.ec2.wire import Answer, Parameters, device_mappings, tag_specifications, without
from spot_simulator.hosting.disks import Disks
from spot_simulator.images import Images
from spot_simulator.machine import Machine
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import Mode
from spot_simulator.volumes.volumes import Volumes

_MARKET = "InstanceMarketOptions."


@dataclass(frozen=True, slots=True)
class LaunchParts:
    """What a launch touches."""

    gate: LaunchGate[Answer]
    moto: MotoBackend
    machines: Machines
    images: Images
    disks: Disks
    volumes: Volumes
    kind_of_snapshot: KindOfSnapshot
    clock: Clock
    region: str


class Launches:
    """Called with the region's lock held."""

    def __init__(self, parts: LaunchParts) -> None:
        """Start with no launches."""
        self._parts = parts
        self._count = 0

    def run_instances(self, call: Call) -> Answer:
        """Answer RunInstances."""
        token, gate = call.parameters.get("ClientToken", ""), self._parts.gate
        zone = gate.zone(_place(call.parameters))
        first = gate.first_answer(token, zone, call.parameters)
        if first is not None:
            return first
        wish = _wish(call, zone)
        image = self._parts.moto.image(wish.image_id) if wish.image_id in self._parts.images.by_id else None
        mode = gate.admit(wish, image.state if image is not None else None)
        of_image = self._parts.images.kinds.get(self._snapshot_of(wish.image_id), VolumeKind())
        volumes = launch_volumes(of_image, device_mappings(call.parameters), self._parts.kind_of_snapshot)
        kind_of_credits = cpu_credits(wish.instance_type, call.parameters.get("CreditSpecification.CpuCredits"))
        call.end_if_dry_run()
        answer = call.forward(without(self._completed(call.parameters, zone), "BlockDeviceMapping."))
        if answer.status != 200:
            return answer
        ids = tuple(dict.fromkeys(re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", answer.body.decode())))
        for instance_id in ids:
            self._take_in(instance_id, wish.image_id, mode, call.parameters, volumes)
            if kind_of_credits is not None:
                self._parts.moto.cpu_credits[instance_id] = kind_of_credits
        gate.remember(token, zone, call.parameters, answer, ids)
        return answer

    def _snapshot_of(self, image_id: str) -> str:
        image = self._parts.images.by_id.get(image_id)
        return image.snapshot_id if image is not None else ""

    def _completed(self, parameters: Parameters, zone: str) -> Parameters:
        """Name the subnet of the zone, so that moto gives an address of ours."""
        if "SubnetId" in parameters or "NetworkInterface.1.SubnetId" in parameters:
            return parameters
        subnet_id = self._parts.moto.subnet_of_zone(zone) or ""
        has_interface = "NetworkInterface.1.DeviceIndex" in parameters
        return {**parameters, "NetworkInterface.1.SubnetId" if has_interface else "SubnetId": subnet_id}

    def _take_in(self, instance_id: str, image_id: str, mode: Mode, parameters: Parameters, volumes: LaunchVolumes) -> None:
        moto_instance = self._parts.moto.instance(instance_id)
        self._count += 1
        if "ClientToken" not in parameters:
            moto_instance.client_token = None
        az_name = moto_instance.placement.zone
        machine = Machine(
            instance_id=instance_id,
            ordinal=self._count,
            instance_type=moto_instance.instance_type,
            az_id=self._parts.moto.az_ids()[az_name],
            az_name=az_name,
            mode=mode,
            private_ip=moto_instance.private_ip,
            image_id=image_id,
            launched_at=self._parts.clock.now(),
            account_id=ACCOUNT_ID,
            region=self._parts.region,
            architecture=moto_instance.architecture,
            user_data=_user_data(parameters),
            mac=moto_instance.nics[0].mac_address,
        )
        if mode is Mode.SPOT:
            moto_instance.spot_instance_request_id = machine.spot_request_id
        snapshot_id = self._snapshot_of(image_id)
        self._parts.disks.make_instance(instance_id, snapshot_id)
        root_id = self._parts.moto.root_volume_id(instance_id)
        for volume_id in self._parts.volumes.make_of_launch(machine, snapshot_id, volumes, root_id):
            self._parts.moto.add_tags(volume_id, tag_specifications(parameters, "volume"))
        self._parts.machines.launch(machine)


def _place(parameters: Parameters) -> Place:
    return Place(
        subnet_id=parameters.get("SubnetId") or parameters.get("NetworkInterface.1.SubnetId"),
        zone=parameters.get("Placement.AvailabilityZone"),
        az_id=parameters.get("Placement.AvailabilityZoneId"),
    )


def _wish(call: Call, zone: str) -> Wish:
    return Wish(
        image_id=call.needed("ImageId"),
        instance_type=call.needed("InstanceType"),
        zone=zone,
        is_spot=call.parameters.get(f"{_MARKET}MarketType") == "spot",
        spot_type=call.parameters.get(f"{_MARKET}SpotOptions.SpotInstanceType"),
        interruption=call.parameters.get(f"{_MARKET}SpotOptions.InstanceInterruptionBehavior"),
        max_price=call.parameters.get(f"{_MARKET}SpotOptions.MaxPrice"),
    )


def _user_data(parameters: Parameters) -> bytes | None:
    encoded = parameters.get("UserData")
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Ec2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data") from error
