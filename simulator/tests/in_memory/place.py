"""A region in memory for a test: its time stands still until the test lets it pass."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spot_simulator.base_image import START_GUARD
from spot_simulator.machine import Machine
from spot_simulator.memory.host import Host
from spot_simulator.memory.programs import Ended, Program, ProgramsByName
from spot_simulator.memory.region import MemoryRegion, MemorySettings, World
from spot_simulator.virtual.scheduler import Scheduler

START = datetime(2026, 3, 1, tzinfo=UTC)
LONGEST_BOOT_SECONDS = 40.0 + 120.0
LONGEST_IMAGE_SECONDS = 480.0
LONGEST_MOVE_SECONDS = 10.0
AGENT_TAG = "spot-optimizer:logical-agent-id"


class Place:
    """The region, its scheduler, and an EC2 client of a caller named ``test``."""

    def __init__(self, seed: int = 7, programs: Mapping[str, Program] | None = None) -> None:
        self.scheduler = Scheduler(START)
        world = World(self.scheduler, self.scheduler, ProgramsByName(programs or {}), self.wait)
        self.region = MemoryRegion(MemorySettings(seed, price_days=1), world)
        self.ec2 = self.region.ec2_client("test")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.scheduler.run_until(self.scheduler.monotonic_seconds() + seconds)

    def base_image(self, *services: Mapping[str, Any]) -> str:
        """Make an image on which these services are enabled; without any, a workload behind its guard."""
        guarded = {"name": "workload", "argv": ["workload"], "condition_path_exists": START_GUARD}
        name = f"base-{len(self.region.images.by_id)}"
        return self.region.control.base_image(name, services=list(services) or [guarded]).image_id

    def launch(self, image_id: str, agent: str = "web", **more: Any) -> str:
        """Launch an instance of an agent on spot, and return its id."""
        tags = [{"ResourceType": "instance", "Tags": [{"Key": AGENT_TAG, "Value": agent}]}]
        market = {"InstanceMarketOptions": {"MarketType": "spot"}, "InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        answer = self.ec2.run_instances(**{"ImageId": image_id, "TagSpecifications": tags, **market, **more})
        return str(answer["Instances"][0]["InstanceId"])

    def boot(self, image_id: str, agent: str = "web") -> str:
        """Launch an instance and wait until its services were started."""
        instance_id = self.launch(image_id, agent)
        self.wait(LONGEST_BOOT_SECONDS)
        return instance_id

    def host(self, instance_id: str) -> Host:
        """Return an instance as its daemon meets it."""
        return self.region.host(self.machine(instance_id), pid=0)

    def machine(self, instance_id: str) -> Machine:
        """Return what the region knows of an instance."""
        return self.region.machines.by_id[instance_id]

    def serve(self, instance_id: str) -> None:
        """Give an instance its start guard and start its workload, as a daemon does on promotion."""
        host = self.host(instance_id)
        host.run[START_GUARD] = ""
        is_running, line = host.start_service("workload")
        assert is_running, line
        self.wait(host.workload_start_seconds)

    def address(self) -> tuple[str, str]:
        """Allocate an Elastic IP: (allocation id, address)."""
        answer = self.ec2.allocate_address(Domain="vpc")
        return answer["AllocationId"], answer["PublicIp"]

    def move(self, allocation_id: str, instance_id: str) -> None:
        """Order the address to an instance, and wait until its traffic has moved."""
        self.ec2.associate_address(AllocationId=allocation_id, InstanceId=instance_id)
        self.wait(LONGEST_MOVE_SECONDS)


class Recorder:
    """A program that does nothing but remember what was done to it; its runs are kept in ``runs``."""

    def __init__(self) -> None:
        self.runs: list[RecordedRun] = []

    def start(self, host: Host, ended: Ended, *, must_fail: bool) -> "RecordedRun":
        run = RecordedRun(host, ended)
        self.runs.append(run)
        return run


class RecordedRun:
    """Stops on SIGTERM only when the test says so."""

    def __init__(self, host: Host, ended: Ended) -> None:
        self.host, self.ended = host, ended
        self.signals: list[str] = []

    def terminate(self) -> None:
        self.signals.append("term")

    def kill(self) -> None:
        self.signals.append("kill")
