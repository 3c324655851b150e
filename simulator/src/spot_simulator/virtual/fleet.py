"""Everything that one run is made of: the region, the server's processes, a fleet of agents, and a person."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from spot_server.settings import Settings
from spot_simulator.base_image import DATA_FOLDER
from spot_simulator.memory.programs import Program, ProgramsByName
from spot_simulator.memory.region import MemoryRegion, MemorySettings, World
from spot_simulator.virtual.daemon_program import DAEMON, DaemonProgram, DaemonWorld
from spot_simulator.virtual.database import DatabaseServer
from spot_simulator.virtual.foreign import Foreign
from spot_simulator.virtual.handles import PERSON, Handle, HandleMaker, OwnSwitches
from spot_simulator.virtual.network import Network
from spot_simulator.virtual.operator import Operator
from spot_simulator.virtual.quiet import Quiet
from spot_simulator.virtual.schedule import CARRY_BY_VOLUME, NO_TIGHT_GUARDS, AgentPlan, Guards
from spot_simulator.virtual.scheduler import Scheduler
from spot_simulator.virtual.server_side import ServerSide
from spot_simulator.virtual.table_watch import EC2
from spot_simulator.virtual.ways import Leaves, Ways
from spot_simulator.virtual.web_host import SERVER
from spot_simulator.volumes.mounting import FSTAB_FILE

START = datetime(2026, 1, 5, tzinfo=UTC)
DATA_VOLUMES = [{"device_name": "/dev/sdf", "mount_point": f"/{DATA_FOLDER}", "file_system": "ext4"}]
"""Of an agent with that carry: what its workload writes is on it."""
FSTAB = f"/dev/sdf /{DATA_FOLDER} ext4 nofail 0 2\n"
"""How the first instance mounts it before the product knows of it."""
INSTANCE_TYPES = ("m5.large", "m5a.large", "m6i.large")
TAG_AGENT = "spot-optimizer:logical-agent-id"
SERVER_SETTINGS: dict[str, Any] = {
    "lease_seconds": 30.0,
    "lease_renew_period_seconds": 15.0,
    "offline_sweep_period_seconds": 60.0,
    "pricing_report_interval_seconds": 1800,
    "decision_period_seconds": 900.0,
}
"""Beside these the defaults hold. They make a run cheaper, and nothing better: jobs change hands later, silence is seen later, and it is
decided less often where agents should run."""
HOOK = "/usr/bin/true"
"""The hooks of a simulated instance are not commands, but the daemon wants to know that they are set."""


@dataclass(frozen=True, slots=True)
class Member:
    """One agent of the fleet, as the world knows it."""

    name: str
    plan: AgentPlan
    first_instance_id: str
    handles: tuple[Handle, ...]

    @property
    def fronts(self) -> list[str]:
        """Where clients ask for its workload, in the order of its handles."""
        found = [handle.find_front() for handle in self.handles]
        return [front for front in found if front is not None]


class Fleet:
    """A world that was put up; nothing has happened yet."""

    def __init__(
        self,
        seed: int,
        plans: tuple[AgentPlan, ...],
        *,
        has_control_role: bool,
        leaves_out: Leaves = Leaves.ALL,
        guards: Guards = NO_TIGHT_GUARDS,
    ) -> None:
        """Put everything up; the clock stands at its start."""
        self.scheduler = Scheduler(START)
        self.has_control_role = has_control_role
        self.network = Network(self.scheduler, seed)
        self.skews: dict[str, float] = {}
        self.journal_blow: Callable[[str], str | None] = lambda _process_name: None
        self.database = DatabaseServer()
        programs: dict[str, Program] = {}
        self.region = MemoryRegion(MemorySettings(seed, price_days=1), World(self.scheduler, self.scheduler, ProgramsByName(programs)))
        self.network.on_cut = lambda: self.database.watch.touch(EC2)
        self.region.log.listeners.append(self.network.on_cut)
        self.quiet = Quiet(self.database, self._is_calm) if leaves_out is not Leaves.NOTHING else None
        self.switches = OwnSwitches(self.region)
        daemons = DaemonWorld(
            switches=self.switches,
            network=self.network,
            seed=seed,
            blow=lambda name: self.journal_blow(name),  # noqa: PLW0108 - it is replaced while the run goes on
            skew_seconds_of=lambda instance_id: self.skews.get(instance_id, 0.0),
            quiet=self.quiet,
        )
        programs[DAEMON] = DaemonProgram(self.scheduler, daemons)
        ways = Ways(seed, leaves_out_looks=leaves_out is Leaves.ALL)
        settings = Settings(database_url="sqlite://", **SERVER_SETTINGS, **guards.settings())
        self.server = ServerSide(self.scheduler, self.network, self.region, self.database, settings, ways)
        self.client_id, token = self.server.make_client(has_control_role=has_control_role)
        self.operator = Operator(self.scheduler, self.network, self.client_id, token)
        self._random = random.Random(f"fleet-{seed}")
        self._handles = HandleMaker(self.region, self.switches)
        self.members = tuple(self._launch(f"agent-{number}", plan) for number, plan in enumerate(plans))
        self.foreign = Foreign(self.region, self.members[0].name)

    def agent_id(self, member: Member) -> str:
        """Return the server's id of an agent; called by acts of the operator. LookupError before it has registered."""
        for agent in self.operator.get("/agents")["items"]:
            if agent["logical_agent_id"] == member.name:
                return str(agent["agent_id"])
        raise LookupError(member.name)

    def close(self) -> None:
        """Let the next fleet be put up."""
        self.database.close()

    def _is_calm(self, instance_id: str) -> bool:
        """Tell whether every request of an instance is certain to arrive and to be answered."""
        is_right = not self.skews.get(instance_id) and not self.server.skew_seconds
        return is_right and self.server.is_whole and self.network.is_fair_between(instance_id, SERVER)

    def _launch(self, name: str, plan: AgentPlan) -> Member:
        """Do what a person does before there is an agent: its handles, an image with daemon and workload, an instance."""
        client = self.region.ec2_client(PERSON)
        tags = [{"Key": "spot-optimizer:managed", "Value": "true"}, {"Key": TAG_AGENT, "Value": name}, {"Key": "Name", "Value": name}]
        subnet_id = self._random.choice(client.describe_subnets()["Subnets"])["SubnetId"]
        handles = tuple(self._handles.make(kind, name, subnet_id) for kind in plan.handles)
        has_volume = plan.carry == CARRY_BY_VOLUME
        env_file, files = self._env_file(name, plan, handles), {FSTAB_FILE: FSTAB} if has_volume else {}
        image = self.region.control.base_image(f"{name}-base", env_file=env_file, files=files)
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if plan.is_on_spot else {}
        launched = client.run_instances(
            ImageId=image.image_id,
            InstanceType=INSTANCE_TYPES[0],
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet_id,
            MetadataOptions={"HttpTokens": "required"},
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            **market,
        )
        member = Member(name, plan, launched["Instances"][0]["InstanceId"], handles)
        if has_volume:
            self._give_volume(member, subnet_id)
        self._lead_when_running(member)
        for front in member.fronts:
            self.region.traffic.probe(front)
        return member

    def _give_volume(self, member: Member, subnet_id: str) -> None:
        """Make the data volume, and attach it as soon as the instance runs: it is there when the instance has booted."""
        client = self.region.ec2_client(PERSON)
        zone = self.region.books.zone_of_subnet(subnet_id)
        tags = [{"Key": "spot-optimizer:managed", "Value": "true"}, {"Key": "Name", "Value": member.name}]
        made = client.create_volume(
            AvailabilityZone=zone, Size=20, VolumeType="gp3", TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
        )
        wanted = {"VolumeId": made["VolumeId"], "InstanceId": member.first_instance_id, "Device": DATA_VOLUMES[0]["device_name"]}

        def attach() -> None:
            volume, machine = self.region.volumes.by_id[made["VolumeId"]], self.region.control.machine(member.first_instance_id)
            if volume.is_creating or machine.state != "running":
                self.scheduler.after(1.0, attach)
            else:
                client.attach_volume(**wanted)

        self.scheduler.after(1.0, attach)

    def _lead_when_running(self, member: Member) -> None:
        """Put the first instance behind the handles; a front that there was not before is probed from then on."""
        if self.region.control.machine(member.first_instance_id).state != "running":
            self.scheduler.after(1.0, lambda: self._lead_when_running(member))
            return
        for handle in member.handles:
            handle.lead(member.first_instance_id)
        self._probe_when_there(member)

    def _probe_when_there(self, member: Member) -> None:
        for front in member.fronts:
            if not self.region.traffic.is_probed(front):
                self.region.traffic.probe(front)
        if len(member.fronts) < len(member.handles):
            self.scheduler.after(1.0, lambda: self._probe_when_there(member))

    def _env_file(self, name: str, plan: AgentPlan, handles: tuple[Handle, ...]) -> str:
        lines = {
            "SPOT_SERVER_URL": "http://server",
            "LOGICAL_AGENT_ID": name,
            "ENROLMENT_TOKEN": self.server.make_enrolment(self.client_id, name),
            "CARRY": plan.carry,
            "AUTO_TERMINATE_OLD_INSTANCE": str(plan.is_auto_terminated).lower(),
            "TERMINATE_WAIT_SECONDS": str(plan.terminate_wait_seconds),
            "PRICING_REPORT_INTERVAL": "1800",
            "ALLOWED_INSTANCE_TYPES": ",".join(INSTANCE_TYPES),
            "TRAFFIC_HANDLES": json.dumps([{"kind": handle.kind.value, **handle.setting} for handle in handles]),
            "DATA_VOLUMES": json.dumps(DATA_VOLUMES if plan.carry == CARRY_BY_VOLUME else []),
            "TRAFFIC_COMMAND": HOOK,
            "START_COMMAND": HOOK,
            "STOP_COMMAND": HOOK,
            "SYNC_FIRST_COMMAND": HOOK,
            "SYNC_LAST_COMMAND": HOOK,
            "STANDBY_CHECK_COMMAND": HOOK,
            "SERVING_CHECK_COMMAND": HOOK,
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())
