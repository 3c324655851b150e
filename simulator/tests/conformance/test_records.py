"""Records of Route 53: what is asked for shows at once, name servers follow, and clients keep what they were told."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.behaviour import Behaviour
from conformance.world import World, error_code, service


class Zone:
    """A hosted zone of the test's own."""

    def __init__(self, world: World) -> None:
        self.world, self.route53 = world, world.region.client("route53")
        self.name = f"{world.unique('zone')}.example.com"
        answer = self.route53.create_hosted_zone(Name=self.name, CallerReference=world.unique("reference"))
        self.zone_id = answer["HostedZone"]["Id"].rpartition("/")[2]

    def change(self, action: str, record: str, value: str, ttl_seconds: int = 30) -> str:
        """Change one A record, and return the change's id."""
        shown = {"Name": f"{record}.{self.name}", "Type": "A", "TTL": ttl_seconds, "ResourceRecords": [{"Value": value}]}
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": shown}]}
        answer = self.route53.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)
        return str(answer["ChangeInfo"]["Id"]).rpartition("/")[2]

    def status(self, change_id: str) -> str:
        return str(self.route53.get_change(Id=change_id)["ChangeInfo"]["Status"])

    def wait(self, change_id: str) -> None:
        self.world.region.eventually(lambda: self.status(change_id) == "INSYNC")

    def records(self, **more: Any) -> list[dict[str, Any]]:
        answer = self.route53.list_resource_record_sets(HostedZoneId=self.zone_id, **more)
        return list(answer["ResourceRecordSets"])

    def front(self, record: str) -> str:
        _, state = self.world.region.control("GET", "/state")
        return str(next(one["front"] for one in state["records"] if one["record_name"] == f"{record}.{self.name}."))


@pytest.fixture
def served(world: World) -> dict[str, str]:
    """Two instances that serve: {private address: instance id}."""
    image_id = world.image(service("workload", Behaviour.SERVES))
    ids = [world.launch(image_id) for _ in range(2)]
    found = {world.describe(instance_id)["PrivateIpAddress"]: instance_id for instance_id in ids}
    for address, instance_id in found.items():
        world.wait_for_answer(address, instance_id)
    return found


def test_a_change_shows_at_once_and_is_in_sync_later(world: World) -> None:
    zone = Zone(world)

    change_id = zone.change("UPSERT", "www", "127.10.0.9")

    shown = zone.records(StartRecordName=f"www.{zone.name}", StartRecordType="A", MaxItems="1")[0]
    assert (shown["Name"], shown["TTL"], shown["ResourceRecords"]) == (f"www.{zone.name}.", 30, [{"Value": "127.10.0.9"}])
    zone.wait(change_id)
    (taken,), (settled,) = (world.events(kind=kind, change_id=change_id) for kind in ("record-change", "record-in-sync"))
    assert taken["at"] < settled["at"]


def test_clients_keep_an_answer_until_it_has_expired(world: World, served: dict[str, str]) -> None:
    zone, (first, second) = Zone(world), served
    zone.wait(zone.change("UPSERT", "www", first, ttl_seconds=60_000))
    world.wait_for_answer(zone.front("www"), served[first])

    zone.wait(zone.change("UPSERT", "www", second, ttl_seconds=60_000))

    assert world.ask(zone.front("www")).text == served[first]
    assert zone.records(StartRecordName=f"www.{zone.name}", MaxItems="1")[0]["ResourceRecords"] == [{"Value": second}]


def test_clients_follow_a_record_when_it_is_in_sync_and_their_answer_has_expired(world: World, served: dict[str, str]) -> None:
    zone, (first, second) = Zone(world), served
    zone.wait(zone.change("UPSERT", "www", first, ttl_seconds=60))
    world.wait_for_answer(zone.front("www"), served[first])

    change_id = zone.change("UPSERT", "www", second, ttl_seconds=60)
    world.wait_for_answer(zone.front("www"), served[second])

    (settled,) = world.events(kind="record-in-sync", change_id=change_id)
    resolved = world.events(kind="name-resolved", record_name=f"www.{zone.name}.")
    assert [event["values"] for event in resolved] == [[first], [second]]
    assert settled["number"] < resolved[1]["number"]


def test_the_last_of_two_changes_stands_whichever_is_in_sync_first(world: World, served: dict[str, str]) -> None:
    zone, (first, second) = Zone(world), served

    changes = [zone.change("UPSERT", "www", value, ttl_seconds=0) for value in (first, second, first, second)]
    for change_id in changes:
        zone.wait(change_id)

    world.wait_for_answer(zone.front("www"), served[second])


def test_a_deleted_record_leads_nowhere(world: World, served: dict[str, str]) -> None:
    zone, (first, _) = Zone(world), served
    zone.wait(zone.change("UPSERT", "www", first, ttl_seconds=5))
    world.wait_for_answer(zone.front("www"), served[first])

    zone.change("DELETE", "www", first, ttl_seconds=5)

    world.region.eventually(lambda: world.ask(zone.front("www")).status == 0)
    assert {shown["Type"] for shown in zone.records()} == {"NS", "SOA"}


def test_a_record_may_name_an_elastic_ip_and_follows_it(world: World, served: dict[str, str]) -> None:
    zone, address = Zone(world), world.ec2.allocate_address(Domain="vpc")
    zone.wait(zone.change("UPSERT", "www", address["PublicIp"]))

    for instance_id in served.values():
        world.ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=instance_id)
        world.wait_for_answer(zone.front("www"), instance_id)


@pytest.mark.parametrize(
    ("action", "record", "value"),
    [("CREATE", "www", "127.10.0.9"), ("DELETE", "www", "127.10.0.8"), ("DELETE", "other", "127.10.0.9"), ("UPSERT", "www", "no-address")],
)
def test_a_change_that_does_not_fit_is_refused_whole(world: World, action: str, record: str, value: str) -> None:
    zone = Zone(world)
    zone.change("UPSERT", "www", "127.10.0.9")
    before = zone.records()

    with pytest.raises(ClientError) as refused:
        zone.change(action, record, value)

    assert error_code(refused.value) == "InvalidChangeBatch"
    assert zone.records() == before


def test_records_are_listed_in_the_order_of_their_names_from_the_end(world: World) -> None:
    zone = Zone(world)
    for record in ("b", "a.b", "*.a", "a"):
        zone.change("UPSERT", record, "127.10.0.9")

    listed = [shown["Name"] for shown in zone.records() if shown["Type"] == "A"]

    assert listed == [f"{record}.{zone.name}." for record in ("a", "\\052.a", "b", "a.b")]


def test_what_is_not_there_is_told_as_such(world: World) -> None:
    zone = Zone(world)

    with pytest.raises(ClientError) as no_change:
        zone.status("C0000000000000")
    zone.zone_id = "Z0000000000000"
    with pytest.raises(ClientError) as no_zone:
        zone.change("UPSERT", "www", "127.10.0.9")

    assert (error_code(no_change.value), error_code(no_zone.value)) == ("NoSuchChange", "NoSuchHostedZone")


def test_a_name_of_another_zone_is_refused(world: World) -> None:
    zone, other = Zone(world), Zone(world)
    zone.name = other.name

    with pytest.raises(ClientError) as refused:
        zone.change("UPSERT", "www", "127.10.0.9")

    assert error_code(refused.value) == "InvalidChangeBatch"
