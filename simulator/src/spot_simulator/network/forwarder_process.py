"""The forwarder as a process of its own: the region's side of it."""

from collections.abc import Sequence

from spot_simulator.helper_process import HelperFailed, HelperProcess, Message
from spot_simulator.ports import WORKLOAD_PORT, ForwardingFailed, Lead


class ForwarderProcess:
    """Carries the traffic of fronts over this machine's loopback."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = HelperProcess("spot_simulator.network.forwarder", lambda _event: None)

    def listen(self, front: str) -> None:
        """Answer on an address; it leads nowhere yet."""
        self._call(do="listen", ip=front, port=WORKLOAD_PORT)

    def route(self, front: str, leads: Sequence[Lead], *, is_cut: bool = True) -> int:
        """Send what comes from now on to each lead in turn; return how many connections that cut."""
        targets = [[lead.address, lead.port] for lead in leads]
        return int(self._call(do="route", ip=front, targets=targets, is_cut=is_cut)["cut"])

    def close(self, front: str) -> None:
        """Answer no more."""
        self._call(do="close", ip=front)

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def _call(self, **message: object) -> Message:
        try:
            return self._process.call(**message)
        except HelperFailed as error:
            raise ForwardingFailed(str(error)) from error
