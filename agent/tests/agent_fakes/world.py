"""A whole daemon on a virtual clock: real code between fakes at the boundary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from agent_fakes.memory import FakeCarrier, FakeCentralApi, FakeDiskJournal, FakeFreezer, FakeGuard, FakeHooks, FakeImds, FakeWorkload
from agent_fakes.memory_ec2 import FakeEc2
from agent_fakes.memory_volumes import FakeMounts
from agent_fakes.virtual import CountingBell, LogLines, VirtualClock, VirtualStop
from spot_agent.bootstrap import Core, Ports, build_core, build_startup, build_workers
from spot_agent.clock import Bell
from spot_agent.imds import CountedImds
from spot_agent.journal_contents import JournalContents
from spot_agent.live import Live
from spot_agent.model import JsonObject, Role
from spot_agent.rules.processor import ProcessorTimes
from spot_agent.settings import Settings, load_settings
from spot_agent.worker import Worker


def settings_for(directory: Path, **environment: str) -> Settings:
    return load_settings(
        {
            "SPOT_SERVER_URL": "http://server.test",
            "LOGICAL_AGENT_ID": "web-1",
            "ENROLMENT_TOKEN": "so_enrol_secret",
            "STATE_DIRECTORY": str(directory / "state"),
            "RUNTIME_DIRECTORY": str(directory / "run"),
            **environment,
        }
    )


class World:
    """One instance `i-own`. `boot` is what a start of the process does; each worker is stepped by name."""

    def __init__(self, directory: Path, contents: JournalContents | None = None, **environment: str) -> None:
        self.settings = settings_for(directory, **environment)
        self.clock = VirtualClock()
        self.stop = VirtualStop(self.clock)
        self.lines = LogLines()
        self.journal = FakeDiskJournal(contents)
        self.guard = FakeGuard()
        self.workload = FakeWorkload(self.guard, self.clock)
        self.hooks = FakeHooks(self.workload)
        self.freezer = FakeFreezer(self.clock)
        self.carrier = FakeCarrier()
        self.mounts = FakeMounts()
        self.imds = FakeImds()
        self.ec2 = FakeEc2()
        self.ec2.add_instance("i-own")
        self.api = FakeCentralApi(self.journal)
        self.bells: list[Bell] = []
        self.statuses: list[JsonObject] = []
        self.processor_times: ProcessorTimes | None = ProcessorTimes(busy_ticks=0, idle_ticks=0)
        self.restart()

    def restart(self) -> None:
        """A new process on the same disk: the journal and the world stay, all else is new."""
        self.live = Live(self.clock)
        self.ports = Ports(
            clock=self.clock,
            stop=self.stop,
            imds=CountedImds(self.imds, self.live),
            ec2_of_region=lambda _region: self.ec2,
            api=self.api,
            urgent_api=self.api,
            hooks=self.hooks,
            freezer=self.freezer,
            carrier=self.carrier,
            mounts=self.mounts,
            guard=self.guard,
            journal=self.journal,
            live=self.live,
            log=self.lines.log,
            new_bell=CountingBell,
            new_lock=threading.RLock,
            save_status=self.statuses.append,
            processor_times=lambda: self.processor_times,
            draw=lambda: 0.0,
        )
        self.core: Core = build_core(self.settings, self.ports)
        self.workers: dict[str, Worker] = {}

    def boot(self) -> float:
        """One step of the start; the workers are there once it succeeded. The seconds until the next try."""
        startup, worker = build_startup(self.core)
        delay_seconds = worker.cycle()
        if startup.identity is not None:
            self.workers = build_workers(self.core, startup.identity)
        return delay_seconds

    def step(self, name: str) -> float:
        """One step of a worker; the seconds until its next."""
        return self.workers[name].cycle()

    def steps(self, name: str, until: Callable[[], bool], at_most: int = 50) -> None:
        """Step, moving the clock between steps as the loop would, until it is so."""
        for _ in range(at_most):
            delay_seconds = self.step(name)
            if until():
                return
            self.clock.advance(delay_seconds)
        raise AssertionError(f"not so after {at_most} steps of {name}")

    def registered(self) -> World:
        """Booted, registered as the first PRIMARY, serving."""
        self.boot()
        self.step("heartbeat")
        assert self.journal.read().token is not None, self.lines.text
        return self

    def execute(self, *commands: JsonObject) -> JsonObject:
        """Deliver commands, step until the last is answered, and return its answer."""
        self.api.commands = list(commands)
        wanted = commands[-1]["request_id"]
        for _ in range(60):
            delay_seconds = self.step("commands")
            slow_seconds = self.step("replica_manager")
            answers = [body for body in self.api.bodies("executed") if body["request_id"] == wanted]
            if answers:
                return answers[-1]
            self.clock.advance(max(0.1, min(delay_seconds, slow_seconds)))
        raise AssertionError(f"{wanted} was not answered: {self.lines.text}")


def journal_of(role: Role, *, epoch: int = 1, quiesced: bool = False, instance_id: str = "i-own") -> JournalContents:
    """What an instance with a life behind it has on its disk."""
    return JournalContents(
        instance_id=instance_id,
        agent_id="agent-1",
        token="so_agent_x",
        logical_agent_id="web-1",
        server_url="http://server.test",
        environment_server_url="http://server.test",
        role=role,
        epoch=epoch,
        quiesced=quiesced,
        config={"config_version": 1, "epoch": epoch, "is_primary": role is Role.PRIMARY},
    )
