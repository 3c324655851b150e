"""RunInstances: idempotent by client token, short of capacity on order, pending before it runs."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from spot_simulator.clock import Clock
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.moto_backend import ACCOUNT_ID, MotoBackend
from spot_simulator.ec2.wire import Answer, Parameters
from spot_simulator.hosting.disks import Disks
from spot_simulator.images import Images
from spot_simulator.machine import Machine, State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import CapacityPool, CapacityTable, Mode
from spot_simulator.model.idempotency import TOKEN_MAX_CHARACTERS, Mismatch, Repeat, TokenTable

_MARKET = "InstanceMarketOptions."


@dataclass(frozen=True, slots=True)
class LaunchParts:
    """What a launch touches.

    ``types`` are those that the region offers; ``spot_usd_per_hour`` gives the price of (type, az id) at a moment.
    """

    moto: MotoBackend
    machines: Machines
    images: Images
    disks: Disks
    capacity: CapacityTable
    clock: Clock
    region: str
    types: tuple[str, ...]
    spot_usd_per_hour: Callable[[str, str, datetime], Decimal]


class Launches:
    """Called with the region's lock held, so that two calls with one token cannot both be the first."""

    def __init__(self, parts: LaunchParts) -> None:
        """Start with no tokens seen."""
        self._parts = parts
        self._tokens: TokenTable[tuple[Answer, tuple[str, ...]]] = TokenTable()
        self._count = 0

    def run_instances(self, call: Call) -> Answer:
        """Answer RunInstances."""
        token, zone = call.parameters.get("ClientToken", ""), self._zone(call.parameters)
        if len(token) > TOKEN_MAX_CHARACTERS or not token.isascii():
            raise Ec2Error("InvalidParameterValue", "ClientToken: at most 64 ASCII characters")
        if token:
            verdict = self._tokens.look_up(token, zone, call.parameters)
            if isinstance(verdict, Mismatch):
                raise Ec2Error("IdempotentParameterMismatch", "The client token was used before, and the parameters do not match those")
            if isinstance(verdict, Repeat):
                return self._repeated(*verdict.answer)
        image_id, mode = self._checked(call, zone)
        call.end_if_dry_run()
        answer = call.forward(self._completed(call.parameters, zone))
        if answer.status != 200:
            return answer
        ids = tuple(dict.fromkeys(re.findall(r"<instanceId>(i-[0-9a-f]+)</instanceId>", answer.body.decode())))
        for instance_id in ids:
            self._take_in(instance_id, image_id, mode, call.parameters)
        if token:
            self._tokens.remember(token, zone, call.parameters, (answer, ids))
        return answer

    def _repeated(self, answer: Answer, instance_ids: tuple[str, ...]) -> Answer:
        machines = [self._parts.machines.by_id[instance_id] for instance_id in instance_ids]
        if any(machine.state is State.TERMINATED for machine in machines):
            raise Ec2Error("IdempotentInstanceTerminated", "The instance that this client token launched is terminated")
        return answer

    def _zone(self, parameters: Parameters) -> str:
        """Return the zone's name: the subnet's, the placement's, or the first one."""
        subnet_id = parameters.get("SubnetId") or parameters.get("NetworkInterface.1.SubnetId")
        if subnet_id:
            zone = self._parts.moto.zone_of_subnet(subnet_id)
            if zone is None:
                raise Ec2Error("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
            return zone
        names = self._parts.moto.az_ids()
        by_id = {az_id: name for name, az_id in names.items()}
        zone = parameters.get("Placement.AvailabilityZone") or by_id.get(parameters.get("Placement.AvailabilityZoneId", ""))
        if zone is not None and zone not in names:
            raise Ec2Error("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        return zone or next(iter(names))

    def _checked(self, call: Call, zone: str) -> tuple[str, Mode]:
        """Return the image and the mode of a launch that may go on."""
        image_id, instance_type = call.needed("ImageId"), call.needed("InstanceType")
        image = self._parts.moto.image(image_id)
        if image is None or image_id not in self._parts.images.by_id:
            raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        if image.state != "available":
            raise Ec2Error("InvalidAMIID.Unavailable", f"The image '{image_id}' is {image.state}")
        if instance_type not in self._parts.types:
            raise Ec2Error("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType")
        mode = self._mode(call.parameters)
        az_id = self._parts.moto.az_ids()[zone]
        self._check_price(call.parameters, instance_type, az_id)
        if not self._parts.capacity.is_available(CapacityPool(instance_type, az_id, mode)):
            raise Ec2Error(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}).",
            )
        return image_id, mode

    def _mode(self, parameters: Parameters) -> Mode:
        if parameters.get(f"{_MARKET}MarketType") != "spot":
            return Mode.ON_DEMAND
        if parameters.get(f"{_MARKET}SpotOptions.SpotInstanceType", "one-time") != "one-time":
            raise Ec2Error("UnsupportedOperation", "The simulated region knows one-time spot instances only")
        if parameters.get(f"{_MARKET}SpotOptions.InstanceInterruptionBehavior", "terminate") != "terminate":
            raise Ec2Error("InvalidParameterCombination", "A one-time spot instance can only be terminated when interrupted")
        return Mode.SPOT

    def _check_price(self, parameters: Parameters, instance_type: str, az_id: str) -> None:
        highest = parameters.get(f"{_MARKET}SpotOptions.MaxPrice")
        if highest is None:
            return
        try:
            is_too_low = Decimal(highest) < self._parts.spot_usd_per_hour(instance_type, az_id, self._parts.clock.now())
        except InvalidOperation as error:
            raise Ec2Error("InvalidParameterValue", f"MaxPrice is not a number: {highest}") from error
        if is_too_low:
            raise Ec2Error("SpotMaxPriceTooLow", "Your Spot request price is lower than the minimum required Spot price")

    def _completed(self, parameters: Parameters, zone: str) -> Parameters:
        """Name the subnet of the zone, so that moto gives an address of ours."""
        if "SubnetId" in parameters or "NetworkInterface.1.SubnetId" in parameters:
            return parameters
        subnet_id = self._parts.moto.subnet_of_zone(zone) or ""
        has_interface = "NetworkInterface.1.DeviceIndex" in parameters
        return {**parameters, "NetworkInterface.1.SubnetId" if has_interface else "SubnetId": subnet_id}

    def _take_in(self, instance_id: str, image_id: str, mode: Mode, parameters: Parameters) -> None:
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
        self._parts.disks.make_instance(instance_id, self._parts.images.by_id[image_id].snapshot_id)
        self._parts.machines.launch(machine)


def _user_data(parameters: Parameters) -> bytes | None:
    encoded = parameters.get("UserData")
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Ec2Error("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data") from error
