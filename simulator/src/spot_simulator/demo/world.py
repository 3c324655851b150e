"""Everything that runs in the demo, put up piece by piece."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from spot_simulator.clock import SystemClock
from spot_simulator.demo.apis import CallRefused, JsonApi, ec2_client
from spot_simulator.demo.compression import compressed_settings
from spot_simulator.demo.processes import Interrupted, Processes
from spot_simulator.hosting.hosts import Bridge

T = TypeVar("T")

REGION = "us-east-1"
HOST = "127.0.0.1"
POLL_SECONDS = 0.1
START_BOUND_SECONDS = 150.0
HOOK = f"{sys.executable} -m spot_simulator.instance_ctl"


@dataclass(frozen=True, slots=True)
class Workload:
    """One of the demo's services."""

    name: str
    carry: str
    instance_type: str
    allowed_instance_types: tuple[str, ...]
    starts_on_spot: bool = False
    daemon_settings: Mapping[str, str] = field(default_factory=dict)
    """Further lines of the daemon's env file."""
    services: Sequence[Mapping[str, Any]] | None = None
    """The enabled services of its image; None: as the installer leaves them."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Further files of its image, by their path on the disk."""
    volumes: Sequence[Mapping[str, Any]] = ()
    """The block device mappings of its first instance."""


WORKLOADS = (
    Workload("web", "stateless", "c5.large", ("c5.large", "c6i.large")),
    Workload("orders", "image_after_quiesce", "m5.large", ("m5.large", "m5a.large", "m6i.large")),
    Workload("reports", "stateless", "t3.large", ("t3.large",)),
)
"""No type of one is a type of another: a loss in a pool warns whoever else is there, and would play a scene of its own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the person who starts the demo chose."""

    state_dir: Path
    database_url: str
    time_scale: float
    seed: int
    prices: Path | None = None
    port: int = 0
    workloads: tuple[Workload, ...] = WORKLOADS
    server_settings: Mapping[str, str] = field(default_factory=dict)
    """The server's environment beyond what the time scale compresses."""
    aws_role_arn: str | None = None
    """The control role that the client gives to the server; None: its daemons act."""
    bridge: Bridge | None = None
    """Between hosts of their own, on which the instances run; None: they share this machine."""

    @property
    def host(self) -> str:
        """Where the region and the server listen: instances must reach them."""
        return str(self.bridge.interface.ip) if self.bridge else HOST


