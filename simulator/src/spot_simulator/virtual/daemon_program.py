"""The daemon as a program of a simulated instance: its own workers, each in a task instead of a thread."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from spot_agent.bootstrap import Core, Ports, build_core, build_startup, build_workers
from spot_agent.central_api import HttpCentralApi, credentials_in
from spot_agent.daemon import is_released
from spot_agent.ec2 import BotocoreEc2
from spot_agent.imds import CountedImds
from spot_agent.journal_contents import JournalContents
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.machine import URGENT_TIMEOUTS
from spot_agent.model import Identity
from spot_agent.settings import Settings, load_settings
from spot_agent.worker import Worker
from spot_simulator.memory.host import Host
from spot_simulator.memory.programs import Ended
from spot_simulator.memory.services import SERVICES
from spot_simulator.virtual.carrier import Receivers, VirtualCarrier
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.daemon_ports import DiskJournal, HostImds, InitHooks, NetworkHttp, NoFreezer, RunGuard
from spot_simulator.virtual.handles import OwnSwitches
from spot_simulator.virtual.mounts import VirtualMounts
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.quiet import Quiet
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.slow_ec2 import SlowEc2Client
from spot_simulator.virtual.waiting import VirtualBell, VirtualLock, VirtualStop

START_SECONDS = 1.0
"""From the start of the process to its first act. Source: the demo's daemon logs."""

ENVIRONMENT_PATH = "etc/spot-agent.env"
DAEMON = "spot-agent"
KILLED = -9


@dataclass(frozen=True, slots=True)
class DaemonWorld:
    """What all daemons of a run share. `blow` is asked at each journal write what befalls it."""

    network: Network
    seed: object
    blow: Callable[[str], str | None]
    skew_seconds_of: Callable[[str], float]
    switches: OwnSwitches
    """What the hooks of traffic handles work."""

    receivers: Receivers = field(default_factory=Receivers)
    """Who has opened a receiver for the rsync carry."""

    quiet: Quiet | None = None
    """What leaves out quiet heartbeats and polls; None: nothing is left out."""


class DaemonProgram:
    """What init starts as the service `spot-agent`."""

    def __init__(self, scheduler: Scheduler, world: DaemonWorld) -> None:
        """All daemons of a run share `world`."""
        self._scheduler, self._world = scheduler, world

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> RunningDaemon:
        """Begin; `must_fail` is for workloads only."""
        del must_fail
        return RunningDaemon(host, self._scheduler, self._world, ended)


class RunningDaemon:
    """One run of the daemon: from its start to its death."""

    def __init__(self, host: Host, scheduler: Scheduler, world: DaemonWorld, ended: Ended) -> None:
        """Begins at once."""
        self.process = Process(scheduler, f"{DAEMON}/{host.instance_id}", on_end=self._on_end)
        self._host, self._world, self._ended = host, world, ended
        self._is_killed_by_init = False
        self._is_done = False
        self._stop = VirtualStop(self.process)
        self.process.spawn(self._run, is_main=True)

    def terminate(self) -> None:
        """Ask it to stop, as SIGTERM does."""
        self._stop.set()

    def kill(self) -> None:
        """End it, as SIGKILL does; init has noted that already."""
        self._is_killed_by_init = True
        self.process.kill()

    def _on_end(self) -> None:
        if not self._is_killed_by_init:
            self._ended(0 if self._is_done else KILLED)

    def _run(self) -> None:
        self.process.sleep(START_SECONDS)
        environment = self._host.disk.get(ENVIRONMENT_PATH)
        settings = _settings_of(environment if isinstance(environment, str) else "")
        core = build_core(settings, self._ports(settings))
        identity = self._find_identity(core)
        if identity is None:
            self._is_done = True
            return
        if not core.ports.journal.read().released:
            self._work(core, identity)
        if core.ports.journal.read().released:
            core.ports.journal.change(lambda now: replace(now, token=None, config=None, unsent=()))
        self._is_done = True

    def _on_saved(self, contents: JournalContents) -> None:
        """Stop when there is nothing to do any more; the daemon's main thread looks for that every second."""
        if is_released(contents):
            self._stop.set()
        if self._world.quiet is not None:
            self._world.quiet.note_saved(self._host.instance_id)

    def _find_identity(self, core: Core) -> Identity | None:
        startup, worker = build_startup(core)
        while startup.identity is None:
            if self._stop.wait(worker.cycle()):
                return None
        return startup.identity

    def _work(self, core: Core, identity: Identity) -> None:
        workers = build_workers(core, identity)
        for worker in workers.values():
            self.process.spawn(self._loop_of(worker, core.ports))
        self._stop.wait()
        for worker in workers.values():
            worker.bell.close()

    def _loop_of(self, worker: Worker, ports: Ports) -> Callable[[], None]:
        quiet = self._world.quiet
        return worker.run if quiet is None else quiet.loop_of(worker, self.process, self._host, ports)

    def _ports(self, settings: Settings) -> Ports:
        host, process, world = self._host, self.process, self._world
        clock = ProcessClock(process, skew_seconds=world.skew_seconds_of(host.instance_id), booted_at=host.booted_at)
        live = Live(clock)
        journal = DiskJournal(host, process, world.blow, self._on_saved)
        credentials = credentials_in(journal, settings)
        http = NetworkHttp(host, process, world.network)
        clients = {name: SlowEc2Client(host.client(name), process, world.network, host.instance_id) for name in SERVICES}
        ec2 = BotocoreEc2(clients["ec2"], clients["ec2"], clients.__getitem__)  # type: ignore[arg-type]  # shaped as boto3's
        return Ports(
            clock=clock,
            stop=self._stop,
            imds=CountedImds(HostImds(host, process), live),
            ec2_of_region=lambda _region: ec2,
            api=HttpCentralApi(http, credentials),
            urgent_api=HttpCentralApi(http, credentials, URGENT_TIMEOUTS),
            hooks=InitHooks(host, process, world.switches),
            freezer=NoFreezer(),
            carrier=VirtualCarrier(host, process, world.network, world.receivers),
            mounts=VirtualMounts(host, process),
            guard=RunGuard(host, process),
            journal=journal,
            live=live,
            log=Log(),
            new_bell=lambda: VirtualBell(process),
            new_lock=lambda: VirtualLock(process),
            save_status=lambda _body: None,  # a file for people; there are none on a simulated instance
            processor_times=lambda: None,  # a simulated instance has no processors: how busy it is is not known
            draw=random.Random(f"daemon-{world.seed}-{process.name}").random,
        )


_settings_by_text: dict[str, Settings] = {}


def _settings_of(env_file: str) -> Settings:
    """Read the daemon's settings as it does; the same text gives the same settings, which a fleet asks for often."""
    if env_file not in _settings_by_text:
        environment: Mapping[str, str] = dict(line.split("=", 1) for line in env_file.splitlines() if "=" in line)
        _settings_by_text[env_file] = load_settings(environment)
    return _settings_by_text[env_file]
