"""The composition root: ports in, workers out. `machine.py` gives the real ports, a simulation its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spot_agent.clock import Bell, Clock, Lock, Stop
from spot_agent.commands.handling import Tools
from spot_agent.delivery import Delivery, DeliveryParts
from spot_agent.discovery import Discoverer
from spot_agent.executor import Executor
from spot_agent.guard import Guard
from spot_agent.handover import Handover, HandoverParts
from spot_agent.journal import Journal
from spot_agent.link import Answers, Link, Reports
from spot_agent.live import Live
from spot_agent.logs import Log
from spot_agent.model import Identity, JsonObject
from spot_agent.observation import Observer
from spot_agent.outcomes import Outcome
from spot_agent.ports import CentralApi, Ec2, Freezer, Hooks, Imds, Mounts, StateCarrier
from spot_agent.progress import ProgressReports
from spot_agent.registration import Registrar, RegistrarParts
from spot_agent.roles import Roles
from spot_agent.rules.config import Effective, effective_settings
from spot_agent.rules.processor import ProcessorTimes
from spot_agent.settings import Settings
from spot_agent.slow_lane import SlowLane
from spot_agent.startup import Startup
from spot_agent.status import status_body
from spot_agent.stillness import Stillness
from spot_agent.succession import Succession, SuccessionParts
from spot_agent.suspension import SuspensionWatch
from spot_agent.wire import cached_config
from spot_agent.worker import Pace, Worker
from spot_agent.workers.cleanup import Cleanup, CleanupParts
from spot_agent.workers.commands import Commands, CommandsParts
from spot_agent.workers.heartbeat import Heartbeat, HeartbeatParts
from spot_agent.workers.notices import Notices, NoticesParts
from spot_agent.workers.pricing import Pricing, PricingParts
from spot_agent.workers.replica_manager import PERIOD_SECONDS, ReplicaManager, ReplicaManagerParts
from spot_agent.workload import Workload, WorkloadParts

NOTICE_BACKOFF_CAP_SECONDS = 10.0
WORKER_NAMES = ("heartbeat", "commands", "notices", "pricing", "replica_manager", "cleanup")


@dataclass(frozen=True, slots=True)
class Ports:
    """The world as the daemon meets it. A simulation gives its own."""

    clock: Clock
    stop: Stop
    imds: Imds
    ec2_of_region: Callable[[str], Ec2]
    api: CentralApi
    urgent_api: CentralApi
    hooks: Hooks
    freezer: Freezer
    carrier: StateCarrier
    mounts: Mounts
    guard: Guard
    journal: Journal
    live: Live
    log: Log
    new_bell: Callable[[], Bell]
    new_lock: Callable[[], Lock]
    save_status: Callable[[JsonObject], None]
    processor_times: Callable[[], ProcessorTimes | None]
    draw: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Core:
    """What both the start and the workers need."""

    settings: Settings
    ports: Ports
    workload: Workload
    roles: Roles
    stillness: Stillness


def build_core(settings: Settings, ports: Ports) -> Core:
    """The workload and the roles."""
    stillness = Stillness(ports.freezer, ports.journal, ports.new_lock(), ports.clock, ports.log, settings.freeze_bound_seconds)
    workload = Workload(
        WorkloadParts(
            journal=ports.journal,
            live=ports.live,
            hooks=ports.hooks,
            guard=ports.guard,
            mounts=ports.mounts,
            clock=ports.clock,
            stop=ports.stop,
            log=ports.log,
            lock=ports.new_lock(),
            stillness=stillness,
        )
    )
    return Core(settings, ports, workload, Roles(ports.journal, workload, ports.log, settings.hook_bound_seconds), stillness)


def build_startup(core: Core) -> tuple[Startup, Worker]:
    """What runs, on the main thread, until the instance knows who it is."""
    ports = core.ports
    startup = Startup(ports.imds, ports.journal, core.workload, core.stillness, ports.log, core.settings.hook_bound_seconds)
    pace = Pace(lambda: 0.0, backoff_base_seconds=0.5, backoff_cap_seconds=10.0)
    worker = Worker("startup", startup.step, pace, ports.clock, ports.new_bell(), ports.log, ports.draw)
    return startup, worker


def build_workers(core: Core, identity: Identity) -> dict[str, Worker]:
    """The six workers by name."""
    return _Assembly(core, identity).workers()


class _Assembly:
    """The six workers and what they share."""

    def __init__(self, core: Core, identity: Identity) -> None:
        self._core, self._identity, ports = core, identity, core.ports
        self._bells = {name: ports.new_bell() for name in WORKER_NAMES}
        self._ec2 = ports.ec2_of_region(identity.region)
        self._link = Link(ports.journal, ports.live, self._bells["heartbeat"], ports.log)
        self._answers = Answers(ports.api, ports.journal, self._link, ports.log)
        self._reports = Reports(self._link, ports.log)
        self._discoverer = Discoverer(identity, ports.imds, self._ec2, ports.live, ports.log)
        self._slow_lane = SlowLane(ports.clock, self._bells["replica_manager"])
        self._executor = Executor(ports.journal, self._tools(), ports.clock, ports.log)
        self._delivery = self._new_delivery()

    def workers(self) -> dict[str, Worker]:
        settings = self._core.settings
        steps: dict[str, tuple[Callable[[], Outcome], Pace]] = {
            "heartbeat": (self._heartbeat().step, Pace(lambda: self._effective().heartbeat_interval_seconds)),
            "commands": (
                self._commands().step,
                Pace(lambda: self._effective().pending_commands_check_interval_seconds, backoff_cap_seconds=15.0),
            ),
            "notices": (
                self._notices().step,
                Pace(
                    lambda: settings.notice_poll_interval_seconds,
                    backoff_base_seconds=settings.notice_poll_interval_seconds,
                    backoff_cap_seconds=NOTICE_BACKOFF_CAP_SECONDS,
                ),
            ),
            "pricing": (self._pricing().step, Pace(lambda: self._effective().pricing_report_interval_seconds)),
            "replica_manager": (self._replica_manager().step, Pace(lambda: PERIOD_SECONDS)),
            "cleanup": (
                self._cleanup().step,
                Pace(lambda: settings.cleanup_interval_seconds, backoff_cap_seconds=600.0),
            ),
        }
        return {name: self._worker(name, *steps[name]) for name in WORKER_NAMES}

    def _worker(self, name: str, step: Callable[[], Outcome], pace: Pace) -> Worker:
        ports = self._core.ports
        return Worker(name, step, pace, ports.clock, self._bells[name], ports.log, ports.draw)

    def _effective(self) -> Effective:
        return effective_settings(self._core.settings, cached_config(self._core.ports.journal.read().config))

    def _tools(self) -> Tools:
        ports = self._core.ports
        return Tools(
            identity=self._identity,
            ec2=self._ec2,
            hooks=ports.hooks,
            roles=self._core.roles,
            carrier=ports.carrier,
            mounts=ports.mounts,
            carry=lambda: self._effective().carry,
            tell_progress=ProgressReports(ports.api, ports.clock, ports.log).tell,
            journal=ports.journal,
            stillness=self._core.stillness,
            clock=ports.clock,
            stop=ports.stop,
            hook_bound_seconds=self._core.settings.hook_bound_seconds,
        )

    def _new_delivery(self) -> Delivery:
        ports = self._core.ports
        return Delivery(
            DeliveryParts(
                identity=self._identity,
                urgent_api=ports.urgent_api,
                api=ports.api,
                journal=ports.journal,
                link=self._link,
                reports=self._reports,
                commands_bell=self._bells["commands"],
                heartbeat_bell=self._bells["heartbeat"],
                clock=ports.clock,
                stop=ports.stop,
                log=ports.log,
            )
        )

    def _registrar(self) -> Registrar:
        ports = self._core.ports
        return Registrar(
            RegistrarParts(
                identity=self._identity,
                settings=self._core.settings,
                imds=ports.imds,
                api=ports.api,
                journal=ports.journal,
                live=ports.live,
                roles=self._core.roles,
                workload=self._core.workload,
                discoverer=self._discoverer,
                waiting_bells=(self._bells["replica_manager"], self._bells["commands"]),
                clock=ports.clock,
                log=ports.log,
                draw=ports.draw,
            )
        )

    def _heartbeat(self) -> Heartbeat:
        ports, settings = self._core.ports, self._core.settings
        return Heartbeat(
            HeartbeatParts(
                identity=self._identity,
                settings=settings,
                api=ports.api,
                journal=ports.journal,
                live=ports.live,
                link=self._link,
                roles=self._core.roles,
                workload=self._core.workload,
                registrar=self._registrar(),
                delivery=self._delivery,
                commands_bell=self._bells["commands"],
                clock=ports.clock,
                log=ports.log,
                processor_times=ports.processor_times,
                write_status=lambda: ports.save_status(status_body(ports.live, ports.journal, ports.clock)),
            )
        )

    def _commands(self) -> Commands:
        ports = self._core.ports
        return Commands(
            CommandsParts(
                settings=self._core.settings,
                api=ports.api,
                journal=ports.journal,
                live=ports.live,
                link=self._link,
                answers=self._answers,
                roles=self._core.roles,
                executor=self._executor,
                slow_lane=self._slow_lane,
                clock=ports.clock,
                stop=ports.stop,
                log=ports.log,
            )
        )

    def _notices(self) -> Notices:
        ports = self._core.ports
        return Notices(
            NoticesParts(
                identity=self._identity,
                settings=self._core.settings,
                imds=ports.imds,
                journal=ports.journal,
                live=ports.live,
                link=self._link,
                delivery=self._delivery,
                handover=self._handover(),
                suspension=SuspensionWatch(ports.clock, self._core.roles, self._bells["heartbeat"], ports.log),
                clock=ports.clock,
                log=ports.log,
            )
        )

    def _handover(self) -> Handover:
        ports = self._core.ports
        return Handover(
            HandoverParts(
                identity=self._identity,
                urgent_api=ports.urgent_api,
                ec2=self._ec2,
                journal=ports.journal,
                workload=self._core.workload,
                clock=ports.clock,
                log=ports.log,
                hook_bound_seconds=self._core.settings.hook_bound_seconds,
            )
        )

    def _succession(self) -> Succession:
        ports = self._core.ports
        return Succession(
            SuccessionParts(
                identity=self._identity,
                api=ports.api,
                ec2=self._ec2,
                hooks=ports.hooks,
                carrier=ports.carrier,
                journal=ports.journal,
                live=ports.live,
                link=self._link,
                roles=self._core.roles,
                clock=ports.clock,
                log=ports.log,
                hook_bound_seconds=self._core.settings.hook_bound_seconds,
            )
        )

    def _pricing(self) -> Pricing:
        ports = self._core.ports
        return Pricing(
            PricingParts(
                identity=self._identity,
                settings=self._core.settings,
                api=ports.api,
                ec2=self._ec2,
                journal=ports.journal,
                live=ports.live,
                link=self._link,
                clock=ports.clock,
                log=ports.log,
            )
        )

    def _replica_manager(self) -> ReplicaManager:
        ports = self._core.ports
        return ReplicaManager(
            ReplicaManagerParts(
                identity=self._identity,
                settings=self._core.settings,
                api=ports.api,
                hooks=ports.hooks,
                carrier=ports.carrier,
                carry=lambda: self._effective().carry,
                journal=ports.journal,
                link=self._link,
                answers=self._answers,
                roles=self._core.roles,
                stillness=self._core.stillness,
                executor=self._executor,
                slow_lane=self._slow_lane,
                succession=self._succession(),
                observer=Observer(self._ec2, self._discoverer, ports.live, ports.clock, ports.log),
                clock=ports.clock,
                log=ports.log,
                draw=ports.draw,
            )
        )

    def _cleanup(self) -> Cleanup:
        ports = self._core.ports
        return Cleanup(
            CleanupParts(
                identity=self._identity,
                settings=self._core.settings,
                api=ports.api,
                ec2=self._ec2,
                journal=ports.journal,
                link=self._link,
                reports=self._reports,
                clock=ports.clock,
            )
        )
