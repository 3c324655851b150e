"""One agent in a region, its daemons, and the server's jobs, stepped together on the fake clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import func, insert, select, update

from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.region import Machine, Region
from spot_server.aws.ports import TAG_AGENT_ID, TAG_MANAGED
from spot_server.db.runner import Database, Transaction
from spot_server.db.tables import agent_images, agents, commands, events, instances, switch_steps, switches
from spot_server.errors import ProductError
from spot_server.features.agents.queries import Agent, load_agent
from spot_server.features.autonomy.jobs import keep_plans
from spot_server.features.commands import queries as command_queries
from spot_server.features.commands import service as command_service
from spot_server.features.commands.queries import Command
from spot_server.features.commands.service import CommandOutcome
from spot_server.features.interruptions import service as interruption_service
from spot_server.features.interruptions.jobs import answer_recommendations
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.service import Taken
from spot_server.features.kept.jobs import end_kept_instances
from spot_server.features.pricing.market_queries import store_instance_types
from spot_server.features.pricing.queries import ensure_pools, store_observations
from spot_server.features.pricing.rules import Observation, bucket_of
from spot_server.features.recoveries.jobs import end_standstills, resume_rescues
from spot_server.features.registration.service import Turned
from spot_server.features.replicas import queries as replica_queries
from spot_server.features.replicas import service as replica_service
from spot_server.features.replicas.image_queries import newest_image
from spot_server.features.replicas.image_rules import AgentImage
from spot_server.features.replicas.jobs import coordinate_replicas, sweep_replicas
from spot_server.features.replicas.queries import Replica
from spot_server.features.replicas.service import Progress
from spot_server.features.silences.jobs import SilenceWatch
from spot_server.features.switches import queries as switch_queries
from spot_server.features.switches import rollbacks
from spot_server.features.switches import service as switch_service
from spot_server.features.switches.jobs import sweep_switches
from spot_server.features.switches.promotions import NOTHING_ACCEPTED, Accepted
from spot_server.features.switches.queries import Step, Switch
from spot_server.features.switches.rollbacks import RollbackRequest
from spot_server.features.switches.service import SwitchRequest
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandStatus, InterruptionKind, Mode, PriceSource, ReplicaStatus, StepName, StepStatus, SwitchStatus, WayBack

T = TypeVar("T")


class PowerCut(BaseException):
    """The process or the database died in the middle of a use case: nothing that the product does may hold it."""


ZONES = ("use1-az1", "use1-az2", "use1-az3")
TYPES = ("m5.large", "m5a.large")
STEP_SECONDS = 2.0
CALM_STEP_SECONDS = 8.0
"""The longest step while nothing happens: short against the time after which a daemon that is not heard counts as silent."""
SETTINGS, METRICS = Settings(), Metrics()  # made once: every test has hundreds of steps
ADDRESS = "eipalloc-1"


@dataclass
class Story:
    """What a test of moves tells: `passes` lets the world and the server go on together."""

    database: Database
    clock: FakeClock
    region: Region
    fleet: Fleet
    agent_id: str
    watch: SilenceWatch = field(default_factory=SilenceWatch)
    failures: list[BaseException] = field(default_factory=list)
    """What daemons and jobs were refused, or met when the database failed; they try again in the next round."""

    @classmethod
    def on(cls, database: Database, clock: FakeClock, *, has_image: bool = False, **settings: Any) -> Story:
        """An agent on one spot instance, i-1, in the first zone, with prices in all three."""
        region, fleet = Region(), Fleet.on(database)
        seed = {"carry": "stateless", "traffic_handles": [{"kind": "elastic_ip", "allocation_id": ADDRESS}]}
        subnets = {zone: f"subnet-{zone}" for zone in ZONES}
        agent = fleet.agent(
            settings={**seed, "allowed_instance_types": list(TYPES)},
            launch_specification={"vpc_id": "vpc-1", "subnets": subnets, "security_group_ids": ["sg-1"]},
            image_id="ami-own",
        )
        first = region.add("i-1", instance_type="m5.large", az_id=ZONES[0], mode="spot", is_serving=True)
        first.tags, region.agent_id = {TAG_MANAGED: "true", TAG_AGENT_ID: agent.agent_id}, agent.agent_id
        region.address_of[ADDRESS] = "i-1"
        story = cls(database, clock, region, fleet, agent.agent_id)
        story.see_prices()
        if settings:
            story.set_agent(**settings)
        if has_image:
            story.add_image("ami-good")
        return story

    def set_agent(self, **values: Any) -> None:
        self.fleet.execute(update(agents).where(agents.c.agent_id == self.agent_id).values(**values))

    def add_image(self, image_id: str) -> None:
        now = self.clock.now()
        values = {"agent_id": self.agent_id, "client_id": self.fleet.client_id, "image_id": image_id, "image_name": image_id}
        times = {"started_at": now, "available_at": now}
        self.fleet.execute(insert(agent_images).values(**values, **times, snapshot_ids=[], has_booted=True))

    def see_prices(self) -> None:
        """Prices of every pool, seen just now."""
        markets = [("us-east-1", zone, kind, "Linux/UNIX") for zone in ZONES for kind in TYPES]
        now = self.clock.now()

        def store(tx: Any) -> None:
            pools = ensure_pools(tx, markets)
            prices = {market: Decimal("0.03") + Decimal(index) / 1000 for index, market in enumerate(markets)}
            seen = [Observation(pools[market], bucket_of(now), PriceSource.PRIMARY, prices[market], 1, now, now) for market in markets]
            store_observations(tx, seen)
            shape = {"vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}
            store_instance_types(tx, [{"instance_type": kind, **shape} for kind in TYPES])

        self.database.write(store)

    # What people and daemons ask for.

    def switch(self, request_id: str = "request-1", *, accepts_differences: bool = False, **target: Any) -> Switch:
        request = SwitchRequest(request_id=request_id, target=target, user_id="tester", accepts_differences=accepts_differences)
        return self._write(lambda tx: switch_service.request_switch(tx, self.fleet.client_id, self.agent_id, request))

    def cancel(self, switch: Switch) -> Switch:
        return self._write(lambda tx: switch_service.cancel(tx, self.fleet.client_id, self.agent_id, switch.switch_id, user_id="tester"))

    def roll_back(
        self,
        switch: Switch,
        request_id: str = "rollback-1",
        *,
        to: WayBack = WayBack.OLD_INSTANCE,
        accepts: Accepted = NOTHING_ACCEPTED,
    ) -> Switch:
        request = RollbackRequest(request_id, to, accepts, "tester")
        act = partial(rollbacks.request_rollback, request=request)
        return self._write(lambda tx: act(tx, self.fleet.client_id, self.agent_id, switch.switch_id))

    def promote(self, replica_id: str, request_id: str = "promotion-1", *, accepts: Accepted = NOTHING_ACCEPTED) -> Switch:
        act = partial(switch_service.request_promotion, request_id=request_id, user_id="tester", accepts=accepts)
        return self._write(lambda tx: act(tx, self.fleet.client_id, self.agent_id, replica_id))

    def notice(
        self,
        instance_id: str = "i-1",
        kind: InterruptionKind = InterruptionKind.TERMINATE,
        *,
        lead_seconds: float | None = 120.0,
        notice_id: str | None = None,
    ) -> Taken:
        """EC2 announces the end of an instance, and its daemon reports it."""
        now = self.clock.now()
        action_at = None if lead_seconds is None or kind is InterruptionKind.REBALANCE else now + timedelta(seconds=lead_seconds)
        if action_at is not None:
            self.region.take_away(instance_id, action_at, kind.value)
        report = Report(notice_id or f"notice-{instance_id}-{kind}", instance_id, kind, action_at, now)
        return self._write(lambda tx: interruption_service.take_report(tx, self.agent_id, report))

    # Time.

    def passes(self, seconds: float, *, until: Callable[[], bool] | None = None, step_seconds: float | None = None) -> None:
        """Let that much time pass, in steps; stop as soon as `until` holds.

        Without a wish for `step_seconds` a step after one in which nothing happened is twice as long.
        """
        end = self.clock.now() + timedelta(seconds=seconds)
        taken_seconds, seen = step_seconds or STEP_SECONDS, None
        while (left_seconds := (end - self.clock.now()).total_seconds()) > 0:
            if until is not None and until():
                return
            if step_seconds is None:
                before, seen = seen, self._what_has_happened()
                taken_seconds = min(2 * taken_seconds, CALM_STEP_SECONDS) if seen == before else STEP_SECONDS
                taken_seconds = min(taken_seconds, max(left_seconds, STEP_SECONDS))
            self.clock.advance(taken_seconds)
            self.step()

    def _what_has_happened(self) -> object:
        """Return a value that is another after anything but heartbeats and time."""
        event_count = select(func.count()).select_from(events)
        machines = [(machine.instance_id, machine.is_heard, machine.is_serving) for machine in self.region.machines.values()]
        return self.fleet.scalars(event_count), machines, len(self.failures)

    def gets_ready(self) -> Replica:
        """Let time pass until a replica is ready, and return it."""
        self.passes(120, until=lambda: any(replica.status is ReplicaStatus.READY for replica in self.replicas()))
        return next(replica for replica in self.replicas() if replica.status is ReplicaStatus.READY)

    def settles(self, seconds: float, *, step_seconds: float | None = None) -> None:
        """Let time pass until no move, launch, or termination is under way, and no longer than that."""
        self.passes(seconds, until=lambda: self.database.read(self._is_settled), step_seconds=step_seconds)

    def _is_settled(self, tx: Transaction) -> bool:
        replicas = replica_queries.list_replicas(tx, self.agent_id)
        ready = {replica.replica_id for replica in replicas if replica.status is ReplicaStatus.READY}
        unfinished = {replica_id for _agent_id, replica_id in replica_queries.unfinished_replicas(tx)}
        open_steps = select(switch_steps).where(switch_steps.c.status.in_({StepStatus.PENDING, StepStatus.RUNNING}))
        over = (SwitchStatus.FAILED, SwitchStatus.CANCELLED, SwitchStatus.ROLLED_BACK)
        moving = open_steps.join_from(switch_steps, switches).where(switches.c.status.not_in(over))
        return tx.execute(moving).first() is None and unfinished <= ready

    def step(self) -> None:
        """One round of everything: EC2, every daemon, every job."""
        self.region.pass_time(self.clock.now())
        for machine in list(self.region.machines.values()):
            if machine.is_heard:
                self._daemon(machine)
        self.sweep()
        serving = self.region.serving
        if len(serving) > 1:
            self.region.violations.append(f"{serving} serve at the same time")

    def sweep(self) -> None:
        context = JobContext(self.database, self.clock, SETTINGS, METRICS, structlog.get_logger())
        of_replicas = (sweep_replicas, end_kept_instances, coordinate_replicas, keep_plans)
        for job in (sweep_switches, *of_replicas, end_standstills, resume_rescues, answer_recommendations, self.watch):
            self._attempt(partial(job, context))

    def _daemon(self, machine: Machine) -> None:
        if not machine.is_registered and not self._register(machine):
            return
        where = (instances.c.agent_id == self.agent_id, instances.c.instance_id == machine.instance_id)
        # Straight to the table: heartbeats decide nothing, and every test has hundreds of them.
        said = {"last_heartbeat_at": self.clock.now(), **({} if machine.is_old else {"quiesced": machine.is_quiesced})}
        if machine.acknowledges and not machine.is_old:
            said["acknowledged_config_version"] = (
                select(agents.c.config_version).where(agents.c.agent_id == self.agent_id).scalar_subquery()
            )
        self.fleet.execute(update(instances).where(*where).values(said))
        if machine.nonce is not None and not machine.is_reported_ready and self.region.standbys_pass:
            self._report_ready(machine)
        for command in self.pending(machine.instance_id):
            self.execute(machine, command)

    def _register(self, machine: Machine) -> bool:
        place = {
            "instance_type": machine.instance_type,
            "az_id": machine.az_id,
            "mode": Mode(machine.mode),
            "az_name": f"name-{machine.az_id}",
        }
        fleet = replace(self.fleet, database=self.database)
        act = partial(fleet.try_register, machine.nonce, instance_id=machine.instance_id, image_id="ami-good", **place)
        outcome = self._attempt(act)
        machine.is_registered = outcome is not None and not isinstance(outcome, Turned)
        return machine.is_registered

    def _report_ready(self, machine: Machine) -> None:
        replica = next((one for one in self.replicas() if one.instance_id == machine.instance_id and one.is_live), None)
        if replica is None or replica.status is not ReplicaStatus.SYNCING:
            return
        report = Progress(ReplicaStatus.READY)
        act = partial(replica_service.report_status, told=report)
        done = self._attempt(lambda: self._write(lambda tx: act(tx, self.agent_id, machine.instance_id, replica.replica_id)))
        machine.is_reported_ready = done is not None

    def pending(self, instance_id: str) -> list[Command]:
        """Take this daemon's commands, as it would by polling."""
        taken = self._attempt(lambda: self._write(lambda tx: command_service.take_pending(tx, self.agent_id, instance_id)))
        return taken or []

    def execute(self, machine: Machine, command: Command) -> None:
        """Carry one command out and post the answer; a daemon that is gone by then posts nothing."""
        answer = self.region.answer(machine, command, self.clock.now())
        if answer is not None and machine.is_heard:
            self._attempt(partial(self.post, machine.instance_id, command, answer))

    def post(self, instance_id: str, command: Command, answer: dict[str, Any]) -> CommandStatus:
        """Post an answer as this instance's daemon, whatever becomes of it."""
        outcome = CommandOutcome(request_id=command.request_id, started_at=None, finished_at=None, **answer)
        return self._write(lambda tx: command_service.record_outcome(tx, self.agent_id, instance_id, command.command_id, outcome))

    def _write(self, use_case: Callable[[Transaction], T]) -> T:
        return self.database.write(use_case)

    def _attempt(self, act: Callable[[], T]) -> T | None:
        """What a daemon or a job asks for: a refusal or a failure is noted, and the next round asks again."""
        try:
            return act()
        except (ProductError, ExceptionGroup, PowerCut) as failure:
            self.failures.append(failure)
            return None

    # What the server says.

    @property
    def agent(self) -> Agent:
        return self.database.read(lambda tx: load_agent(tx, self.agent_id))

    @property
    def roles(self) -> dict[str, str]:
        return {instance_id: str(role) for instance_id, role in self.fleet.roles(self.agent).items()}

    def reload(self, switch: Switch) -> Switch:
        return self.database.read(lambda tx: switch_queries.load_switch(tx, switch.switch_id))

    def active(self) -> Switch | None:
        return self.database.read(lambda tx: switch_queries.active_switch(tx, self.agent_id))

    def steps(self, switch: Switch) -> dict[StepName, Step]:
        return {step.name: step for step in self.database.read(lambda tx: switch_queries.list_steps(tx, switch.switch_id))}

    def switches(self) -> list[Switch]:
        """Every switch of the agent, oldest first."""
        page = self.database.read(lambda tx: switch_queries.list_switches(tx, self.fleet.client_id, agent_id=None, before=None, limit=50))
        return list(reversed(page))

    def replicas(self) -> list[Replica]:
        return self.database.read(lambda tx: replica_queries.list_replicas(tx, self.agent_id))

    def commands(self) -> list[Command]:
        """Every command that the agent's daemons were ever given."""
        where = commands.c.agent_id == self.agent_id
        found = self.fleet.scalars(select(commands.c.command_id).where(where).order_by(commands.c.issued_at))
        loaded = [self.database.read(partial(command_queries.load_command, command_id=one)) for one in found]
        return [command for command in loaded if command is not None]

    def newest_image(self) -> AgentImage | None:
        return self.database.read(lambda tx: newest_image(tx, self.agent_id))

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        """What is kept of the commands of this kind."""
        return self.fleet.scalars(select(commands.c.payload).where(commands.c.kind == kind).order_by(commands.c.issued_at))

    def issued(self, kind: str) -> list[str]:
        """The instances whose daemons were ever given a command of this kind."""
        return self.fleet.scalars(select(commands.c.instance_id).where(commands.c.kind == kind).order_by(commands.c.issued_at))
