"""`spot-agent check` on an instance of a whole world: it says what is so, and changes nothing."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spot_simulator.clock import SystemClock
from spot_simulator.demo.day import Day
from spot_simulator.demo.processes import Processes
from spot_simulator.demo.world import Settings, Workload, World

WEB = Workload("web", "stateless", "m5.large", ("m5.large",), starts_on_spot=True)
pytestmark = pytest.mark.server


class Instance:
    """The first instance of the world, as a person who is logged in there meets it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.instance_id = world.first_instances["web"]
        folder = world.settings.state_dir / "region" / "instances" / self.instance_id
        self.env_file = folder / "disk" / "etc" / "spot-agent.env"
        self.env_file.chmod(0o600)
        address = world.instance(self.instance_id)["private_ip"]
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STATE_DIRECTORY": str(folder / "disk" / "var" / "lib" / "spot-agent"),
            "RUNTIME_DIRECTORY": str(folder / "run" / "spot-optimizer"),
            "IMDS_ENDPOINT": f"http://{address}:1338",
            "INSTANCE_CTL_URL": f"{world.region_url}/_region/instances/{self.instance_id}",
            "INSTANCE_IP": address,
            "WORKLOAD_PORT": "8080",
            "AWS_ENDPOINT_URL": world.region_url,
            "AWS_ACCESS_KEY_ID": "simulated",
            "AWS_SECRET_ACCESS_KEY": "simulated",
        }

    def check(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "spot_agent", "check", "--env-file", str(self.env_file), *arguments]
        environment = {**self.environment, **environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    def failed(self, **environment: str) -> dict[str, str]:
        """The lines that failed: what was found, by name."""
        done = self.check("--json", **environment)
        told = json.loads(done.stdout)
        found = {line["name"]: line["found"] for line in told["lines"] if line["verdict"] == "FAIL"}
        assert (done.returncode, told["is_fit"]) == (1 if found else 0, not found), done.stderr
        return found

    def await_own_tags(self) -> None:
        """The daemon marks its instance some time after it is registered."""

        def is_marked() -> bool | None:
            tags = next(one["tags"] for one in self.world.region.get("/state")["instances"] if one["instance_id"] == self.instance_id)
            return "spot-optimizer:epoch" in tags or None

        self.world.wait_for("the tags of the first instance", is_marked, bound_seconds=150)

    def what_ec2_holds(self) -> dict[str, Any]:
        state = self.world.region.get("/state")
        held = {name: state[name] for name in ("images", "snapshots", "addresses")}
        return {**held, "instances": [(one["instance_id"], one["state"], one["tags"]) for one in state["instances"]]}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory, clock = tmp_path_factory.mktemp("check"), SystemClock()
    settings = Settings(directory, f"sqlite:///{directory}/spot.db", 0.02, 1, workloads=(WEB,))
    world = World(settings, clock, Processes(directory / "logs", clock))
    try:
        world.put_up(lambda _line: None)
        Day(world, lambda _line: None).await_registrations()
        yield Instance(world)
    finally:
        world.processes.stop_all()


def test_on_a_serving_primary_everything_works_and_nothing_is_changed(instance: Instance) -> None:
    instance.await_own_tags()
    before = instance.what_ec2_holds()

    done = instance.check()

    assert done.returncode == 0, done.stdout + done.stderr
    assert "running_primary of web" in done.stdout
    assert done.stdout.count("ec2:RunInstances") == 2
    assert "so_" not in done.stdout + done.stderr
    assert instance.what_ec2_holds() == before


@pytest.mark.parametrize("action", ["CreateImage", "RunInstances", "TerminateInstances", "AssociateAddress", "DescribeSubnets"])
def test_a_missing_right_is_named(instance: Instance, action: str) -> None:
    instance.world.region.post("/faults", {"action": action, "code": "UnauthorizedOperation", "count": 1})

    found = instance.failed()

    assert list(found) == [f"ec2:{action}"]
    assert "not authorized" in found[f"ec2:{action}"]


def test_with_the_metadata_service_off_the_check_says_so_and_asks_ec2_nothing(instance: Instance) -> None:
    path = f"/instances/{instance.instance_id}/metadata-fault"
    instance.world.region.post(path, {"mode": "off"})
    try:
        done = instance.check()
    finally:
        instance.world.region.post(path, {"mode": "none"})

    assert done.returncode == 1
    assert "the metadata service is off for this instance" in done.stdout
    assert "ec2:" not in done.stdout


def test_with_the_server_down_the_check_says_so_and_goes_on(instance: Instance, tmp_path: Path) -> None:
    journal = Path(instance.environment["STATE_DIRECTORY"]) / "journal.json"
    (tmp_path / "journal.json").write_text(journal.read_text().replace(instance.world.server_url, "http://127.0.0.1:9"))
    (tmp_path / "journal.json").chmod(0o600)

    found = instance.failed(STATE_DIRECTORY=str(tmp_path), SPOT_SERVER_URL="http://127.0.0.1:9")

    assert found == {"server": "http://127.0.0.1:9 does not answer: Connection refused"}


def test_a_token_that_the_server_does_not_know_is_told(instance: Instance, tmp_path: Path) -> None:
    journal = json.loads((Path(instance.environment["STATE_DIRECTORY"]) / "journal.json").read_text())
    journal["journal"]["token"] = "so_agent_" + "x" * 43
    (tmp_path / "journal.json").write_text(json.dumps(journal))
    (tmp_path / "journal.json").chmod(0o600)

    found = instance.failed(STATE_DIRECTORY=str(tmp_path))

    assert list(found) == ["token"]
    assert "401 token-invalid" in found["token"]


def test_an_instance_of_an_auto_scaling_group_is_told(instance: Instance) -> None:
    ec2, tag = instance.world.ec2, {"Key": "aws:autoscaling:groupName", "Value": "web-asg"}
    ec2.create_tags(Resources=[instance.instance_id], Tags=[tag])
    try:
        found = instance.failed()
    finally:
        ec2.delete_tags(Resources=[instance.instance_id], Tags=[tag])

    assert list(found) == ["owner"]
    assert "Auto Scaling group web-asg" in found["owner"]


def test_what_the_server_gives_out_installs_a_daemon_that_checks_itself_and_can_be_taken_off(instance: Instance, tmp_path: Path) -> None:
    root, scratch, script = tmp_path / "root", tmp_path / "scratch", tmp_path / "setup.sh"
    root.mkdir()
    scratch.mkdir()
    server_url = instance.world.server_url
    with urllib.request.urlopen(f"{server_url}/install/setup.sh", timeout=30) as answer:
        script.write_bytes(answer.read())
    pip = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_")) or name.lower().endswith("_proxy")}
    world = {**pip, "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "TMPDIR": str(scratch), "NO_PROXY": "127.0.0.1"}

    def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env={**world, **environment}, capture_output=True, text=True, timeout=200, check=False)

    installed = run("bash", script, "--root", root, "--no-start", "--server-url", server_url, "--logical-agent-id", "web")
    left_over = list(scratch.iterdir())
    assert installed.returncode == 0, installed.stdout + installed.stderr
    program = root / "opt" / "spot-agent" / "current"
    checked = run(program / "bin" / "spot-agent", "check", "--env-file", instance.env_file, **instance.environment)
    removed = run(program / "scripts" / "uninstall.sh", "--root", root, "--drop-state")

    assert left_over == []
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert removed.returncode == 0, removed.stderr
    assert [path for path in root.rglob("*") if "spot" in path.name] == []
