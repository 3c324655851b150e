"""The server's processes as an init system runs them: started again a moment after they died."""

from collections.abc import Callable
from dataclasses import replace

from spot_server.db.runner import Database
from spot_server.features.clients.service import NewClient, create_client
from spot_server.features.tokens.rules import TokenRequest
from spot_server.features.tokens.service import grant_token
from spot_server.settings import Settings
from spot_server.words import TokenKind
from spot_simulator.memory.region import MemoryRegion
from spot_simulator.virtual.clocks import ProcessClock
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.gateway import ROLE_ARN, VirtualGateway
from spot_simulator.virtual.jobs_host import JobsHost
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.process import Process
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.table_watch import CLOCKS
from spot_simulator.virtual.ways import Ways
from spot_simulator.virtual.web_host import WebHost

RESTART_SECONDS = 1.0
WEB = ("web-1", "web-2")
JOBS = ("jobs-1", "jobs-2")


class ServerSide:
    """Two web processes, two jobs processes, one database."""

    def __init__(
        self, scheduler: Scheduler, network: Network, region: MemoryRegion, database: DatabaseServer, settings: Settings, ways: Ways
    ) -> None:
        """Start them all."""
        self._scheduler, self._network, self._region = scheduler, network, region
        self.settings, self._ways = settings, ways
        self.database = database
        self.processes: dict[str, Process] = {}
        self.clocks: dict[str, ProcessClock] = {}
        self.deaths = 0
        self.widest_skew_seconds = 0.0
        """How far the wall clock of the server's machine was ever off."""
        self._is_down = False
        self._start_all()

    def kill(self, name: str) -> None:
        """Kill one process, if it is there."""
        process = self.processes.get(name)
        if process is not None:
            process.kill()

    def go_down(self) -> None:
        """Kill every process; nothing starts them before `come_up`. The database stays."""
        self._is_down = True
        for name in (*WEB, *JOBS):
            self.kill(name)

    def come_up(self) -> None:
        """Start every process again, if they are down."""
        if self._is_down:
            self._is_down = False
            self._start_all()

    def set_skew(self, skew_seconds: float) -> None:
        """Let the wall clock of the server's machine be ahead by so much, for those processes that start from now on and those that run."""
        self._ways = replace(self._ways, skew_seconds=skew_seconds)
        self.widest_skew_seconds = max(self.widest_skew_seconds, abs(skew_seconds))
        for clock in self.clocks.values():
            clock.skew_seconds = skew_seconds
        self.database.watch.touch(CLOCKS)

    @property
    def skew_seconds(self) -> float:
        """How far the wall clock of the server's machine is ahead."""
        return self._ways.skew_seconds

    @property
    def is_whole(self) -> bool:
        """Whether both web processes answer and the database is there."""
        return not self.database.is_away and all(self.processes[name].is_alive for name in WEB)

    def make_client(self, *, has_control_role: bool) -> tuple[str, str]:
        """Make the client of the run: (its id, its token)."""
        new = NewClient(name="fleet", aws_role_arn=ROLE_ARN if has_control_role else None)
        client_id = self._command_line().write(lambda tx: create_client(tx, new)).client_id
        return client_id, self._make_token(TokenRequest(TokenKind.CLIENT, "operator", client_id))

    def make_enrolment(self, client_id: str, logical_agent_id: str) -> str:
        """Make a token with which one agent may register once."""
        return self._make_token(TokenRequest(TokenKind.ENROLMENT, logical_agent_id, client_id, logical_agent_id_pattern=logical_agent_id))

    def _make_token(self, request: TokenRequest) -> str:
        return self._command_line().write(lambda tx: grant_token(tx, request, created_by="command line")).token

    def _command_line(self) -> Database:
        clock = ProcessClock(Process(self._scheduler, "command line"))
        return Database(self.database.engine, clock=clock, sleeper=clock)

    def _start_all(self) -> None:
        for name in WEB:
            self._start(name, self._start_web)
        for name in JOBS:
            self._start(name, self._start_jobs)

    def _start(self, name: str, build: Callable[[Process], WebHost | JobsHost]) -> None:
        process = Process(self._scheduler, name, on_end=lambda: self._again(name, build))
        self.processes[name] = process
        self.clocks[name] = build(process).clock

    def _again(self, name: str, build: Callable[[Process], WebHost | JobsHost]) -> None:
        self.deaths += 1
        self._scheduler.after(RESTART_SECONDS, lambda: self._start_again(name, build))

    def _start_again(self, name: str, build: Callable[[Process], WebHost | JobsHost]) -> None:
        if not self._is_down and not self.processes[name].is_alive:
            self._start(name, build)

    def _start_web(self, process: Process) -> WebHost:
        return WebHost(process, self._network, self.database, self.settings, self._ways)

    def _start_jobs(self, process: Process) -> JobsHost:
        gateway = VirtualGateway(self._region, self._network, process)
        return JobsHost(process, self.database, self.settings, gateway, self._ways)
