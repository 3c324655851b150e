"""What the server relies on in EC2, held against the fake and against the real adapter in front of the simulated region."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from server_support.aws_worlds import AwsWorld, MemoryWorld, RegionWorld, region_for_the_server
from server_support.clock import START
from spot_server.aws.errors import ActFailed, AwsFailed, ErrorClass, is_absence
from spot_server.aws.ports import Ec2Port
from spot_server.features.control_role.acting import Done, Task
from spot_server.features.control_role.acts import HANDLERS
from spot_server.words import CommandKind, TerminationRefusal

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def region_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsWorld]:
    with region_for_the_server(tmp_path_factory.mktemp("region") / "state") as region:
        yield RegionWorld(region)


@pytest.fixture(params=["memory", pytest.param("region", marks=pytest.mark.server)])
def world(request: pytest.FixtureRequest) -> AwsWorld:
    if request.param == "memory":
        return MemoryWorld()
    lent: AwsWorld = request.getfixturevalue("region_world")
    return lent


@pytest.fixture
def ec2(world: AwsWorld) -> Ec2Port:
    return world.ec2


@pytest.fixture
def token() -> str:
    return f"token-{next(_NUMBERS)}"


def launch_and_settle(world: AwsWorld, token: str) -> str:
    made = world.ec2.run_instance(world.request(token))
    world.settle()
    return made.instance_id


def test_a_launched_instance_is_found_by_its_token_and_by_its_id(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    made = ec2.run_instance(world.request(token, tags={"spot-optimizer:managed": "true"}))
    world.settle()

    (by_token,) = ec2.find_by_launch_token(token)
    by_id = ec2.describe_instance(made.instance_id)

    assert by_id == by_token
    assert (by_token.instance_id, by_token.state) == (made.instance_id, "running")
    assert by_token.launched_at is not None
    assert by_token.spot_request_id is not None
    assert by_token.tags["spot-optimizer:managed"] == "true"
    assert by_token.tags["spot-optimizer:launch-token"] == token


def test_the_instances_of_one_client_are_found_by_our_tags_with_whose_they_are_and_the_token_of_their_launch(
    world: AwsWorld, ec2: Ec2Port, token: str
) -> None:
    ours = {"spot-optimizer:managed": "true", "spot-optimizer:client-id": token, "spot-optimizer:agent-id": "agent-1"}
    made = ec2.run_instance(world.request(f"{token}-a", tags=ours))
    ec2.run_instance(world.request(f"{token}-b", tags={**ours, "spot-optimizer:client-id": "another"}))
    ec2.run_instance(world.request(f"{token}-c", tags={"spot-optimizer:client-id": token}))
    world.settle()

    (found,) = ec2.find_managed(token)

    assert (found.instance_id, found.state, found.client_token) == (made.instance_id, "running", f"{token}-a")
    assert ours.items() <= found.tags.items()
    assert found.tags["spot-optimizer:launch-token"] == f"{token}-a"


def test_the_holders_of_addresses_are_the_instances_that_they_are_associated_with(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id, allocation_id = launch_and_settle(world, token), world.address()
    before = ec2.address_holders()

    ec2.associate_address(allocation_id, instance_id, allow_reassociation=True)

    assert instance_id not in before
    assert ec2.address_holders() == before | {instance_id}


def test_an_instance_on_demand_has_no_spot_request(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    made = ec2.run_instance(world.request(token, is_spot=False))

    assert made.spot_request_id is None


def test_the_same_token_makes_one_instance(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    first, second = ec2.run_instance(world.request(token)), ec2.run_instance(world.request(token))

    assert first.instance_id == second.instance_id
    assert len(ec2.find_by_launch_token(token)) == 1


def test_a_token_with_other_parameters_and_that_of_a_dead_instance_are_refused(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)
    with pytest.raises(AwsFailed) as mismatch:
        ec2.run_instance(world.request(token, instance_type="c5.large"))
    ec2.terminate_instance(instance_id)
    world.settle()
    with pytest.raises(AwsFailed) as dead:
        ec2.run_instance(world.request(token))

    assert [error.value.error_class for error in (mismatch, dead)] == [ErrorClass.IDEMPOTENCY] * 2
    assert [error.value.code for error in (mismatch, dead)] == ["IdempotentParameterMismatch", "IdempotentInstanceTerminated"]


def test_a_launch_whose_answer_is_lost_may_have_acted_and_is_found(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    world.lose_answer("run_instance")

    with pytest.raises(AwsFailed) as lost:
        ec2.run_instance(world.request(token))

    assert (lost.value.error_class, lost.value.may_have_acted) == (ErrorClass.UNREACHABLE, True)
    (found,) = ec2.find_by_launch_token(token)
    assert ec2.run_instance(world.request(token)).instance_id == found.instance_id


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("InsufficientInstanceCapacity", ErrorClass.CAPACITY),
        ("MaxSpotInstanceCountExceeded", ErrorClass.QUOTA),
        ("UnauthorizedOperation", ErrorClass.NOT_AUTHORIZED),
        ("RequestLimitExceeded", ErrorClass.THROTTLED),
        ("SomethingNew", ErrorClass.UNEXPECTED),
    ],
)
def test_a_refused_launch_has_a_class_and_has_not_acted(world: AwsWorld, ec2: Ec2Port, token: str, code: str, meaning: ErrorClass) -> None:
    world.refuse("run_instance", code)

    with pytest.raises(AwsFailed) as refused:
        ec2.run_instance(world.request(token))

    assert (refused.value.error_class, refused.value.code, refused.value.may_have_acted) == (meaning, code, False)
    assert ec2.find_by_launch_token(token) == ()


def test_a_terminated_instance_shuts_down_and_is_gone_and_a_repeat_is_fine(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)

    first = ec2.terminate_instance(instance_id)
    world.settle()
    again = ec2.terminate_instance(instance_id)

    seen = ec2.describe_instance(instance_id)
    assert (first, again, seen and seen.state) == ("shutting-down", "terminated", "terminated")


def test_what_ec2_does_not_know_is_none_or_an_absence(ec2: Ec2Port) -> None:
    with pytest.raises(AwsFailed) as unknown:
        ec2.terminate_instance("i-00000000000000000")

    assert is_absence(unknown.value.code)
    assert ec2.describe_instance("i-00000000000000000") is None
    assert ec2.find_by_launch_token("never used") == ()
    assert ec2.find_image_by_name("never made") is None
    assert ec2.describe_image("ami-00000000") is None
    assert ec2.describe_address("eipalloc-00000000") is None


def test_a_one_time_spot_request_is_not_persistent_and_can_be_cancelled(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)
    made = ec2.describe_instance(instance_id)
    assert made is not None
    assert made.spot_request_id is not None

    ec2.cancel_spot_request(made.spot_request_id)

    still = ec2.describe_instance(instance_id)
    assert (ec2.is_persistent_request(made.spot_request_id), still and still.state) == (False, "running")


def test_a_notice_shows_at_the_spot_request_while_the_instance_runs(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)
    on_demand = ec2.run_instance(world.request(f"{token}-on-demand", is_spot=False)).instance_id
    asked = [instance_id, on_demand, "i-00000000000000000"]
    (before,) = ec2.spot_requests_of(asked)

    world.notice(instance_id)

    (after,) = ec2.spot_requests_of(asked)
    still = ec2.describe_instance(instance_id)
    assert (before.instance_id, before.status_code) == (instance_id, "fulfilled")
    assert (after.request_id, after.status_code) == (before.request_id, "instance-terminated-no-capacity")
    assert after.updated_at is not None
    assert still is not None
    assert still.state == "running"


def test_scheduled_events_and_failing_checks_show_and_an_unknown_id_hides_nothing(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    well, ill = launch_and_settle(world, token), launch_and_settle(world, f"{token}-ill")
    world.schedule_maintenance(ill)
    world.impair(ill)

    statuses = {status.instance_id: status for status in ec2.instance_statuses([well, "i-00000000000000000", ill])}

    assert statuses.keys() == {well, ill}
    assert (set(statuses[well].checks.values()), statuses[well].impaired_since, statuses[well].scheduled_events) == ({"ok"}, None, ())
    assert "impaired" in statuses[ill].checks.values()
    assert statuses[ill].impaired_since is not None
    (event,) = statuses[ill].scheduled_events
    assert (event.code, bool(event.event_id)) == ("instance-retirement", True)
    assert event.not_before is not None


def test_nothing_is_asked_of_ec2_about_nobody(ec2: Ec2Port) -> None:
    assert ec2.spot_requests_of([]) == ()
    assert ec2.instance_statuses([]) == ()


def test_an_image_is_pending_then_available_and_its_name_is_its_key(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)

    image_id = ec2.create_image(instance_id, f"image-{token}", {"spot-optimizer:managed": "true"})
    first = ec2.find_image_by_name(f"image-{token}")
    world.settle()
    second = ec2.describe_image(image_id)

    assert first is not None
    assert second is not None
    assert (first.image_id, first.state, second.state) == (image_id, "pending", "available")
    assert len(second.snapshot_ids) == 1
    assert second.created_at is not None
    with pytest.raises(AwsFailed) as taken:
        ec2.create_image(instance_id, f"image-{token}", {})
    assert taken.value.code == "InvalidAMIName.Duplicate"


def test_an_image_whose_answer_is_lost_is_found_by_its_name(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)
    world.lose_answer("create_image")

    with pytest.raises(AwsFailed) as lost:
        ec2.create_image(instance_id, f"image-{token}", {})

    assert lost.value.may_have_acted
    assert ec2.find_image_by_name(f"image-{token}") is not None


def test_an_address_moves_and_only_with_leave_from_another_holder(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    allocation_id = world.address()
    old, new = launch_and_settle(world, token), launch_and_settle(world, f"{token}-new")
    first = ec2.associate_address(allocation_id, old, allow_reassociation=False)
    repeated = ec2.associate_address(allocation_id, old, allow_reassociation=False)
    with pytest.raises(AwsFailed) as held:
        ec2.associate_address(allocation_id, new, allow_reassociation=False)

    moved = ec2.associate_address(allocation_id, new, allow_reassociation=True)

    address = ec2.describe_address(allocation_id)
    assert address is not None
    assert (address.instance_id, address.association_id) == (new, moved)
    assert first == repeated
    assert (held.value.error_class, held.value.code) == (ErrorClass.REFUSED, "Resource.AlreadyAssociated")


def test_an_address_is_freed_from_the_one_association_that_is_named(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    allocation_id = world.address()
    old, new = launch_and_settle(world, token), launch_and_settle(world, f"{token}-new")
    first = ec2.associate_address(allocation_id, old, allow_reassociation=False)

    ec2.disassociate_address(first)
    freed = ec2.describe_address(allocation_id)
    ec2.associate_address(allocation_id, new, allow_reassociation=False)
    ec2.disassociate_address(first)

    address = ec2.describe_address(allocation_id)
    assert freed is not None
    assert address is not None
    assert (freed.instance_id, address.instance_id) == (None, new)


def test_an_address_goes_to_a_running_instance_only(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    allocation_id, instance_id = world.address(), launch_and_settle(world, token)
    ec2.terminate_instance(instance_id)

    with pytest.raises(AwsFailed) as refused:
        ec2.associate_address(allocation_id, instance_id, allow_reassociation=True)

    assert refused.value.error_class is ErrorClass.RACE


def test_an_instance_on_demand_is_stopped_and_shows_no_checks_then(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = ec2.run_instance(world.request(token, is_spot=False)).instance_id
    world.settle()

    first = ec2.stop_instance(instance_id)
    world.settle()
    seen = ec2.describe_instance(instance_id)

    assert (first, seen and seen.state) == ("stopping", "stopped")
    assert ec2.instance_statuses([instance_id]) == ()


def test_a_one_time_spot_instance_cannot_be_stopped(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    instance_id = launch_and_settle(world, token)

    with pytest.raises(AwsFailed) as refused:
        ec2.stop_instance(instance_id)

    assert refused.value.code == "UnsupportedOperation"


def test_only_what_is_its_owners_and_holds_no_handle_is_terminated(world: AwsWorld, ec2: Ec2Port, token: str) -> None:
    owner = {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": f"agent-{token}"}
    made = ec2.run_instance(world.request(token, tags=owner))
    other = ec2.run_instance(world.request(f"{token}-other", tags=owner))
    world.settle()
    allocation_id = world.address()
    payload = {"instance_id": made.instance_id, "handle_allocation_ids": [allocation_id]}
    kind = CommandKind.TERMINATE_INSTANCE
    task = Task(kind=kind, payload=payload, waited_seconds=0.0, now=START, default_tags={**owner, "spot-optimizer:agent-id": "agent-x"})

    with pytest.raises(ActFailed) as not_ours:
        HANDLERS[kind](task, ec2)
    ec2.associate_address(allocation_id, made.instance_id, allow_reassociation=True)
    with pytest.raises(ActFailed) as held:
        HANDLERS[kind](replace(task, default_tags=owner), ec2)
    state_then = ec2.describe_instance(made.instance_id)
    ec2.associate_address(allocation_id, other.instance_id, allow_reassociation=True)
    done = HANDLERS[kind](replace(task, default_tags=owner), ec2)

    assert [error.value.code for error in (not_ours, held)] == [TerminationRefusal.NOT_OURS, TerminationRefusal.HOLDS_HANDLE]
    assert state_then is not None
    assert state_then.state == "running"
    assert done == Done({"state": "shutting-down"})
