"""Secondary private addresses: each is on one instance at most, and may be taken over inside its subnet."""

from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.machine import Machine, State
from spot_simulator.machines import Machines
from spot_simulator.network.moving_addresses import MovingAddresses
from spot_simulator.ports import Forwarder, Ground

_WRONG = "InvalidParameterValue"
"""EC2's code for all that is wrong with an address. Source: the ec2_eni module of Ansible quotes its sentence about moves."""


class SecondaryAddresses(MovingAddresses):
    """Every method is called with the region's lock held. EC2's book is ``Machine.assigned_ips``; the traffic follows later.

    The operating system of the new instance answers for the address by itself, as that of Amazon Linux does.
    """

    WORD = "private-address"
    FIELD = "private_ip"

    def __init__(self, machines: Machines, forwarder: Forwarder, ground: Ground) -> None:
        """Start with none."""
        super().__init__(forwarder, ground)
        self._machines = machines

    def check(self, machine: Machine, addresses: Sequence[str], subnet: IPv4Network, *, may_take: bool) -> None:
        """Refuse what EC2 refuses; nothing is changed. ``may_take`` is AllowReassignment."""
        for address in addresses:
            if not _is_in(address, subnet):
                raise Ec2Error(_WRONG, f"Address {address} does not fall within the subnet's address range")
            owner = next((one for one in self._machines.by_id.values() if one.private_ip == address and _is_there(one)), None)
            if owner is not None:
                raise Ec2Error(_WRONG, f"{address} is the primary address of {owner.instance_id}")
        others = [address for address in addresses if self.assigned_to(address) not in {None, machine.instance_id}]
        if others and not may_take:
            raise Ec2Error(_WRONG, f"[{', '.join(others)}] assigned, but move is not allowed.")

    def assign(self, machine: Machine, addresses: Sequence[str]) -> None:
        """Put addresses on an instance, and take them from others; on one that has them already nothing changes."""
        for address in addresses:
            if address in machine.assigned_ips:
                continue
            self._take_from_book(address)
            machine.assigned_ips.append(address)
            if address not in self.holders:
                self.listen(address)
            self.move(address, machine)

    def unassign(self, machine: Machine, addresses: Sequence[str]) -> None:
        """Take addresses off an instance. Raise ``Ec2Error`` for one that it has not."""
        missing = [address for address in addresses if address not in machine.assigned_ips]
        if missing:
            raise Ec2Error(_WRONG, f"Some of {missing} are not assigned to the interface")
        for address in addresses:
            machine.assigned_ips.remove(address)
            self.move(address, None)

    def assigned_to(self, address: str) -> str | None:
        """Return the instance that has an address in EC2's book."""
        return next((one.instance_id for one in self._machines.by_id.values() if address in one.assigned_ips), None)

    def drop_holder(self, machine: Machine) -> None:
        """Free the addresses of an instance that is gone, and cut their traffic."""
        machine.assigned_ips.clear()
        super().drop_holder(machine)

    def _take_from_book(self, address: str) -> None:
        for machine in self._machines.by_id.values():
            if address in machine.assigned_ips:
                machine.assigned_ips.remove(address)

    def _ordinal(self, move: int) -> object:
        return f"private-{move}"

    def _note_holder(self, address: str, before: Machine | None, after: Machine | None) -> None:
        if before is not None and address in before.secondary_ips:
            before.secondary_ips.remove(address)
        if after is not None and address not in after.secondary_ips:
            after.secondary_ips.append(address)


def _is_there(machine: Machine) -> bool:
    return machine.state is not State.TERMINATED


def _is_in(address: str, subnet: IPv4Network) -> bool:
    try:
        return IPv4Address(address) in subnet
    except AddressValueError:
        return False
