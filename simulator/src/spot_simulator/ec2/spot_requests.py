"""The spot requests behind the spot instances: the third place where an interruption shows, and the first one that EC2 tells."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import Machine, NoticeAction, ReasonCode, State
from spot_simulator.machines import Machines
from spot_simulator.model.capacity import Mode

REQUEST_TYPE = "one-time"

_FILTERS: dict[str, Callable[[Machine], str]] = {
    "spot-instance-request-id": lambda machine: machine.spot_request_id,
    "instance-id": lambda machine: machine.instance_id,
    "state": lambda machine: request_status(machine)[0],
    "status-code": lambda machine: request_status(machine)[1],
    "type": lambda _machine: REQUEST_TYPE,
    "launched-availability-zone": lambda machine: machine.az_name,
}


class SpotRequests:
    """Called with the region's lock held. Each spot instance has one request, and stands for it."""

    def __init__(self, machines: Machines) -> None:
        """Take the instances."""
        self._machines = machines

    def named(self, request_ids: Sequence[str]) -> list[Machine]:
        """Return the instances of these requests, or of all; an unknown id is refused."""
        by_request = {machine.spot_request_id: machine for machine in self._machines.by_id.values() if machine.mode is Mode.SPOT}
        unknown = [request_id for request_id in request_ids if request_id not in by_request]
        if unknown:
            raise Ec2Error("InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{unknown[0]}' does not exist")
        return [by_request[request_id] for request_id in request_ids] if request_ids else list(by_request.values())


def passing(machines: Iterable[Machine], filters: Mapping[str, Sequence[str]]) -> list[Machine]:
    """Return the instances whose requests pass all filters; an unknown filter is refused."""
    unknown = [name for name in filters if name not in _FILTERS]
    if unknown:
        raise Ec2Error("InvalidParameterValue", f"The filter '{unknown[0]}' is invalid")
    return [machine for machine in machines if all(_FILTERS[name](machine) in values for name, values in filters.items())]


def interruption_behavior(machine: Machine) -> str:
    """Return how a request says that its instance goes when EC2 interrupts it. In this region a notice decides that, and no launch."""
    return NoticeAction.TERMINATE.value if machine.notice is None else machine.notice.action.value


def status_changed_at(machine: Machine) -> datetime:
    """Return since when a request has its status code."""
    if machine.notice is not None and machine.reason is not ReasonCode.USER:
        return machine.notice.announced_at
    last = machine.running[-1] if machine.running else None
    return machine.launched_at if last is None else last.until or last.since


def request_status(machine: Machine) -> tuple[str, str]:
    """Return a request's state and status code; with a notice to terminate the code changes while the instance still runs."""
    if machine.reason is ReasonCode.USER:
        return ("cancelled" if machine.is_request_cancelled else "closed"), "instance-terminated-by-user"
    if machine.reason is ReasonCode.SPOT_TERMINATION:
        return "closed", "instance-terminated-no-capacity"
    if machine.notice is not None and machine.notice.action is NoticeAction.TERMINATE:
        return "closed", "instance-terminated-no-capacity"
    if machine.state in {State.STOPPING, State.STOPPED}:
        return "disabled", "instance-stopped-no-capacity"
    if machine.is_request_cancelled:
        return "cancelled", "request-canceled-and-instance-running"
    return "active", "fulfilled" if machine.notice is None else "marked-for-stop"
