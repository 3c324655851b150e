"""Elastic IPs: who holds one in EC2's books, and where its traffic really goes."""

from spot_simulator.machine import Machine
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Forwarder, ForwardingFailed, Ground


class Addresses:
    """Every method is called with the region's lock held."""

    def __init__(self, block: str, forwarder: Forwarder, ground: Ground) -> None:
        """``block`` is the ``127.20.x`` in which addresses are given out."""
        self._forwarder, self._ground = forwarder, ground
        self._block, self._count, self._moves = block, 0, 0
        self._latest: dict[str, tuple[int, Machine | None]] = {}
        self.holders: dict[str, Machine | None] = {}

    def next_address(self) -> str:
        """Name the address that the next AllocateAddress gets."""
        first, second, third = self._block.split(".")
        high, low = divmod(self._count + 1, 250)
        return f"{first}.{second}.{int(third) + high}.{low + 1}"

    def open(self, public_ip: str) -> None:
        """Listen on a new address; nobody holds it. Raise ``ForwardingFailed`` if that fails."""
        self._count += 1
        self._forwarder.listen(public_ip)
        self.holders[public_ip] = None
        self._ground.log.append("address-allocated", public_ip=public_ip)

    def close(self, public_ip: str) -> None:
        """Give an address up."""
        self._latest.pop(public_ip, None)
        if public_ip in self.holders:
            self._route(public_ip, None)
            del self.holders[public_ip]
            self._forwarder.close(public_ip)
            self._ground.log.append("address-released", public_ip=public_ip)

    def move(self, public_ip: str, holder: Machine | None) -> None:
        """Send the traffic of an address elsewhere after the address-move delay; the last of several orders counts."""
        self._moves += 1
        move = self._moves
        self._latest[public_ip] = (move, holder)
        seconds = self._ground.delays.seconds(Delay.ADDRESS_MOVE, move)
        to = holder.instance_id if holder else None
        self._ground.log.append("address-move-started", public_ip=public_ip, instance_id=to)
        self._ground.timeline.after(seconds, lambda: self._on_moved(public_ip, holder, move))

    def drop_holder(self, machine: Machine) -> None:
        """Cut the traffic of every address that an instance holds or is to get; its associations ended with it."""
        self._latest = {ip: latest for ip, latest in self._latest.items() if latest[1] is not machine}
        for public_ip, holder in list(self.holders.items()):
            if holder is machine:
                self._route(public_ip, None)

    def _on_moved(self, public_ip: str, holder: Machine | None, move: int) -> None:
        with self._ground.lock:
            if self._latest.get(public_ip, (0, None))[0] == move:
                self._route(public_ip, holder)

    def _route(self, public_ip: str, holder: Machine | None) -> None:
        before = self.holders.get(public_ip)
        try:
            cut = self._forwarder.route(public_ip, holder.private_ip if holder else None)
        except ForwardingFailed as error:
            self._ground.log.append("internal-error", where="forwarder", error=str(error))
            return
        if before is not None and before.public_ip == public_ip:
            before.public_ip = None
        if holder is not None:
            holder.public_ip = public_ip
        self.holders[public_ip] = holder
        to = holder.instance_id if holder else None
        self._ground.log.append("address-moved", public_ip=public_ip, instance_id=to, cut_connections=cut)
