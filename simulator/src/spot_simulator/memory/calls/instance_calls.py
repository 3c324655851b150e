"""Describing, ending and changing instances."""

from collections.abc import Callable

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.known_instances import (
    KnownInstances,
    check_start,
    check_stop,
    check_type_change,
    credits_shown,
    instance_not_found,
    termination_forbidden,
)
from spot_simulator.ec2.status_checks import StatusCheck, status_checks
from spot_simulator.machine import Machine, ReasonCode, State
from spot_simulator.machines import Machines
from spot_simulator.memory import shapes
from spot_simulator.memory.books import MemoryBooks
from spot_simulator.memory.calls.request import Request
from spot_simulator.memory.filters import Facts, passing
from spot_simulator.memory.records import InstanceRecord
from spot_simulator.memory.shapes import Shape
from spot_simulator.model.capacity import Mode
from spot_simulator.volumes.volumes import Volumes

_FACTS: Facts[InstanceRecord] = {
    "availability-zone": lambda record: record.machine.az_name,
    "client-token": lambda record: record.client_token,
    "image-id": lambda record: record.machine.image_id,
    "instance-id": lambda record: record.machine.instance_id,
    "instance-lifecycle": lambda record: "spot" if record.machine.mode is Mode.SPOT else None,
    "instance-state-name": lambda record: record.machine.state.value,
    "instance-type": lambda record: record.machine.instance_type,
    "private-ip-address": lambda record: record.machine.private_ip,
    "spot-instance-request-id": lambda record: record.machine.spot_request_id if record.machine.mode is Mode.SPOT else None,
    "subnet-id": lambda record: record.subnet_id,
}


