"""move_address: associate the Elastic IP, and confirm it by asking again."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, pause, seconds, text
from spot_agent.ec2_facts import AddressFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

POLL_SECONDS = 1.0
WAIT_SECONDS = 30.0


def handle(command: Command, tools: Tools) -> Handled:
    """Adopts an association that is already there. `refused` when reassociation is not allowed and another holds it."""
    allocation_id, instance_id = text(command, "allocation_id"), text(command, "instance_id")
    wait_seconds = seconds(command, "wait_seconds", WAIT_SECONDS)
    address = _described(allocation_id, tools)
    if address.instance_id != instance_id:
        allowed = command.payload.get("allow_reassociation") is True
        if address.instance_id is not None and not allowed:
            message = f"{allocation_id} is associated with {address.instance_id}"
            raise ActFailed(ErrorClass.REFUSED, "Resource.AlreadyAssociated", message)
        tools.ec2.associate_address(allocation_id, instance_id, allow_reassociation=allowed)
        address = _confirmed(allocation_id, instance_id, wait_seconds, tools)
    return Succeeded(
        {
            "association_id": address.association_id,
            "public_ip": address.public_ip,
            "moved_at": to_wire(tools.clock.now()),
        }
    )


def _confirmed(allocation_id: str, instance_id: str, wait_seconds: float, tools: Tools) -> AddressFacts:
    ends_seconds = tools.clock.monotonic_seconds() + wait_seconds
    while True:
        address = _described(allocation_id, tools)
        if address.instance_id == instance_id:
            return address
        if tools.clock.monotonic_seconds() >= ends_seconds:
            message = f"EC2 still shows {allocation_id} with {address.instance_id}"
            raise ActFailed(ErrorClass.RACE, "address_not_moved", message)
        pause(tools, POLL_SECONDS)


def _described(allocation_id: str, tools: Tools) -> AddressFacts:
    address = tools.ec2.describe_address(allocation_id)
    if address is None:
        raise ActFailed(ErrorClass.NOT_FOUND, "InvalidAllocationID.NotFound", f"EC2 knows no {allocation_id}")
    return address
