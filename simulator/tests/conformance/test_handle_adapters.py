"""The product's own adapters for traffic handles, the daemon's and the server's, on the region in both forms and on moto alone.

moto calls every target healthy at once and every change in sync, takes any instance for a target, and leaves a secondary address
where it was when another instance takes it: what depends on those is asked of the region only.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import count

import pytest
from moto.server import ThreadedMotoServer

from conformance.handle_places import MotoPlace, Place, RegionPlace, new_group, new_zone
from conformance.memory_region import MemoryRegionPort
from spot_agent.ec2 import BotocoreEc2 as DaemonsEc2
from spot_agent.errors import Ec2Failed
from spot_server.aws.ec2 import Boto3Ec2 as ServersEc2
from spot_server.aws.errors import AwsFailed

NAME = "www.example.com"
UNKNOWN_GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/none/0123456789abcdef"
NOT_FOUND = "not_found"
Adapter = DaemonsEc2 | ServersEc2

_NUMBERS = count(450)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", pytest.param("processes", marks=pytest.mark.server), pytest.param("moto", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest) -> Place:
    match request.param:
        case "memory":
            return RegionPlace(MemoryRegionPort())
        case "processes":
            return RegionPlace(request.getfixturevalue("shared_region"))
        case _:
            return MotoPlace(request.getfixturevalue("moto_url"))


@pytest.fixture(params=[DaemonsEc2, ServersEc2], ids=["daemon", "server"])
def adapter(request: pytest.FixtureRequest, place: Place) -> Adapter:
    ec2 = place.client("ec2")
    made: Adapter = request.param(ec2, ec2, place.client)
    return made


def interface_of(place: Place, instance_id: str) -> str:
    described = place.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(described["NetworkInterfaces"][0]["NetworkInterfaceId"])


def free_ip(place: Place, instance_id: str) -> str:
    ec2 = place.client("ec2")
    subnet_id = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["SubnetId"]
    cidr = ec2.describe_subnets(SubnetIds=[subnet_id])["Subnets"][0]["CidrBlock"]
    return str(IPv4Network(cidr)[next(_NUMBERS)])


def private_ips(adapter: Adapter, instance_id: str) -> tuple[str, ...]:
    """Return what an adapter sees, the primary address first."""
    described = adapter.describe_instance(instance_id)
    assert described is not None
    return described.private_ips if isinstance(adapter, DaemonsEc2) else described.network.private_ips  # type: ignore[union-attr]


def failure(caught: pytest.ExceptionInfo[Exception]) -> str:
    assert isinstance(caught.value, Ec2Failed | AwsFailed)
    return caught.value.error_class.value


def test_a_secondary_address_is_assigned_and_taken_over(place: Place, adapter: Adapter) -> None:
    first, second = place.instances()
    shared_ip = free_ip(place, first)
    primary = private_ips(adapter, second)

    for instance_id in (first, second, second):
        adapter.assign_private_ip(interface_of(place, instance_id), shared_ip)

    assert private_ips(adapter, second) == (*primary, shared_ip)
    if not isinstance(place, MotoPlace):
        assert shared_ip not in private_ips(adapter, first)


def test_a_target_is_registered_once_and_deregistered(place: Place, adapter: Adapter) -> None:
    (first, second), group = place.instances(), new_group(place)
    before = adapter.balancing.target_state(group, first, None)
    for _ in range(2):
        adapter.balancing.register_target(group, first, None)
    adapter.balancing.register_target(group, second, 8080)
    during = [adapter.balancing.target_state(group, first, port) for port in (None, 8080)]
    for _ in range(2):
        adapter.balancing.deregister_target(group, first, None)
    after = adapter.balancing.target_state(group, first, None)

    assert before is None
    assert [facts.state for facts in during if facts] in (["healthy"] * 2, ["initial"] * 2, ["initial", "unhealthy"], ["unhealthy"] * 2)
    assert after is None or after.state == "draining"
    assert adapter.balancing.target_state(group, second, 8080) is not None


def test_a_target_group_that_is_not_there_is_told_as_such(place: Place, adapter: Adapter) -> None:
    first, _ = place.instances()

    with pytest.raises((Ec2Failed, AwsFailed)) as caught:
        adapter.balancing.register_target(UNKNOWN_GROUP, first, None)

    assert failure(caught) == NOT_FOUND


def test_an_instance_that_is_gone_is_registered_nowhere(place: Place, adapter: Adapter) -> None:
    group, gone = new_group(place), "i-00000000000000000"

    adapter.balancing.deregister_target(group, gone, None)

    assert adapter.balancing.target_state(group, gone, None) is None


def test_a_record_is_made_changed_and_read_without_case_or_final_dot(place: Place, adapter: Adapter) -> None:
    zone = new_zone(place)
    before = adapter.dns.find_record(zone, NAME)
    adapter.dns.upsert_record(zone, NAME, "127.10.250.1", 30)
    adapter.dns.upsert_record(zone, NAME, "127.10.250.2", 60)
    found = adapter.dns.find_record(zone, "WWW.example.com.")

    assert before is None
    assert found is not None
    assert (found.values, found.ttl_seconds) == (("127.10.250.2",), 60)
    assert adapter.dns.find_record(zone, "other.example.com") is None


def test_a_record_with_a_star_is_found_as_it_was_asked_for(place: Place, adapter: Adapter) -> None:
    zone = new_zone(place)

    adapter.dns.upsert_record(zone, "*.example.com", "127.10.250.1", 30)

    assert adapter.dns.find_record(zone, "*.example.com") is not None
    assert adapter.dns.find_record(zone, "a.example.com") is None


def test_a_change_comes_into_sync(place: Place, adapter: Adapter) -> None:
    change_id = adapter.dns.upsert_record(new_zone(place), NAME, "127.10.250.1", 30)

    if isinstance(place, RegionPlace):
        place.region.eventually(lambda: adapter.dns.is_in_sync(change_id))

    assert adapter.dns.is_in_sync(change_id)


def test_a_zone_and_a_change_that_are_not_there_are_told_as_such(place: Place, adapter: Adapter) -> None:
    with pytest.raises((Ec2Failed, AwsFailed)) as no_zone:
        adapter.dns.upsert_record("Z00000000NONE", NAME, "127.10.250.1", 30)

    assert failure(no_zone) == NOT_FOUND
