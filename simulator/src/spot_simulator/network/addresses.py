"""Elastic IPs: who holds one in EC2's books, and where its traffic really goes."""

from spot_simulator.machine import Machine
from spot_simulator.network.moving_addresses import MovingAddresses
from spot_simulator.ports import Forwarder, Ground


class Addresses(MovingAddresses):
    """Every method is called with the region's lock held."""

    def __init__(self, block: str, forwarder: Forwarder, ground: Ground) -> None:
        """``block`` is the ``127.20.x`` in which addresses are given out."""
        super().__init__(forwarder, ground)
        self._block, self._count = block, 0

    def next_address(self) -> str:
        """Name the address that the next AllocateAddress gets."""
        first, second, third = self._block.split(".")
        high, low = divmod(self._count + 1, 250)
        return f"{first}.{second}.{int(third) + high}.{low + 1}"

    def open(self, public_ip: str) -> None:
        """Listen on a new address; nobody holds it. Raise ``ForwardingFailed`` if that fails."""
        self._count += 1
        self.listen(public_ip)
        self._log("allocated", public_ip)

    def _note_holder(self, address: str, before: Machine | None, after: Machine | None) -> None:
        if before is not None and before.public_ip == address:
            before.public_ip = None
        if after is not None:
            after.public_ip = address
