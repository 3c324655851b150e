"""The carries `rsync` and `hook` on this machine: a sender while it is the primary, a receiver while it is a replica."""

from __future__ import annotations

from collections.abc import Mapping

from spot_agent.carrying import mounts, programs
from spot_agent.carrying.hook_passes import HookPasses
from spot_agent.carrying.passes import HookOrder, HookRan, Order, Sending, Sent
from spot_agent.carrying.receiver import Receiver
from spot_agent.carrying.receiver_session import read_session
from spot_agent.carrying.sender import Sender
from spot_agent.clock import Clock, Stop
from spot_agent.rules.rsync import Door, Pass
from spot_agent.settings import CARRY_HOOK, CARRY_RSYNC, CARRY_VOLUME, Settings


class MachineCarrier:
    """All that it leaves on the disk lies in /run, but for the copy itself and the note of its commit."""

    def __init__(self, settings: Settings, environment: Mapping[str, str], clock: Clock, stop: Stop) -> None:
        commands = {Pass.FIRST: settings.sync_first_command, Pass.LAST: settings.sync_last_command}
        self._hooks = HookPasses(commands, environment, settings.runtime_directory / "sync_hook", clock, stop)
        self._port = settings.sync_port
        self._paths = settings.sync_paths
        self._incoming_folder = settings.runtime_directory / "incoming"
        self._receiver = Receiver(settings.sync_paths, settings.state_directory, self._incoming_folder, clock, stop)
        self._outgoing_folder = settings.runtime_directory / "outgoing"
        self._sender = Sender(settings.sync_paths, self._outgoing_folder, clock, stop)

    def make_key(self, move_id: str, bound_seconds: float) -> str:
        """Return the public half of a key for one move."""
        return self._sender.make_key(move_id, bound_seconds)

    def send(self, order: Order) -> Sent | Sending:
        """Begin a pass, or look how far it is."""
        return self._sender.send(order)

    def run_hook(self, order: HookOrder) -> HookRan | Sending:
        """Begin a hook's pass, or look how far it is."""
        return self._hooks.run(order)

    def open_receiver(self, move_id: str, public_key: str, host: str, bound_seconds: float) -> Door:
        """Let the holder of this key in."""
        return self._receiver.open(move_id, public_key, (host, self._port), bound_seconds)

    def close(self, move_id: str | None = None) -> None:
        """Forget a move, or whichever there is: what was committed is in place, everything else does not count."""
        self._hooks.kill()
        session = read_session(self._incoming_folder)
        if self._incoming_folder.exists() and (move_id is None or session is None or session.move_id == move_id):
            self._receiver.close()
        if self._outgoing_folder.exists() and (move_id is None or self._sender.move_id() in (None, move_id)):
            self._sender.close()

    def before_serving(self) -> None:
        """Nothing comes in or goes out once the workload runs; a commit that was cut short is finished first."""
        self.close()
        if self._paths:
            self._receiver.finish_commit()

    def settle(self) -> None:
        """Make the world fit the notes: called every few seconds."""
        self._receiver.settle()
        self._sender.settle()

    def problems(self, carry: str) -> list[str]:
        """Say what is missing here for this carry; empty when nothing is."""
        if carry == CARRY_HOOK:
            return self._hooks.problems()
        if carry == CARRY_VOLUME:
            return mounts.missing_programs()
        if carry != CARRY_RSYNC:
            return []
        missing = [f"{name} is not installed" for name in programs.missing_programs()]
        unset = [] if self._paths else ["SYNC_PATHS is not set"]
        return [*missing, *unset, *self._receiver.problems()]
