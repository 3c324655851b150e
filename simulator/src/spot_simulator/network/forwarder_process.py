"""The forwarder as a process of its own: the region's side of it."""

from spot_simulator.helper_process import HelperFailed, HelperProcess, Message
from spot_simulator.hosting.environment import WORKLOAD_PORT
from spot_simulator.ports import ForwardingFailed


class ForwarderProcess:
    """Carries the traffic of Elastic IPs over this machine's loopback."""

    def __init__(self) -> None:
        """Start the process."""
        self._process = HelperProcess("spot_simulator.network.forwarder", lambda _event: None)

    def listen(self, public_ip: str) -> None:
        """Answer on an address; nobody holds it yet."""
        self._call(do="listen", ip=public_ip, port=WORKLOAD_PORT)

    def route(self, public_ip: str, private_ip: str | None) -> int:
        """Send traffic elsewhere, or nowhere; return how many connections that cut."""
        return int(self._call(do="route", ip=public_ip, target=private_ip)["cut"])

    def close(self, public_ip: str) -> None:
        """Answer no more."""
        self._call(do="close", ip=public_ip)

    def stop(self) -> None:
        """End the process."""
        self._process.stop()

    def _call(self, **message: object) -> Message:
        try:
            return self._process.call(**message)
        except HelperFailed as error:
            raise ForwardingFailed(str(error)) from error
