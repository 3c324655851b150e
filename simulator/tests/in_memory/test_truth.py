"""What is true in a region."""

from decimal import Decimal

from in_memory.place import AGENT_TAG, LONGEST_IMAGE_SECONDS, Place
from spot_simulator.memory.truth import Truth


def two_that_serve() -> tuple[Place, Truth, str, str]:
    """Two instances of one agent whose workloads accept writes."""
    place = Place()
    image_id = place.base_image()
    one, other = place.boot(image_id), place.boot(image_id)
    place.serve(one)
    place.serve(other)
    return place, Truth(place.region, AGENT_TAG), one, other


def test_who_accepts_writes_now_is_known_with_the_agent() -> None:
    place, truth, one, other = two_that_serve()
    place.host(one).stop_service("workload")

    assert truth.accepting() == {other: "web"}


def test_two_instances_of_one_agent_that_serve_at_once_are_found_with_the_time() -> None:
    place, truth, one, other = two_that_serve()
    while_it_lasts = truth.double_serving()
    place.wait(5.0)
    place.host(one).stop_service("workload")
    ended_at = place.scheduler.now()

    (found,) = truth.double_serving()

    assert while_it_lasts[0].until is None
    assert (found.agent, set(found.instance_ids)) == ("web", {one, other})
    assert (found.since, found.until) == (place.machine(other).serving[0].since, ended_at)


def test_a_handover_and_other_agents_are_no_double_serving() -> None:
    place = Place()
    image_id = place.base_image()
    first, second, stranger = place.boot(image_id), place.boot(image_id), place.boot(image_id, agent="shop")
    for instance_id in (first, stranger):
        place.serve(instance_id)
    place.host(first).stop_service("workload")
    place.serve(second)

    truth = Truth(place.region, AGENT_TAG)

    assert truth.double_serving() == []
    assert [span.instance_id for span in truth.serving()["web"]] == [first, second]


def test_an_address_is_held_where_its_traffic_goes_and_associated_where_the_book_says() -> None:
    place, truth, one, other = two_that_serve()
    allocation_id, public_ip = place.address()
    place.move(allocation_id, one)

    place.ec2.associate_address(AllocationId=allocation_id, InstanceId=other)

    assert (truth.holders(), truth.associations()) == ({public_ip: one}, {public_ip: other})


def test_an_instance_is_billed_while_it_runs() -> None:
    place = Place()
    instance_id = place.boot(place.base_image())
    price = Decimal("0.0360")
    place.region.control.set_price("m5.large", place.machine(instance_id).az_id, price)
    place.wait(3600.0)
    before = Truth(place.region, AGENT_TAG).usd(instance_id)

    place.wait(100.0)
    place.ec2.terminate_instances(InstanceIds=[instance_id])
    terminated_at = place.scheduler.now()
    place.wait(3600.0)

    truth = Truth(place.region, AGENT_TAG)
    (billed,) = truth.billed()
    assert (billed.instance_id, billed.until) == (instance_id, terminated_at)
    assert truth.usd(instance_id) - before == Decimal("0.001")


def test_everything_that_ec2_has_is_listed_with_its_tags() -> None:
    place, truth, one, other = two_that_serve()
    tags = [{"ResourceType": kind, "Tags": [{"Key": "move", "Value": "1"}]} for kind in ("image", "snapshot")]
    image_id = place.ec2.create_image(InstanceId=one, Name="of-life", NoReboot=True, TagSpecifications=tags)["ImageId"]
    device = place.ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]
    keep = [{"DeviceName": device["DeviceName"], "Ebs": {"DeleteOnTermination": False}}]
    place.ec2.modify_instance_attribute(InstanceId=one, BlockDeviceMappings=keep)
    place.ec2.terminate_instances(InstanceIds=[one, other])
    place.wait(LONGEST_IMAGE_SECONDS)

    (image,) = (thing for thing in truth.images() if thing.thing_id == image_id)
    assert {thing.thing_id: thing.state for thing in truth.instances()} == {one: "terminated", other: "terminated"}
    assert (image.state, image.tags, image.made_of) == ("available", {"move": "1"}, one)
    assert [thing.tags for thing in truth.snapshots() if thing.made_of == device["Ebs"]["VolumeId"]] == [{"move": "1"}]
    assert [(thing.thing_id, thing.state, thing.made_of) for thing in truth.volumes()] == [(device["Ebs"]["VolumeId"], "available", one)]


def test_a_snapshot_of_a_volume_that_was_left_over_has_the_dead_instance_s_disk() -> None:
    place, _, one, _ = two_that_serve()
    place.host(one).disk["srv/note"] = "last words"
    device = place.ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"][0]
    keep = [{"DeviceName": device["DeviceName"], "Ebs": {"DeleteOnTermination": False}}]
    place.ec2.modify_instance_attribute(InstanceId=one, BlockDeviceMappings=keep)
    place.region.control.lose(one)
    place.wait(30.0)

    snapshot_id = place.ec2.create_snapshot(VolumeId=device["Ebs"]["VolumeId"])["SnapshotId"]

    assert place.region.disks.snapshot(snapshot_id)["srv/note"] == "last words"
