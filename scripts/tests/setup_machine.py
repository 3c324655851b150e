"""A machine to install the daemon on: a root directory, systemd, metadata, EC2 and a central server, all but the first pretended."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import boto3

from agent_fakes.http_central import FakeCentralServer
from agent_fakes.http_imds import FakeImdsServer
from agent_fakes.moto_region import MotoRegion
from check_sizes import ROOT
from fake_systemd import FakeSystemd

CLONED = ("agent/src", "agent/pyproject.toml", "requirements", "scripts/setup", "scripts/setup.sh", "scripts/uninstall.sh")
WORKLOAD = "web.service"
GOOD_TOKEN = "so_enrol_0123456789"


class Machine:
    """`clone` is a copy of what an installation needs of the repository, which a test may change."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.root, self.clone = directory, directory / "root", directory / "clone"
        self.root.mkdir()
        for name in CLONED:
            source, target = ROOT / name, self.clone / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__")) if source.is_dir() else shutil.copy(
                source, target
            )
        self.releases, self.kept_releases = self.root / "opt" / "spot-agent" / "releases", directory / "kept-releases"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.ec2 = self._stack.enter_context(MotoRegion())
        self.instance_id = self._launch()
        self.imds = self._stack.enter_context(FakeImdsServer(self.instance_id))
        self.central: FakeCentralServer = self._stack.enter_context(FakeCentralServer())
        self.central.enrolment_token = GOOD_TOKEN
        self.systemd = FakeSystemd(self.root, self.directory / "bin")
        self._stack.enter_context(self.systemd)
        self.write(f"etc/systemd/system/{WORKLOAD}", "[Service]\nExecStart=/usr/bin/web\n")
        self.systemd.active.add(WORKLOAD)
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def _launch(self) -> str:
        session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        client = session.client("ec2", endpoint_url=self.ec2.url)
        image_id = client.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        subnet_id = client.describe_subnets()["Subnets"][0]["SubnetId"]
        made = client.run_instances(ImageId=image_id, InstanceType="m5.large", SubnetId=subnet_id, MinCount=1, MaxCount=1)
        return str(made["Instances"][0]["InstanceId"])

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def settings(self) -> dict[str, str]:
        lines = self.path("etc/spot-agent/agent.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if not line.startswith("#"))

    def journal(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.path("var/lib/spot-agent/journal.json").read_text())["journal"]
        return body

    def what_is_there(self) -> dict[str, tuple[int, int]]:
        """Every file that an installation owns, with inode and time of change: a second run must leave all of it."""
        owned = [
            self.path(name) for name in ("etc", "opt/spot-agent/current", "usr/local/bin/spot-agent", "var/lib/spot-agent/journal.json")
        ]
        files = [file for one in owned for file in ([one] if not one.is_dir() or one.is_symlink() else one.rglob("*"))]
        return {str(file): (file.lstat().st_ino, file.lstat().st_mtime_ns) for file in files if file.name != "journal.json"}

    def setup(self, *arguments: str, token: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """`scripts/setup.sh` with the fake systemctl; a token goes in on standard input."""
        given = [*arguments, *(["--token-file", "-"] if token is not None else [])]
        return self._script("setup.sh", *given, input=f"{token}\n" if token is not None else "", **environment)

    def first_arguments(self) -> list[str]:
        """What a first installation here is told, but for its token."""
        aws = {"AWS_ENDPOINT_URL": self.ec2.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        quick = {"IMDS_ENDPOINT": self.imds.url, "HEARTBEAT_INTERVAL": "0.5", "COMMAND_WAIT": "1", "NOTICE_POLL_INTERVAL": "0.5"}
        sets = [word for name, value in {**aws, **quick}.items() for word in ("--set", f"{name}={value}")]
        place = ["--server-url", self.central.url, "--logical-agent-id", "web-1", "--workload-unit", WORKLOAD]
        return [*place, *sets]

    def install(self, *arguments: str, token: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """The first installation, as a person would type it."""
        return self.setup(*self.first_arguments(), *arguments, token=token, **environment)

    def keep_releases(self) -> None:
        """Spare later installations the making of a virtual environment: its name says what is in it, so a stale one is never used."""
        for release in self.releases.iterdir() if self.releases.exists() else ():
            if not (self.kept_releases / release.name).exists():
                shutil.copytree(release, self.kept_releases / release.name, symlinks=True, copy_function=os.link)

    def restore_releases(self) -> None:
        for release in self.kept_releases.iterdir() if self.kept_releases.exists() else ():
            if not (self.releases / release.name).exists():
                shutil.copytree(release, self.releases / release.name, symlinks=True, copy_function=os.link)

    def installed(self) -> None:
        """However the test before left it: installed, registered, the start guard in place."""
        guard = self.systemd.units / f"{WORKLOAD}.d" / "spot-optimizer.conf"
        if self.systemd.daemon_runs and guard.exists():
            return
        self.restore_releases()
        self.systemd.active.add(WORKLOAD)
        done = self.install(token=GOOD_TOKEN)
        assert done.returncode == 0, done.stdout + done.stderr
        self.keep_releases()

    def uninstall(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._script("uninstall.sh", *arguments)

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The installed program, as systemd would run it."""
        folders = {"STATE_DIRECTORY": str(self.path("var/lib/spot-agent")), "RUNTIME_DIRECTORY": str(self.path("run/spot-optimizer"))}
        program = self.path("opt/spot-agent/current/bin/spot-agent")
        env_file = ("--env-file", str(self.path("etc/spot-agent/agent.env")))
        return self.systemd.run(program, *arguments, *env_file, env={**self.systemd.environment, **folders})

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """One of the scripts in a process group of its own, while it runs; its errors are lost."""
        command = [str(self.clone / "scripts" / name), "--root", str(self.root), *arguments]
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self._environment(), text=True, start_new_session=True, **pipes)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """As while another setup.sh runs."""
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _environment(self) -> dict[str, str]:
        """What is needed to reach a package index, and this machine's programs first."""
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_")) or key.lower().endswith("_proxy")}
        path = f"{self.systemd.environment['PATH']}:{os.environ['PATH']}"
        home = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
        return {**kept, **home, "PATH": path, "SPOT_SYSTEMCTL": str(self.systemd.systemctl), "NO_PROXY": "127.0.0.1"}

    def _script(self, name: str, *arguments: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:  # noqa: A002 - as in subprocess.run
        world = {**self._environment(), **environment}
        return self.systemd.run(self.clone / "scripts" / name, "--root", str(self.root), *arguments, env=world, input=input)
