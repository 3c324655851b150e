"""Who may launch: client tokens, zones, images, prices and capacity, whichever form the parameters of RunInstances came in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeVar

from spot_simulator.clock import Clock
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import CapacityPool, CapacityTable, Mode
from spot_simulator.model.idempotency import TOKEN_MAX_CHARACTERS, Mismatch, Repeat, TokenTable

AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a launch is to go, as far as it says."""

    subnet_id: str | None = None
    zone: str | None = None
    az_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a launch asks for. ``zone`` is a name; ``spot_type``, ``interruption`` and ``max_price`` None: not said."""

    image_id: str
    instance_type: str
    zone: str
    is_spot: bool
    spot_type: str | None = None
    interruption: str | None = None
    max_price: str | None = None


@dataclass(frozen=True, slots=True)
class GateParts:
    """What decides on a launch.

    ``types`` are those that the region offers; ``az_ids`` is {zone name: id}; ``spot_usd_per_hour`` gives the price of
    (type, az id) at a moment.
    """

    machines: Machines
    capacity: CapacityTable
    clock: Clock
    types: tuple[str, ...]
    az_ids: Mapping[str, str]
    zone_of_subnet: Callable[[str], str | None]
    spot_usd_per_hour: Callable[[str, str, datetime], Decimal]


class LaunchGate(Generic[AnswerT]):
    """Called with the region's lock held, from ``first_answer`` to ``remember``: of two calls with one token only one is the first."""

    def __init__(self, parts: GateParts) -> None:
        """Start with no tokens seen."""
        self._parts = parts
        self._tokens: TokenTable[tuple[AnswerT, tuple[str, ...]]] = TokenTable()

    def zone(self, place: Place) -> str:
        """Return the zone's name: the subnet's, the placement's, or the first one."""
        if place.subnet_id:
            zone = self._parts.zone_of_subnet(place.subnet_id)
            if zone is None:
                raise Ec2Error("InvalidSubnetID.NotFound", f"The subnet ID '{place.subnet_id}' does not exist")
            return zone
        names = self._parts.az_ids
        by_id = {az_id: name for name, az_id in names.items()}
        zone = place.zone or by_id.get(place.az_id or "")
        if zone is not None and zone not in names:
            raise Ec2Error("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
        return zone or next(iter(names))

    def first_answer(self, token: str, zone: str, parameters: Mapping[str, object]) -> AnswerT | None:
        """Return the answer that this client token got before, or None if it is new; other parameters or a dead instance are refused."""
        if len(token) > TOKEN_MAX_CHARACTERS or not token.isascii():
            raise Ec2Error("InvalidParameterValue", "ClientToken: at most 64 ASCII characters")
        verdict = self._tokens.look_up(token, zone, parameters) if token else None
        if isinstance(verdict, Mismatch):
            raise Ec2Error("IdempotentParameterMismatch", "The client token was used before, and the parameters do not match those")
        if not isinstance(verdict, Repeat):
            return None
        answer, instance_ids = verdict.answer
        machines = [self._parts.machines.by_id[instance_id] for instance_id in instance_ids]
        if any(machine.state is State.TERMINATED for machine in machines):
            raise Ec2Error("IdempotentInstanceTerminated", "The instance that this client token launched is terminated")
        return answer

    def admit(self, wish: Wish, image_state: str | None) -> Mode:
        """Return the mode of a launch that may go on; ``image_state`` is None for an image that is not there."""
        if image_state is None:
            raise Ec2Error("InvalidAMIID.NotFound", f"The image id '[{wish.image_id}]' does not exist")
        if image_state != "available":
            raise Ec2Error("InvalidAMIID.Unavailable", f"The image '{wish.image_id}' is {image_state}")
        if wish.instance_type not in self._parts.types:
            raise Ec2Error("InvalidParameterValue", f"Invalid value '{wish.instance_type}' for InstanceType")
        mode, az_id = _mode(wish), self._parts.az_ids[wish.zone]
        self._check_price(wish, az_id)
        if not self._parts.capacity.is_available(CapacityPool(wish.instance_type, az_id, mode)):
            raise Ec2Error(
                "InsufficientInstanceCapacity",
                f"We currently do not have sufficient {wish.instance_type} capacity in the Availability Zone you requested ({wish.zone}).",
            )
        return mode

    def remember(self, token: str, zone: str, parameters: Mapping[str, object], answer: AnswerT, instance_ids: tuple[str, ...]) -> None:
        """Keep the answer of a launch that succeeded."""
        if token:
            self._tokens.remember(token, zone, parameters, (answer, instance_ids))

    def _check_price(self, wish: Wish, az_id: str) -> None:
        if wish.max_price is None:
            return
        try:
            is_too_low = Decimal(wish.max_price) < self._parts.spot_usd_per_hour(wish.instance_type, az_id, self._parts.clock.now())
        except InvalidOperation as error:
            raise Ec2Error("InvalidParameterValue", f"MaxPrice is not a number: {wish.max_price}") from error
        if is_too_low:
            raise Ec2Error("SpotMaxPriceTooLow", "Your Spot request price is lower than the minimum required Spot price")


def _mode(wish: Wish) -> Mode:
    if not wish.is_spot:
        return Mode.ON_DEMAND
    if (wish.spot_type or "one-time") != "one-time":
        raise Ec2Error("UnsupportedOperation", "The simulated region knows one-time spot instances only")
    if (wish.interruption or "terminate") != "terminate":
        raise Ec2Error("InvalidParameterCombination", "A one-time spot instance can only be terminated when interrupted")
    return Mode.SPOT
