"""Terminate, stop, start, reboot and describe: what moto does at once, the region does in its own time."""

from collections.abc import Callable
from datetime import timedelta
from xml.etree import ElementTree as ET

from spot_simulator.clock import Clock
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import NAMESPACE, Answer, is_true, members, success
from spot_simulator.machine import STATE_CODES, Machine, ReasonCode, State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import Mode


class InstanceCalls:
    """Called with the region's lock held."""

    def __init__(self, machines: Machines, clock: Clock) -> None:
        """``invisible_seconds`` (of this machine's clock) pass after a launch before the API knows the instance by its id."""
        self._machines, self._clock = machines, clock
        self.invisible_seconds = 0.0

    def terminate(self, call: Call) -> Answer:
        """Answer TerminateInstances; a repeat on a dead instance is a success."""
        machines = self._named(call)
        for machine in machines:
            if call.moto.instance(machine.instance_id).disable_api_termination in (True, "true"):
                raise Ec2Error(
                    "OperationNotPermitted",
                    f"The instance '{machine.instance_id}' may not be terminated. Modify its 'disableApiTermination' attribute.",
                )
        call.end_if_dry_run()
        return self._changed(call, machines, lambda machine: self._machines.terminate(machine, ReasonCode.USER))

    def stop(self, call: Call) -> Answer:
        """Answer StopInstances; one-time spot instances cannot be stopped. Force ends the processes at once."""
        machines = self._named(call)
        for machine in machines:
            if machine.mode is Mode.SPOT:
                raise Ec2Error(
                    "UnsupportedOperation",
                    f"You can't stop the Spot Instance '{machine.instance_id}' because it is associated with a one-time Spot"
                    " Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
                )
            if machine.state not in {State.PENDING, State.RUNNING, State.STOPPING, State.STOPPED}:
                raise _incorrect_state(machine)
        call.end_if_dry_run()
        is_forced = is_true(call.parameters, "Force")
        return self._changed(call, machines, lambda machine: self._machines.stop(machine, ReasonCode.USER, is_at_once=is_forced))

    def start(self, call: Call) -> Answer:
        """Answer StartInstances."""
        machines = self._named(call)
        for machine in machines:
            if machine.state not in {State.STOPPED, State.PENDING, State.RUNNING}:
                raise _incorrect_state(machine)
        call.end_if_dry_run()

        def start(machine: Machine) -> None:
            if machine.state is State.STOPPED:
                self._machines.start(machine)

        return self._changed(call, machines, start)

    def reboot(self, call: Call) -> Answer:
        """Answer RebootInstances."""
        machines = self._named(call)
        call.end_if_dry_run()
        for machine in machines:
            self._machines.reboot(machine)
        return success(call.action, {"return": True})

    def modify(self, call: Call) -> Answer:
        """Answer ModifyInstanceAttribute; the type can only be changed while the instance is stopped."""
        machine = self._machine(call.needed("InstanceId"))
        if "InstanceType.Value" in call.parameters and machine.state is not State.STOPPED:
            raise _incorrect_state(machine)
        answer = call.forward()
        if answer.status == 200:
            machine.instance_type = call.moto.instance(machine.instance_id).instance_type
        return answer

    def describe(self, call: Call) -> Answer:
        """Answer DescribeInstances; instances that are too new to be seen are unknown or left out."""
        hidden = self._hidden()
        for instance_id in members(call.parameters, "InstanceId"):
            if instance_id in hidden:
                raise _not_found(instance_id)
        answer = call.forward()
        return _without_instances(answer, hidden) if hidden and answer.status == 200 else answer

    def describe_status(self, call: Call) -> Answer:
        """Answer DescribeInstanceStatus."""
        for instance_id in members(call.parameters, "InstanceId"):
            if instance_id in self._hidden():
                raise _not_found(instance_id)
        return call.forward()

    def _hidden(self) -> set[str]:
        since = self._clock.now() - timedelta(seconds=self.invisible_seconds)
        return {machine.instance_id for machine in self._machines.by_id.values() if machine.launched_at > since}

    def _named(self, call: Call) -> list[Machine]:
        instance_ids = members(call.parameters, "InstanceId")
        if not instance_ids:
            raise Ec2Error("MissingParameter", "The request must contain the parameter InstanceId")
        return [self._machine(instance_id) for instance_id in instance_ids]

    def _machine(self, instance_id: str) -> Machine:
        if not instance_id.startswith("i-"):
            raise Ec2Error("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
        machine = self._machines.by_id.get(instance_id)
        if machine is None or instance_id in self._hidden():
            raise _not_found(instance_id)
        return machine

    @staticmethod
    def _changed(call: Call, machines: list[Machine], change: Callable[[Machine], None]) -> Answer:
        items = []
        for machine in machines:
            before = machine.state
            change(machine)
            items.append(
                {
                    "instanceId": machine.instance_id,
                    "currentState": {"code": STATE_CODES[machine.state], "name": machine.state.value},
                    "previousState": {"code": STATE_CODES[before], "name": before.value},
                }
            )
        return success(call.action, {"instancesSet": items})


def _not_found(instance_id: str) -> Ec2Error:
    return Ec2Error("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")


def _incorrect_state(machine: Machine) -> Ec2Error:
    text = f"The instance '{machine.instance_id}' is not in a state from which this is possible: it is {machine.state}."
    return Ec2Error("IncorrectInstanceState", text)


def _without_instances(answer: Answer, hidden: set[str]) -> Answer:
    """Leave instances out of a DescribeInstances answer, and reservations that are empty then."""
    ET.register_namespace("", NAMESPACE)
    root = ET.fromstring(answer.body)  # noqa: S314 - our own words
    space = f"{{{NAMESPACE}}}" if root.tag.startswith(f"{{{NAMESPACE}}}") else root.tag[: root.tag.find("}") + 1]
    reservations = root.find(f"{space}reservationSet")
    for reservation in list(reservations if reservations is not None else ()):
        instances = reservation.find(f"{space}instancesSet")
        for item in list(instances if instances is not None else ()):
            if item.findtext(f"{space}instanceId") in hidden and instances is not None:
                instances.remove(item)
        if instances is not None and len(instances) == 0 and reservations is not None:
            reservations.remove(reservation)
    return Answer(answer.status, ET.tostring(root, encoding="utf-8", xml_declaration=True))
