"""The daemon's ports on a simulated instance. Every one asks first whether its process still lives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spot_agent.errors import HttpFailed, JournalUnwritable
from spot_agent.http_client import HttpAnswer, Timeouts
from spot_agent.journal import MemoryJournal
from spot_agent.journal_contents import JournalContents
from spot_agent.ports import Absent, Found, HookName, HookResult, Reading, Thawed, Unknown
from spot_simulator.memory import metadata
from spot_simulator.memory.host import Host
from spot_simulator.virtual.handles import OwnSwitches
from spot_simulator.virtual.network import Network, Request, Unanswered
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.web_host import SERVER

JOURNAL_PATH = "var/lib/spot-agent/journal.json"
GUARD_PATH = "spot-optimizer/serve"
WORKLOAD = "workload"
HOOK_SECONDS = 0.05
"""What a hook costs that only asks something. Source: the demo's daemon logs."""


class DiskJournal(MemoryJournal):
    """Saved on the instance's disk, as an immutable value. `blow` may kill the process before or after a save, or refuse it."""

    def __init__(
        self, host: Host, process: Process, blow: Callable[[str], str | None], on_saved: Callable[[JournalContents], None]
    ) -> None:
        found = host.disk.get(JOURNAL_PATH)
        super().__init__(found if isinstance(found, JournalContents) else None)
        self._host, self._process, self._blow, self._on_saved = host, process, blow, on_saved

    def _save(self, contents: JournalContents) -> None:
        self._process.check()
        blow = self._blow(self._process.name)
        if blow == "die_before":
            self._process.kill()
        if blow == "refuse":
            raise JournalUnwritable("No space left on device")
        self._host.disk[JOURNAL_PATH] = contents
        if blow == "die_after":
            self._process.kill()
        self._on_saved(contents)


class RunGuard:
    """The start guard, a file in the instance's /run."""

    def __init__(self, host: Host, process: Process) -> None:
        self._host, self._process = host, process

    def grant(self) -> None:
        """Write the file."""
        self._process.check()
        self._host.run[GUARD_PATH] = ""

    def revoke(self) -> None:
        """Remove the file."""
        self._process.check()
        self._host.run.pop(GUARD_PATH, None)

    def is_granted(self) -> bool:
        """Look for the file."""
        return GUARD_PATH in self._host.run


class HostImds:
    """The metadata service; an answer that hangs costs the client's patience."""

    def __init__(self, host: Host, process: Process) -> None:
        self._host, self._process = host, process

    def read(self, path: str) -> Reading:
        """Read one path."""
        reading, waited_seconds = self._host.read_metadata(path)
        if waited_seconds > 0:
            self._process.sleep(waited_seconds)
        match reading:
            case metadata.Found(text):
                return Found(text)
            case metadata.Absent():
                return Absent()
            case metadata.Unknown(reason):
                return Unknown(reason)


class InitHooks:
    """The hooks of the demo's instances: init starts and stops the workload, its health page is the check; a switch leads clients."""

    def __init__(self, host: Host, process: Process, switches: OwnSwitches) -> None:
        self._host, self._process, self._switches = host, process, switches

    def run(self, name: HookName, bound_seconds: float, variables: Mapping[str, str] | None = None) -> HookResult | None:
        """Run a hook; one that takes longer than `bound_seconds` is killed at its bound."""
        self._process.sleep(min(HOOK_SECONDS, bound_seconds))
        if name is HookName.START:
            is_up, line = self._host.start_service(WORKLOAD)
            return HookResult(0 if is_up else 1, line)
        if name is HookName.STOP:
            return self._stop(bound_seconds)
        if name is HookName.STANDBY_CHECK:
            is_accepting = self._host.is_accepting()
            return HookResult(int(is_accepting), "standby: the workload serves here" if is_accepting else "standby: ready, and not serving")
        if name is HookName.TRAFFIC:
            return self._lead(variables or {})
        return self._health()

    def _lead(self, variables: Mapping[str, str]) -> HookResult:
        name, instance_id = variables["SPOT_HANDLE"], variables["SPOT_INSTANCE_ID"]
        act = self._switches.take if variables["SPOT_HANDLE_ACT"] == "take" else self._switches.leads_to
        is_so = act(name, instance_id)
        return HookResult(int(not is_so), f"{name}: {'leads' if is_so else 'does not lead'} to {instance_id}")

    def _stop(self, bound_seconds: float) -> HookResult:
        took_seconds = self._host.stop_service(WORKLOAD)
        if took_seconds > bound_seconds:
            self._process.sleep(bound_seconds)
            return HookResult(None, "")
        self._process.sleep(took_seconds)
        return HookResult(0, "workload: stopped")

    def _health(self) -> HookResult:
        if self._host.is_accepting():
            return HookResult(0, "workload: serving")
        is_final = not self._host.is_service_running(WORKLOAD)
        return HookResult(3 if is_final else 1, "workload: not serving")


class NoFreezer:
    """Nobody set a freeze on the demo's instances."""

    def is_set(self) -> bool:
        """No."""
        return False

    def freeze(self, bound_seconds: float) -> HookResult:
        """Nothing to hold still."""
        raise AssertionError(f"nobody asks for a freeze of {bound_seconds} s that is not set")

    def thaw(self) -> Thawed | None:
        """Nothing is frozen."""
        return None

    def thaw_again(self) -> HookResult:
        """Nothing is frozen."""
        return HookResult(0, "")


class NetworkHttp:
    """The way to the server through the pretend network, in place of the daemon's HTTP client."""

    def __init__(self, host: Host, process: Process, network: Network) -> None:
        self._name, self._process, self._network = host.instance_id, process, network

    def send(self, method: str, url: str, headers: Mapping[str, str], timeouts: Timeouts, body: bytes | None = None) -> HttpAnswer:
        """Send, and wait for the answer at most `read_seconds`."""
        target = "/" + url.split("/", 3)[3]
        request = Request(method, target, headers["Authorization"].removeprefix("Bearer "), body)
        try:
            response = self._network.call(self._process, self._name, SERVER, request, timeouts.read_seconds)
        except Unanswered as error:
            raise HttpFailed(str(error)) from error
        sent_back = {} if response.retry_after is None else {"Retry-After": response.retry_after}
        return HttpAnswer(response.status, response.body, sent_back)
