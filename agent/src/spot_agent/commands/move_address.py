"""move_address: associate the Elastic IP, and confirm it by asking again."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, pause, seconds, text, texts
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

    Where others may claim the address, it is taken from none of them, and got only while nobody has it: EC2 then gives it to one of
    two that ask.
    """
    allocation_id, instance_id = text(command, "allocation_id"), text(command, "instance_id")
    wait_seconds = seconds(command, "wait_seconds", WAIT_SECONDS)
    allowed = command.payload.get("allow_reassociation") is True
    if allowed and tools.waited_seconds(command) < FIRST_TRY_SECONDS:
        tools.ec2.associate_address(allocation_id, instance_id, allow_reassociation=True)
        return _moved(_confirmed(allocation_id, instance_id, wait_seconds, tools), tools)
    address = _described(allocation_id, tools)
    if address.instance_id != instance_id:
        may_take = _require_no_claim(command, allocation_id, address.instance_id)
        if address.association_id is not None and address.instance_id in texts(command, "predecessor_instance_ids"):
            tools.ec2.disassociate_address(address.association_id)
            may_take = False
        tools.ec2.associate_address(allocation_id, instance_id, allow_reassociation=may_take)
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


def _require_no_claim(command: Command, allocation_id: str, holder_id: str | None) -> bool:
    """Tell whether the address may be taken from who has it. Raises ActFailed when it may neither be taken nor freed."""
    claimants, predecessors = texts(command, "claimant_instance_ids"), texts(command, "predecessor_instance_ids")
    if holder_id in claimants:
        message = f"{allocation_id} is held by {holder_id}, which took over by its plan"
        raise ActFailed(ErrorClass.REFUSED, "claimed_by_successor", message)
    allowed = command.payload.get("allow_reassociation") is True or bool(claimants)
    if holder_id is not None and not allowed and holder_id not in predecessors:
        raise ActFailed(ErrorClass.REFUSED, "Resource.AlreadyAssociated", f"{allocation_id} is associated with {holder_id}")
    # Of an address that nobody has, another may be about to get hold: then only one of us is given it.
    return allowed and (holder_id is not None or not claimants)


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
