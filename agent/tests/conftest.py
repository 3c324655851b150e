"""Fixtures of the daemon's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from agent_fakes.http_central import FakeCentralServer
from agent_fakes.http_imds import FakeImdsServer
from agent_fakes.moto_region import MotoRegion
from agent_fakes.process import DaemonProcess
from agent_fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def session_region() -> Iterator[MotoRegion]:
    with MotoRegion() as region:
        yield region


@pytest.fixture
def region(session_region: MotoRegion, monkeypatch: pytest.MonkeyPatch) -> MotoRegion:
    """Lead boto3 to moto's EC2 in us-east-1."""
    session_region.faults.clear()
    session_region.denied.clear()
    session_region.actions.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", session_region.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return session_region


@pytest.fixture
def own_instance_id(region: MotoRegion) -> str:
    """An instance in the pretend EC2 for a daemon to run on."""
    ec2 = boto3.client("ec2", region_name="us-east-1", endpoint_url=region.url)
    image_id = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    subnet_id = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.run_instances(
        ImageId=image_id,
        InstanceType="m5.large",
        SubnetId=subnet_id,
        MinCount=1,
        MaxCount=1,
        InstanceMarketOptions={"MarketType": "spot"},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "team", "Value": "shop"}]}],
    )
    region.actions.clear()
    return str(made["Instances"][0]["InstanceId"])


@pytest.fixture
def central() -> Iterator[FakeCentralServer]:
    with FakeCentralServer() as server:
        yield server


@pytest.fixture
def metadata(own_instance_id: str) -> Iterator[FakeImdsServer]:
    fake = FakeImdsServer(own_instance_id)
    with fake:
        yield fake


@pytest.fixture
def daemon(tmp_path: Path, central: FakeCentralServer, metadata: FakeImdsServer, region: MotoRegion) -> Iterator[DaemonProcess]:
    process = DaemonProcess(tmp_path, central.url, metadata.url, region.url)
    yield process
    process.close()
