"""Terminate, stop, start, reboot and describe: what moto does at once, the region does in its own time."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from xml.etree import ElementTree as ET

from spot_simulator.clock import aws_time
from spot_simulator.ec2.call import Call
from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.known_instances import (
    KnownInstances,
    check_start,
    check_stop,
    check_type_change,
    credits_shown,
    termination_forbidden,
)
from spot_simulator.ec2.status_checks import StatusCheck, status_checks
from spot_simulator.ec2.wire import NAMESPACE, Answer, device_mappings, is_true, members, success, without
from spot_simulator.machine import STATE_CODES, Machine, ReasonCode, State
from spot_simulator.machines import Machines
from spot_simulator.volumes.records import Volume
from spot_simulator.volumes.volumes import Volumes


class InstanceCalls:
    """Called with the region's lock held."""

    def __init__(self, machines: Machines, volumes: Volumes, known: KnownInstances) -> None:
        """Take the parts."""
        self._machines, self._volumes, self._known = machines, volumes, known

    def terminate(self, call: Call) -> Answer:
        """Answer TerminateInstances; a repeat on a dead instance is a success."""
        machines = self._named(call)
        for machine in machines:
            if call.moto.instance(machine.instance_id).disable_api_termination in (True, "true"):
                raise termination_forbidden(machine.instance_id)
        call.end_if_dry_run()
        return self._changed(call, machines, lambda machine: self._machines.terminate(machine, ReasonCode.USER))

    def stop(self, call: Call) -> Answer:
        """Answer StopInstances. Force ends the processes at once."""
        machines = self._named(call)
        for machine in machines:
            check_stop(machine)
        call.end_if_dry_run()
        is_forced = is_true(call.parameters, "Force")
        return self._changed(call, machines, lambda machine: self._machines.stop(machine, ReasonCode.USER, is_at_once=is_forced))

    def start(self, call: Call) -> Answer:
        """Answer StartInstances."""
        machines = self._named(call)
        for machine in machines:
            check_start(machine)
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
        machine = self._known.one(call.needed("InstanceId"))
        volumes = self._mapped(call, machine)
        if "InstanceType.Value" in call.parameters:
            check_type_change(machine)
        call.end_if_dry_run()
        for volume, is_deleted_on_termination in volumes:
            self._volumes.keep(volume, is_deleted_on_termination=is_deleted_on_termination)
        left = without(call.parameters, "BlockDeviceMapping.")
        if volumes and left.keys() <= {"Action", "Version", "InstanceId"}:
            return success(call.action, {"return": True})
        answer = call.forward(left)
        if answer.status == 200:
            machine.instance_type = call.moto.instance(machine.instance_id).instance_type
        return answer

    def _mapped(self, call: Call, machine: Machine) -> list[tuple[Volume, bool]]:
        """Return the volumes that a call names by their devices, and whether each is to go with its instance."""
        found = []
        for mapping in device_mappings(call.parameters):
            volume = self._volumes.at_device(machine.instance_id, str(mapping["DeviceName"]))
            if volume is None:
                raise Ec2Error("InvalidInstanceAttributeValue", f"No device is currently mapped at {mapping['DeviceName']}")
            ebs = mapping["Ebs"]
            found.append((volume, bool(isinstance(ebs, dict) and ebs.get("DeleteOnTermination"))))
        return found

    def tag(self, call: Call) -> Answer:
        """Answer CreateTags; an instance must be known, moto looks for none."""
        for resource_id in members(call.parameters, "ResourceId"):
            if resource_id.startswith("i-"):
                self._known.one(resource_id)
        return call.forward()

    def describe(self, call: Call) -> Answer:
        """Answer DescribeInstances; instances that are too new to be seen are unknown or left out."""
        self._known.check_visible(members(call.parameters, "InstanceId"))
        answer, hidden = call.forward(), self._known.hidden()
        return _without_instances(answer, hidden) if hidden and answer.status == 200 else answer

    def describe_credits(self, call: Call) -> Answer:
        """Answer DescribeInstanceCreditSpecifications; an instance without credits is refused. To moto they all are "standard"."""
        machines = self._named(call)
        call.end_if_dry_run()
        listed = [credits_shown(machine, call.moto.cpu_credits.get(machine.instance_id)) for machine in machines]
        shown = [{"instanceId": instance_id, "cpuCredits": kind} for instance_id, kind in listed]
        return success(call.action, {"instanceCreditSpecificationSet": shown})

    def describe_status(self, call: Call) -> Answer:
        """Answer DescribeInstanceStatus."""
        wanted = members(call.parameters, "InstanceId")
        self._known.check_visible(wanted)
        machines = self._known.named(wanted) if wanted else self._known.seen()
        call.end_if_dry_run()
        is_any_state = is_true(call.parameters, "IncludeAllInstances")
        shown = [_status(machine) for machine in machines if is_any_state or machine.state is State.RUNNING]
        return success(call.action, {"instanceStatusSet": shown})

    def _named(self, call: Call) -> list[Machine]:
        return self._known.named(members(call.parameters, "InstanceId"))

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


def _status(machine: Machine) -> dict[str, object]:
    system, instance = status_checks(machine)
    return {
        "instanceId": machine.instance_id,
        "availabilityZone": machine.az_name,
        "instanceState": {"code": STATE_CODES[machine.state], "name": machine.state.value},
        "systemStatus": _check(system),
        "instanceStatus": _check(instance),
        "eventsSet": [
            {
                "instanceEventId": event.event_id,
                "code": event.code,
                "description": event.description,
                "notBefore": aws_time(event.not_before),
            }
            for event in machine.maintenance
        ],
    }


def _check(check: StatusCheck) -> dict[str, object]:
    if check.impaired_since is None:
        return {"status": check.word}
    details = [{"name": "reachability", "status": "failed", "impairedSince": aws_time(check.impaired_since)}]
    return {"status": check.word, "details": details}


def _without_instances(answer: Answer, hidden: AbstractSet[str]) -> Answer:
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
