"""Addresses that lead to one instance each, and whose traffic takes its time to follow an order."""

from spot_simulator.machine import Machine
from spot_simulator.model.delays import Delay
from spot_simulator.ports import Forwarder, ForwardingFailed, Ground, Lead


class MovingAddresses:
    """Every method is called with the region's lock held. ``holders`` says where the traffic of each goes now."""

    WORD = "address"
    """Begins the kinds of its events."""
    FIELD = "public_ip"
    """Names an address in them."""

    def __init__(self, forwarder: Forwarder, ground: Ground) -> None:
        """Start with none."""
        self._forwarder, self._ground = forwarder, ground
        self._moves = 0
        self._latest: dict[str, tuple[int, Machine | None]] = {}
        self.holders: dict[str, Machine | None] = {}

    def listen(self, address: str) -> None:
        """Listen on a new address; nobody holds it. Raise ``ForwardingFailed`` if that fails."""
        self._forwarder.listen(address)
        self.holders[address] = None

    def close(self, address: str) -> None:
        """Give an address up."""
        self._latest.pop(address, None)
        if address in self.holders:
            self._route(address, None)
            del self.holders[address]
            self._forwarder.close(address)
            self._log("released", address)

    def move(self, address: str, holder: Machine | None) -> None:
        """Send the traffic of an address elsewhere after the address-move delay; the last of several orders counts."""
        self._moves += 1
        move = self._moves
        self._latest[address] = (move, holder)
        seconds = self._ground.delays.seconds(Delay.ADDRESS_MOVE, self._ordinal(move))
        self._log("move-started", address, instance_id=holder.instance_id if holder else None)
        self._ground.timeline.after(seconds, lambda: self._on_moved(address, holder, move))

    def drop_holder(self, machine: Machine) -> None:
        """Cut the traffic of every address that an instance holds or is to get: it is gone."""
        self._latest = {address: latest for address, latest in self._latest.items() if latest[1] is not machine}
        for address, holder in list(self.holders.items()):
            if holder is machine:
                self._route(address, None)

    def _ordinal(self, move: int) -> object:
        return move

    def _note_holder(self, address: str, before: Machine | None, after: Machine | None) -> None:
        """Let the instances know: for those that inherit."""

    def _on_moved(self, address: str, holder: Machine | None, move: int) -> None:
        with self._ground.lock:
            if self._latest.get(address, (0, None))[0] == move:
                self._route(address, holder)

    def _route(self, address: str, holder: Machine | None) -> None:
        before = self.holders.get(address)
        try:
            cut = self._forwarder.route(address, [Lead(holder.private_ip)] if holder else [])
        except ForwardingFailed as error:
            self._ground.log.append("internal-error", where="forwarder", error=str(error))
            return
        self._note_holder(address, before, holder)
        self.holders[address] = holder
        self._log("moved", address, instance_id=holder.instance_id if holder else None, cut_connections=cut)

    def _log(self, what: str, address: str, **facts: object) -> None:
        self._ground.log.append(f"{self.WORD}-{what}", **{self.FIELD: address}, **facts)
