"""The carries that copy, between simulated instances: the workload's file is brought to another disk through the pretend network."""

from __future__ import annotations

from collections.abc import Callable

from spot_agent.carrying.passes import HookOrder, HookRan, Order, Sending, Sent
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.rules.rsync import Counted, Door, Pass
from spot_simulator.machine import State
from spot_simulator.memory.host import Host
from spot_simulator.memory.workload import WRITES_FILE
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process

KEY_PATH = "spot-optimizer/outgoing"
SENT_PATH = "spot-optimizer/sent"
"""For which move the last pass is over: its key is gone by then, as with the daemon's own programs."""
SESSION_PATH = "spot-optimizer/incoming"
STAGING_FILE = f"{WRITES_FILE}.spot-incoming"
PORT = 7022
FIRST_PASS_SECONDS = 20.0
"""As long as a first pass of some gigabytes takes; a choice, not a measurement."""

LAST_PASS_SECONDS = 1.5
"""Source: the real test of the carry on an idle machine, rounded up (docs/carries.md)."""

LOOK_SECONDS = 0.5


class Receivers:
    """The instances of a run to which state can be sent, by their address."""

    def __init__(self) -> None:
        """None yet."""
        self.by_address: dict[str, Host] = {}
        """Those that have opened a receiver for rsync."""
        self.hosts: dict[str, Host] = {}
        """All on which a daemon was started: a person's own program gets in wherever a machine runs."""


class VirtualCarrier:
    """What has gone over is noted on the disks alone, as with real ones: a daemon that dies finds it again."""

    def __init__(self, host: Host, process: Process, network: Network, receivers: Receivers) -> None:
        """All daemons of a run share `network` and `receivers`."""
        self._host, self._process, self._network, self._receivers = host, process, network, receivers
        self._under_way: tuple[str, Pass, float] | None = None
        receivers.hosts[host.private_ip] = host

    def make_key(self, move_id: str, bound_seconds: float) -> str:
        """Note the move; its name is the key."""
        self._process.check()
        if self._host.run.get(SENT_PATH) == move_id:
            raise ActFailed(ErrorClass.REFUSED, "no_key", "the last pass of this move is over, and its key is gone")
        self._host.run.pop(SENT_PATH, None)
        self._host.run[KEY_PATH] = move_id
        return _key_of(move_id)

    def open_receiver(self, move_id: str, public_key: str, host: str, bound_seconds: float) -> Door:
        """Let the holder of this key in."""
        self._process.check()
        if self._host.run.get(SESSION_PATH) != (move_id, public_key):
            self._host.disk.pop(STAGING_FILE, None)
            self._host.run[SESSION_PATH] = (move_id, public_key)
        self._receivers.by_address[host] = self._host
        return Door(host, PORT, "root", public_key)

    def send(self, order: Order) -> Sent | Sending:
        """Let the time of a pass go by in slices; at its end the file is there. The last one ends with the key."""
        if order.which is Pass.LAST and self._host.run.get(SENT_PATH) == order.move_id:
            return Sent(Counted(1, 1), LAST_PASS_SECONDS, is_whole=True)
        if self._host.run.get(KEY_PATH) != order.move_id:
            raise ActFailed(ErrorClass.REFUSED, "no_key", "there is no key of this move here")
        went = self._go_on(order, lambda: self._require_receiver(order))
        if isinstance(went, Sending):
            return went
        self._deliver(order.which, self._require_receiver(order))
        if order.which is Pass.LAST:
            self._host.run[SENT_PATH] = self._host.run.pop(KEY_PATH)
        return Sent(Counted(1, 1), went, is_whole=True)

    def run_hook(self, order: HookOrder) -> HookRan | Sending:
        """The person's own programs copy the same, without a copy beside it: what the first pass brought is in place at once."""
        went = self._go_on(order, lambda: self._require_host(order))
        if isinstance(went, Sending):
            return went
        receiver, held = self._require_host(order), self._host.disk.get(WRITES_FILE)
        if held is not None:
            receiver.disk[WRITES_FILE] = held
        return HookRan("", went)

    def _go_on(self, order: Order | HookOrder, require: Callable[[], Host]) -> float | Sending:
        """Let a slice of a pass's time go by; return how long it took when it is over. `require` raises where nobody is to send to."""
        pass_seconds = FIRST_PASS_SECONDS if order.which is Pass.FIRST else LAST_PASS_SECONDS
        took_seconds = 0.0
        if self._under_way is not None and self._under_way[:2] == (order.move_id, order.which):
            took_seconds = self._under_way[2]
        if took_seconds >= order.bound_seconds:
            self._under_way = None
            raise ActFailed(ErrorClass.HOOK_TIMED_OUT, "pass_bound", f"killed at its bound of {order.bound_seconds:g} s")
        if took_seconds < pass_seconds:
            require()
            self._process.sleep(LOOK_SECONDS)
            self._under_way = (order.move_id, order.which, took_seconds + LOOK_SECONDS)
            return Sending(Counted(0))
        self._under_way = None
        return took_seconds

    def close(self, move_id: str | None = None) -> None:
        """Forget a move, or whichever there is."""
        self._process.check()
        session = self._host.run.get(SESSION_PATH)
        if move_id is None or (isinstance(session, tuple) and session[0] == move_id):
            self._host.run.pop(SESSION_PATH, None)
            self._host.disk.pop(STAGING_FILE, None)
        if move_id is None or move_id in {self._host.run.get(KEY_PATH), self._host.run.get(SENT_PATH)}:
            self._host.run.pop(KEY_PATH, None)
            self._host.run.pop(SENT_PATH, None)
            self._under_way = None

    def before_serving(self) -> None:
        """Close; a commit is never cut short here."""
        self.close()

    def settle(self) -> None:
        """A receiver whose daemon was started again listens again."""
        if SESSION_PATH in self._host.run:
            self._receivers.by_address[self._host.private_ip] = self._host

    def problems(self, carry: str) -> list[str]:
        """Every simulated instance has what it takes."""
        return []

    def _require_receiver(self, order: Order) -> Host:
        receiver = self._receivers.by_address.get(order.door.host)
        if receiver is None or not self._reaches(receiver):
            raise ActFailed(ErrorClass.UNREACHABLE, "rsync_255", f"no route to {order.door.host}")
        if receiver.run.get(SESSION_PATH) != (order.move_id, _key_of(order.move_id)):
            raise ActFailed(ErrorClass.UNREACHABLE, "rsync_255", "permission denied (publickey)")
        return receiver

    def _require_host(self, order: HookOrder) -> Host:
        receiver = self._receivers.hosts.get(order.host)
        if receiver is None or not self._reaches(receiver):
            raise ActFailed(ErrorClass.HOOK_FAILED, "exit_255", f"no route to {order.host}")
        return receiver

    def _reaches(self, receiver: Host) -> bool:
        self._process.check()
        return receiver.machine.state is State.RUNNING and not self._network.is_cut(self._host.instance_id, receiver.instance_id)

    def _deliver(self, which: Pass, receiver: Host) -> None:
        self._process.check()
        held = self._host.disk.get(WRITES_FILE)
        if held is None:
            return
        if which is Pass.FIRST:
            receiver.disk[STAGING_FILE] = held
        else:
            receiver.disk[WRITES_FILE] = held


def _key_of(move_id: str) -> str:
    return f"ssh-ed25519 {move_id.replace('-', '')}"