@dataclass(slots=True)
class World:
    """The running demo."""

    settings: Settings
    clock: SystemClock
    processes: Processes
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the demo is to end: everybody who waits gives up with Interrupted."""

    region_url: str = ""
    server_url: str = ""
    client_id: str = ""
    tokens: dict[str, str] = field(default_factory=dict)
    public_ips: dict[str, str] = field(default_factory=dict)
    first_instances: dict[str, str] = field(default_factory=dict)

    @property
    def region(self) -> JsonApi:
        """The region's control API."""
        return JsonApi(self.region_url + "/_region")

    @property
    def server(self) -> JsonApi:
        """The server, as the client."""
        return JsonApi(f"{self.server_url}/api/client/{self.client_id}", self.tokens["client"])

    @property
    def admin(self) -> JsonApi:
        """The server, as the admin."""
        return JsonApi(f"{self.server_url}/api/admin", self.tokens["admin"])

    @property
    def ec2(self) -> Any:  # noqa: ANN401 - boto3 publishes no types
        """The simulated EC2."""
        return ec2_client(self.region_url, REGION)

    def wait_for(self, what: str, look: Callable[[], T | None], *, bound_seconds: float) -> T:
        """Return what `look` returns once it is not None; TimeoutError, naming `what`, when that takes too long."""
        until_seconds = self.clock.monotonic_seconds() + bound_seconds
        while True:
            self.pause(0)
            self.processes.check()
            found = look()
            if found is not None:
                return found
            if self.clock.monotonic_seconds() > until_seconds:
                raise TimeoutError(f"{what}: not within {bound_seconds:g} s")
            self.pause(POLL_SECONDS)

    def pause(self, seconds: float) -> None:
        """Wait; Interrupted when the demo is to end."""
        if self.stop.wait(seconds):
            raise Interrupted

    def put_up(self, say: Callable[[str], None]) -> None:
        """Start the region, the server, the jobs process, the workloads and their probers."""
        if not self.server_url:
            self.prepare_database()
        self._start_region()
        say(f"region   {self.region_url}   EC2 API; control API under /_region")
        self._start_server()
        say(f"server   {self.server_url}   API under /api, description at /api/openapi.json, metrics at /metrics")
        self._make_tokens()
        with ThreadPoolExecutor(max_workers=len(self.settings.workloads)) as pool:
            for launched in [pool.submit(self._launch, workload) for workload in self.settings.workloads]:
                launched.result()
        for workload in self.settings.workloads:
            self._start_prober(workload)

    def _start_region(self) -> None:
        port = free_port(self.settings.host)
        self.region_url = f"http://{self.settings.host}:{port}"
        arguments = [sys.executable, "-m", "spot_simulator.cli", "region"]
        arguments += ["--state-dir", str(self.settings.state_dir / "region"), "--port", str(port), "--region", REGION]
        arguments += ["--time-scale", str(self.settings.time_scale), "--seed", str(self.settings.seed)]
        if (bridge := self.settings.bridge) is not None:
            arguments += ["--bridge", f"{bridge.name}={bridge.interface}"]
        if self.settings.prices is not None:
            arguments += ["--prices", str(self.settings.prices)]
        self.processes.start("region", arguments, {})
        self.wait_for("the region", lambda: _answers(lambda: self.region.get("/state")), bound_seconds=START_BOUND_SECONDS)

    def server_environment(self) -> dict[str, str]:
        """Return the settings of the server's processes."""
        compressed = {
            setting.variable: setting.here for setting in compressed_settings(self.settings.time_scale) if setting.owner == "server"
        }
        return {
            "SPOT_DATABASE_URL": self.settings.database_url,
            "SPOT_BIND_ADDRESS": self.settings.host,
            "SPOT_BIND_PORT": self.server_url.rpartition(":")[2],
            "SPOT_WEB_PROCESSES": "1" if self.settings.database_url.startswith("sqlite") else "2",
            "SPOT_ON_DEMAND_CATALOGUE": str(self.settings.state_dir / "on_demand.csv"),
            "SPOT_WEB_STOP_SECONDS": "3",
            "SPOT_SIMULATED_REGION_URL": self.region_url,
            "SPOT_GAME_DAY_PERIOD_SECONDS": "0.1",
            "AWS_ENDPOINT_URL": self.region_url,
            "AWS_ACCESS_KEY_ID": "server",
            "AWS_SECRET_ACCESS_KEY": "server",
            **compressed,
            **self.settings.server_settings,
        }

    def prepare_database(self) -> None:
        """Bring the database to the present schema; CallRefused, in one line, when it cannot be used."""
        self.server_url = f"http://{self.settings.host}:{self.settings.port or free_port(self.settings.host)}"
        self.settings.state_dir.mkdir(parents=True, exist_ok=True)
        self._spot_server("migrate")

    def _start_server(self) -> None:
        catalogue = [sys.executable, "-m", "spot_simulator.cli", "catalogue", "--region", REGION]
        prices = subprocess.run(catalogue, check=True, capture_output=True).stdout
        (self.settings.state_dir / "on_demand.csv").write_bytes(prices)
        self.start_web()
        self.start_jobs()
        self.wait_for("the server", lambda: _answers(lambda: JsonApi(self.server_url).get("/readyz")), bound_seconds=START_BOUND_SECONDS)

    def start_web(self) -> None:
        """Start the server's web processes."""
        # One that is killed leaves its metrics behind: not in the machine's /tmp.
        metrics = {"PROMETHEUS_MULTIPROC_DIR": str(self.settings.state_dir / "metrics")}
        self.processes.start("web", [*_SPOT_SERVER, "web"], self.server_environment() | metrics)

    def start_jobs(self, name: str = "jobs") -> None:
        """Start a jobs process; a second one, under another name, stands by."""
        self.processes.start(name, [*_SPOT_SERVER, "jobs"], self.server_environment())

    def _spot_server(self, *arguments: str) -> str:
        environment = {**os.environ, **self.server_environment()}
        done = subprocess.run([*_SPOT_SERVER, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last_line = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
            raise CallRefused(last_line.removeprefix("spot-server: "))
        return done.stdout.strip()

    def replay_decision(self, decision_id: str) -> str:
        """Have the server decide once more from what it stored, and return its word; CallRefused when anything of the answer differs."""
        return self._spot_server("replay-decision", decision_id)

    def _make_tokens(self) -> None:
        role = [] if self.settings.aws_role_arn is None else ["--aws-role-arn", self.settings.aws_role_arn]
        # A client of this day's own: the database may have seen others. Its id is in the first line, a role's external id below it.
        self.client_id = self._spot_server("create-client", f"demo-{uuid.uuid4().hex[:8]}", *role).splitlines()[0]
        self.tokens["admin"] = self._spot_server("create-token", "admin", "--label", "demo")
        self.tokens["client"] = self._spot_server("create-token", "client", "--client-id", self.client_id, "--label", "demo")

    def _launch(self, workload: Workload) -> None:
        """Launch a workload's first instance, from an image that a person has prepared, behind an Elastic IP."""
        enrolment = self._spot_server(
            *("create-token", "enrolment", "--client-id", self.client_id, "--pattern", workload.name, "--uses", "1")
        )
        address = self.ec2.allocate_address(Domain="vpc")
        tags = [{"Key": "spot-optimizer:managed", "Value": "true"}, {"Key": "Name", "Value": workload.name}]
        self.ec2.create_tags(Resources=[address["AllocationId"]], Tags=tags)
        env_file = self._env_file(workload, enrolment, address["AllocationId"])
        services = {} if workload.services is None else {"services": list(workload.services)}
        image = self.region.post(
            "/base-image", {"name": f"{workload.name}-base", "env_file": env_file, "files": dict(workload.files), **services}
        )
        launched = self.ec2.run_instances(
            ImageId=image["image_id"],
            InstanceType=workload.instance_type,
            MinCount=1,
            MaxCount=1,
            ClientToken=f"demo-{workload.name}",
            MetadataOptions={"HttpTokens": "required"},
            TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume")],
            **({"BlockDeviceMappings": list(workload.volumes)} if workload.volumes else {}),
            **({"InstanceMarketOptions": {"MarketType": "spot"}} if workload.starts_on_spot else {}),
        )
        instance_id = launched["Instances"][0]["InstanceId"]
        self.wait_for(f"{workload.name} running", lambda: self._is_running(instance_id), bound_seconds=START_BOUND_SECONDS)
        self.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)
        self.public_ips[workload.name] = address["PublicIp"]
        self.first_instances[workload.name] = instance_id

    def _is_running(self, instance_id: str) -> bool | None:
        return True if self.instance(instance_id)["state"] == "running" else None

    def instance(self, instance_id: str) -> dict[str, Any]:
        """Return one instance as the region sees it."""
        found: dict[str, Any] = next(item for item in self.region.get("/state")["instances"] if item["instance_id"] == instance_id)
        return found

    def _env_file(self, workload: Workload, enrolment: str, allocation_id: str) -> str:
        daemon = [s for s in compressed_settings(self.settings.time_scale) if s.owner == "daemon"]
        lines = {
            "SPOT_SERVER_URL": self.server_url,
            "LOGICAL_AGENT_ID": workload.name,
            "ENROLMENT_TOKEN": enrolment,
            "CARRY": workload.carry,
            "ALLOWED_INSTANCE_TYPES": ",".join(workload.allowed_instance_types),
            "ELASTIC_IP_ALLOCATION_ID": allocation_id,
            "START_COMMAND": f"{HOOK} start workload",
            "STOP_COMMAND": f"{HOOK} stop workload",
            "STANDBY_CHECK_COMMAND": f"{HOOK} standby",
            "SERVING_CHECK_COMMAND": f"{HOOK} health",
            **{setting.variable: setting.here for setting in daemon},
            **workload.daemon_settings,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _start_prober(self, workload: Workload) -> None:
        log = self.prober_log(workload.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        target = f"http://{self.public_ips[workload.name]}:8080"
        arguments = [sys.executable, "-m", "spot_simulator.cli", "probe", "--url", target, "--log", str(log)]
        self.processes.start(f"prober-{workload.name}", arguments, {})

    def prober_log(self, name: str) -> Path:
        """Return where the outside prober of a workload writes what it saw."""
        return self.settings.state_dir / "probes" / f"{name}.jsonl"


_SPOT_SERVER = (sys.executable, "-m", "spot_server.cli")


def _answers(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except (CallRefused, OSError):
        return None


def free_port(host: str = HOST) -> int:
    """Return a TCP port of an address of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
