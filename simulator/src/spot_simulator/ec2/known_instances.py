"""The instances that a call names: what EC2 knows of them yet, and what it refuses in which state."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from spot_simulator.clock import Clock
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import Machine, State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import Mode

_STOPPABLE = frozenset({State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED})
_STARTABLE = frozenset({State.STOPPED, State.PENDING, State.RUNNING})
_IMAGE_NAME_CHARACTERS = (3, 128)


class KnownInstances:
    """Called with the region's lock held."""

    def __init__(self, machines: Machines, clock: Clock) -> None:
        """``invisible_seconds`` (of the region's clock) pass after a launch before the API knows the instance by its id."""
        self._machines, self._clock = machines, clock
        self.invisible_seconds = 0.0

    def hidden(self) -> frozenset[str]:
        """Return the ids of instances that are too new to be known."""
        if not self.invisible_seconds:
            return frozenset()
        since = self._clock.now() - timedelta(seconds=self.invisible_seconds)
        return frozenset(machine.instance_id for machine in self._machines.by_id.values() if machine.launched_at > since)

    def check_visible(self, instance_ids: Iterable[str]) -> None:
        """Refuse instances that are too new to be known."""
        hidden = self.hidden()
        for instance_id in instance_ids:
            if instance_id in hidden:
                raise instance_not_found(instance_id)

    def seen(self) -> list[Machine]:
        """Return all instances that are known, in the order of their launch."""
        hidden = self.hidden()
        return [machine for instance_id, machine in self._machines.by_id.items() if instance_id not in hidden]

    def named(self, instance_ids: Sequence[str]) -> list[Machine]:
        """Return the instances of a call that needs at least one."""
        if not instance_ids:
            raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceId")
        return [self.one(instance_id) for instance_id in instance_ids]

    def one(self, instance_id: str) -> Machine:
        """Return an instance."""
        if not instance_id.startswith("i-"):
            raise Ec2Error("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
        machine = self._machines.by_id.get(instance_id)
        if machine is None or instance_id in self.hidden():
            raise instance_not_found(instance_id)
        return machine


def instance_not_found(instance_id: str) -> Ec2Error:
    """Say that there is no such instance."""
    return Ec2Error("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")


def termination_forbidden(instance_id: str) -> Ec2Error:
    """Say that an instance is protected from termination."""
    text = f"The instance '{instance_id}' may not be terminated. Modify its 'disableApiTermination' attribute."
    return Ec2Error("OperationNotPermitted", text)


def credits_shown(machine: Machine, cpu_credits: str | None) -> tuple[str, str]:
    """Return an instance with its credit specification; refuse one of a type that has none."""
    if cpu_credits is None:
        raise Ec2Error("InvalidParameterValue", f"{machine.instance_id} is a {machine.instance_type}, which has no credits")
    return machine.instance_id, cpu_credits


def check_stop(machine: Machine) -> None:
    """Refuse StopInstances: one-time spot instances cannot be stopped."""
    if machine.mode is Mode.SPOT:
        raise Ec2Error(
            "UnsupportedOperation",
            f"You can't stop the Spot Instance '{machine.instance_id}' because it is associated with a one-time Spot"
            " Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
        )
    if machine.state not in _STOPPABLE:
        raise _incorrect_state(machine)


def check_start(machine: Machine) -> None:
    """Refuse StartInstances of an instance that is on its way down."""
    if machine.state not in _STARTABLE:
        raise _incorrect_state(machine)


def check_type_change(machine: Machine) -> None:
    """Refuse another type for an instance that is not stopped."""
    if machine.state is not State.STOPPED:
        raise _incorrect_state(machine)


def check_address_target(machine: Machine) -> None:
    """Refuse AssociateAddress with an instance that is not running."""
    if machine.state is not State.RUNNING:
        text = f"The {machine.state} instance '{machine.instance_id}' is not in a valid state for this operation."
        raise Ec2Error("InvalidInstanceID", text)


def check_image_source(machine: Machine, name: str, twin_id: str | None) -> None:
    """Refuse CreateImage of a dead instance, or under a bad name, or one that the image ``twin_id`` has."""
    if machine.state not in {State.RUNNING, State.STOPPED}:
        raise Ec2Error("IncorrectInstanceState", f"Instance {machine.instance_id} is {machine.state}, not running or stopped")
    if not _IMAGE_NAME_CHARACTERS[0] <= len(name) <= _IMAGE_NAME_CHARACTERS[1]:
        raise Ec2Error("InvalidAMIName.Malformed", "AMI names must be between 3 and 128 characters long")
    if twin_id is not None:
        raise Ec2Error("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {twin_id}")


def _incorrect_state(machine: Machine) -> Ec2Error:
    text = f"The instance '{machine.instance_id}' is not in a state from which this is possible: it is {machine.state}."
    return Ec2Error("IncorrectInstanceState", text)
