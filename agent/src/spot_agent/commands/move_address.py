"""move_address: associate the Elastic IP, and confirm it by asking again."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, pause, seconds, text
from spot_agent.ec2_facts import AddressFacts
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command
from spot_agent.timestamps import to_wire

POLL_SECONDS = 1.0
WAIT_SECONDS = 30.0
FIRST_TRY_SECONDS = 1.0
"""A command that was begun longer ago was cut short: what it did already is looked for."""


def handle(command: Command, tools: Tools) -> Handled:
    """Adopts an association that is already there. `refused` when reassociation is not allowed and another holds it.

    The workload is down meanwhile. So the first try that may take the address from whoever holds it does so without a look; to associate
    it with its own holder once more changes nothing.
    """
    allocation_id, instance_id = text(command, "allocation_id"), text(command, "instance_id")
    wait_seconds = seconds(command, "wait_seconds", WAIT_SECONDS)
    allowed = command.payload.get("allow_reassociation") is True
    if allowed and tools.waited_seconds(command) < FIRST_TRY_SECONDS:
        tools.ec2.associate_address(allocation_id, instance_id, allow_reassociation=True)
        return _moved(_confirmed(allocation_id, instance_id, wait_seconds, tools), tools)
    address = _described(allocation_id, tools)
    if address.instance_id != instance_id:
        if address.instance_id is not None and not allowed:
            message = f"{allocation_id} is associated with {address.instance_id}"
            raise ActFailed(ErrorClass.REFUSED, "Resource.AlreadyAssociated", message)
        tools.ec2.associate_address(allocation_id, instance_id, allow_reassociation=allowed)
        address = _confirmed(allocation_id, instance_id, wait_seconds, tools)
    return _moved(address, tools)


def _moved(address: AddressFacts, tools: Tools) -> Succeeded:
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