class InstanceCalls:
    """What is done with instances that were launched."""

    def __init__(self, books: MemoryBooks, machines: Machines, volumes: Volumes, known: KnownInstances) -> None:
        """Take the parts."""
        self._books, self._machines, self._volumes, self._known = books, machines, volumes, known

    def describe(self, request: Request) -> Shape:
        """Answer DescribeInstances; instances that are too new to be seen are unknown or left out."""
        by_reservation: dict[str, list[InstanceRecord]] = {}
        for record in self._chosen(request):
            by_reservation.setdefault(record.reservation_id, []).append(record)
        return {"Reservations": [shapes.reservation(records, self._books) for records in by_reservation.values()]}

    def describe_status(self, request: Request) -> Shape:
        """Answer DescribeInstanceStatus: of running instances, unless all are asked for."""
        is_any_state = bool(request.get("IncludeAllInstances"))
        return {
            "InstanceStatuses": [
                _status(record.machine) for record in self._chosen(request) if is_any_state or record.machine.state is State.RUNNING
            ]
        }

    def describe_credits(self, request: Request) -> Shape:
        """Answer DescribeInstanceCreditSpecifications; an instance without credits is refused."""
        records = [self._books.instances[machine.instance_id] for machine in self._named(request)]
        listed = [credits_shown(record.machine, record.cpu_credits) for record in records]
        return {"InstanceCreditSpecifications": [{"InstanceId": one_id, "CpuCredits": kind} for one_id, kind in listed]}

    def terminate(self, request: Request) -> Shape:
        """Answer TerminateInstances; a repeat on a dead instance is a success."""
        machines = self._named(request)
        for machine in machines:
            if self._books.instances[machine.instance_id].is_protected:
                raise termination_forbidden(machine.instance_id)
        request.end_if_dry_run()
        return {"TerminatingInstances": _changed(machines, lambda machine: self._machines.terminate(machine, ReasonCode.USER))}

    def stop(self, request: Request) -> Shape:
        """Answer StopInstances. Force ends the processes at once."""
        machines = self._named(request)
        for machine in machines:
            check_stop(machine)
        request.end_if_dry_run()
        is_forced = bool(request.get("Force"))
        return {
            "StoppingInstances": _changed(machines, lambda machine: self._machines.stop(machine, ReasonCode.USER, is_at_once=is_forced))
        }

    def start(self, request: Request) -> Shape:
        """Answer StartInstances."""
        machines = self._named(request)
        for machine in machines:
            check_start(machine)
        request.end_if_dry_run()

        def start(machine: Machine) -> None:
            if machine.state is State.STOPPED:
                self._machines.start(machine)

        return {"StartingInstances": _changed(machines, start)}

    def reboot(self, request: Request) -> Shape:
        """Answer RebootInstances."""
        machines = self._named(request)
        request.end_if_dry_run()
        for machine in machines:
            self._machines.reboot(machine)
        return {}

    def modify(self, request: Request) -> Shape:
        """Answer ModifyInstanceAttribute; the type can only be changed while the instance is stopped."""
        machine = self._known.one(request.needed("InstanceId"))
        record = self._books.instances[machine.instance_id]
        mappings = request.get("BlockDeviceMappings", ())
        volumes = {mapping["DeviceName"]: self._volumes.at_device(machine.instance_id, mapping["DeviceName"]) for mapping in mappings}
        unknown = [device_name for device_name, volume in volumes.items() if volume is None]
        if unknown:
            raise Ec2Error("InvalidInstanceAttributeValue", f"No device is currently mapped at {unknown[0]}")
        if request.get("InstanceType"):
            check_type_change(machine)
        request.end_if_dry_run()
        if request.get("InstanceType"):
            machine.instance_type = request.get("InstanceType")["Value"]
        if request.get("DisableApiTermination"):
            record.is_protected = request.get("DisableApiTermination")["Value"]
        for mapping in mappings:
            volume = volumes[mapping["DeviceName"]]
            if volume is not None:
                self._volumes.keep(volume, is_deleted_on_termination=mapping["Ebs"]["DeleteOnTermination"])
        return {}

    def tag(self, request: Request) -> Shape:
        """Answer CreateTags; an instance must be known."""
        for resource_id in request.needed("Resources"):
            if resource_id.startswith("i-"):
                self._known.one(resource_id)
        request.end_if_dry_run()
        for resource_id in request.needed("Resources"):
            self._books.add_tags(resource_id, {tag["Key"]: tag["Value"] for tag in request.needed("Tags")})
        return {}

    def _chosen(self, request: Request) -> list[InstanceRecord]:
        wanted, filters = request.get("InstanceIds", ()), request.filters()
        self._known.check_visible(wanted)
        for instance_id in wanted:
            if instance_id not in self._books.instances:
                raise instance_not_found(instance_id)
        if wanted:
            found = [self._books.instances[instance_id] for instance_id in dict.fromkeys(wanted)]
        else:
            hidden = self._known.hidden()
            found = [record for instance_id, record in self._books.instances.items() if instance_id not in hidden]
        if not filters:
            return found
        return passing(found, filters, _FACTS, self._books, lambda record: record.machine.instance_id)

    def _named(self, request: Request) -> list[Machine]:
        return self._known.named(request.get("InstanceIds", ()))


def _changed(machines: list[Machine], change: Callable[[Machine], None]) -> list[Shape]:
    items = []
    for machine in machines:
        before = machine.state
        change(machine)
        states = {"CurrentState": shapes.state_shape(machine.state), "PreviousState": shapes.state_shape(before)}
        items.append({"InstanceId": machine.instance_id, **states})
    return items


def _status(machine: Machine) -> Shape:
    system, instance = status_checks(machine)
    shown: Shape = {
        "AvailabilityZone": machine.az_name,
        "InstanceId": machine.instance_id,
        "InstanceState": shapes.state_shape(machine.state),
        "InstanceStatus": _check(instance),
        "SystemStatus": _check(system),
    }
    if machine.maintenance:
        shown["Events"] = [
            {
                "InstanceEventId": event.event_id,
                "Code": event.code,
                "Description": event.description,
                "NotBefore": shapes.whole_second(event.not_before),
            }
            for event in machine.maintenance
        ]
    return shown


def _check(check: StatusCheck) -> Shape:
    if check.impaired_since is None:
        return {"Status": check.word}
    detail = {"Name": "reachability", "Status": "failed", "ImpairedSince": shapes.whole_second(check.impaired_since)}
    return {"Status": check.word, "Details": [detail]}
