"""What is left behind in EC2, and for how long nobody owns it: each invariant holds at rest, and each can be broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from spot_simulator.machine import Machine
from spot_simulator.virtual.carrier import KEY_PATH, STAGING_FILE
from spot_simulator.virtual.entropy import seeded_entropy
from spot_simulator.virtual.fleet import TAG_AGENT, Fleet
from spot_simulator.virtual.image_losses import deregister_newest, images_of
from spot_simulator.virtual.invariants import Invariants
from spot_simulator.virtual.plants import planted
from spot_simulator.virtual.run import play
from spot_simulator.virtual.schedule import IS_ELSEWHERE, AgentPlan, Event, Guards, Kind, Schedule
from spot_simulator.virtual.silence import be_silent
from spot_simulator.virtual.strays import BOUND_SECONDS, INVARIANT

pytestmark = pytest.mark.long

PLAN = AgentPlan(carry="image_after_quiesce", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)
OUR_TAGS = {"spot-optimizer:managed": "true", TAG_AGENT: "agent-0"}
MINUTE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def silent() -> None:
    be_silent()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with seeded_entropy(3):
        put_up = Fleet(3, (PLAN,), has_control_role=False)
        put_up.scheduler.run_until(300.0)
        yield put_up
        put_up.close()


@pytest.fixture
def invariants(fleet: Fleet) -> Invariants:
    return Invariants(fleet)


def broken(invariants: Invariants) -> set[str]:
    return {violation.invariant for violation in invariants.finally_()}


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def launch_stray(fleet: Fleet) -> Machine:
    """An instance with the tags of the agent that no row knows; no daemon of it ever speaks."""
    image = fleet.region.control.base_image("bare", services=[])
    answer = fleet.region.ec2_client("nobody").run_instances(
        ImageId=image.image_id,
        InstanceType="m5.large",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed(OUR_TAGS)}],
    )
    return fleet.region.machines.by_id[answer["Instances"][0]["InstanceId"]]


def look_each_minute(fleet: Fleet, invariants: Invariants, seconds: float) -> set[str]:
    """Let time pass, and judge at each minute."""
    found: set[str] = set()
    until_seconds = fleet.scheduler.monotonic_seconds() + seconds
    while fleet.scheduler.monotonic_seconds() < until_seconds:
        fleet.scheduler.run_until(fleet.scheduler.monotonic_seconds() + MINUTE_SECONDS)
        found |= {violation.invariant for violation in invariants.always()}
    return found


def test_the_product_sees_a_stray_in_time(fleet: Fleet, invariants: Invariants) -> None:
    launch_stray(fleet)
    invariants.always()
    assert invariants.is_left_over()

    assert look_each_minute(fleet, invariants, 2 * BOUND_SECONDS) == set()
    assert not invariants.is_left_over()
    told = fleet.database.raw.execute("SELECT count(*) FROM notifications WHERE kind = 'stray_quarantined'").fetchone()
    assert told == (1,)


def test_a_stray_that_nobody_sees_is_told_after_fifteen_minutes_and_not_before(fleet: Fleet, invariants: Invariants) -> None:
    with planted("strays-unswept"):
        launch_stray(fleet)
        invariants.always()

        early = look_each_minute(fleet, invariants, BOUND_SECONDS)
        late = look_each_minute(fleet, invariants, 2 * MINUTE_SECONDS)

    assert (early, late) == (set(), {INVARIANT})


@pytest.mark.parametrize(
    "hinder",
    [
        lambda fleet, _primary: fleet.server.go_down(),
        lambda fleet, _primary: setattr(fleet.server.database, "is_away", True),
        lambda fleet, primary: fleet.network.cut(primary, "server"),
        lambda fleet, primary: fleet.network.cut(primary, "ec2"),
    ],
)
def test_a_stray_is_not_looked_for_while_nobody_could_see_it(
    fleet: Fleet, invariants: Invariants, hinder: Callable[[Fleet, str], object]
) -> None:
    with planted("strays-unswept"):
        launch_stray(fleet)
        hinder(fleet, fleet.members[0].first_instance_id)

        assert look_each_minute(fleet, invariants, 2 * BOUND_SECONDS) == set()


def leave_volume(fleet: Fleet) -> None:
    (agent_id,) = fleet.database.raw.execute("SELECT agent_id FROM agents").fetchone()
    tags = [{"ResourceType": "volume", "Tags": listed({**OUR_TAGS, "spot-optimizer:agent-id": agent_id})}]
    fleet.region.ec2_client("somebody").create_volume(AvailabilityZone="us-east-1a", Size=1, TagSpecifications=tags)


def leave_image(fleet: Fleet) -> None:
    """Only the image is tagged: its snapshot would stay for ever."""
    tags = [{"ResourceType": "image", "Tags": listed(OUR_TAGS)}]
    instance_id = fleet.members[0].first_instance_id
    fleet.region.ec2_client("somebody").create_image(Name="left", InstanceId=instance_id, NoReboot=True, TagSpecifications=tags)


def leave_key(fleet: Fleet) -> None:
    fleet.region.disks.runs[fleet.members[0].first_instance_id][KEY_PATH] = "move"


def leave_staged_copy(fleet: Fleet) -> None:
    fleet.region.disks.roots[fleet.members[0].first_instance_id][STAGING_FILE] = ""


@pytest.mark.parametrize(
    ("leave", "invariant"),
    [
        (leave_volume, "volumes-left-over-are-told-of"),
        (leave_image, "images-and-snapshots-have-an-owner"),
        (leave_key, "copies-leave-no-keys"),
        (leave_staged_copy, "copies-leave-no-keys"),
        (lambda fleet: fleet.region.ec2_client("somebody").allocate_address(Domain="vpc"), "addresses-are-as-they-were"),
    ],
)
def test_what_nobody_answers_for_is_seen(fleet: Fleet, invariants: Invariants, leave: Callable[[Fleet], object], invariant: str) -> None:
    assert broken(invariants) == set()

    leave(fleet)

    assert broken(invariants) == {invariant}


def test_a_volume_that_a_person_was_told_of_is_no_leftover(fleet: Fleet, invariants: Invariants) -> None:
    leave_volume(fleet)
    assert invariants.is_left_over()

    fleet.scheduler.run_until(900.0)

    assert not invariants.is_left_over()
    assert broken(invariants) == set()


@pytest.mark.parametrize("number", ["1", "2"])
@pytest.mark.parametrize(
    "touch",
    [
        lambda client, number: client.delete_volume(VolumeId=foreign("vol", number)),
        lambda client, number: client.deregister_image(ImageId=foreign("ami", number)),
        lambda client, number: client.delete_snapshot(SnapshotId=foreign("snap", f"1{number}")),
        lambda client, number: client.terminate_instances(InstanceIds=[foreign("i", number)]),
        lambda client, number: client.create_tags(Resources=[foreign("i", number)], Tags=listed({"Name": "ours"})),
        lambda client, number: client.disassociate_address(AssociationId=foreign("eipassoc", number)),
    ],
)
def test_whoever_touches_what_is_foreign_is_seen(
    fleet: Fleet, invariants: Invariants, touch: Callable[[object, str], object], number: str
) -> None:
    assert broken(invariants) == set()

    touch(fleet.region.ec2_client("somebody"), number)

    assert "foreign-is-left-alone" in broken(invariants)


def foreign(prefix: str, number: str) -> str:
    return f"{prefix}-f0{number:0>15}"


def test_a_cleanup_that_takes_all_snapshots_for_its_own_is_seen() -> None:
    with planted("others-cleaned-up"):
        result = play(Schedule(3, has_control_role=False, agents=(PLAN,), events=(), eventful_seconds=600.0))

    assert {violation.invariant for violation in result.violations} == {"foreign-is-left-alone"}


def test_a_rescue_goes_on_when_somebody_deregisters_the_image_that_it_launches_from() -> None:
    """Its newest image goes at the very launch, and an older one is there."""
    events = (
        Event(1500.0, Kind.SWITCH, 0, {"on_demand": False}),
        Event(4000.0, Kind.NOTICE, 0, {"lead_seconds": 120.0, "action": "terminate"}),
        Event(4000.0, Kind.IMAGE_GONE, 0, {"count": 1, "at_step": "launch"}),
    )
    gone: list[int] = []
    result = play(
        Schedule(3, has_control_role=True, agents=(PLAN,), events=events, eventful_seconds=4500.0),
        look_at_end=lambda fleet: gone.append(len(fleet.region.books.deregistered)),
    )

    assert result.violations == ()
    assert result.missed == ()
    assert gone == [1]
    assert result.moves == {"manual completed": 1, "notice completed": 1}


def test_only_what_was_made_of_the_agents_instances_is_deregistered(fleet: Fleet) -> None:
    fleet.scheduler.run_until(1500.0)
    (image,) = images_of(fleet, fleet.members[0])

    deregister_newest(fleet, fleet.members[0], 5)

    assert fleet.region.books.deregistered == {image.image_id}
    assert fleet.region.books.image_of_name("agent-0-base") is not None


def test_a_guard_that_bites_holds_a_standby_back_and_no_rescue() -> None:
    """One launch an hour, which the first standby was: it takes over, no other is made, and a rescue is launched all the same."""
    told: list[tuple[int]] = []
    events = (Event(610.0, Kind.LOSS, 0), Event(1500.0, Kind.LOSS, 0))
    plan = AgentPlan(carry="stateless", is_on_spot=True, is_auto_terminated=True, keeps_standby=True)
    result = play(
        Schedule(3, has_control_role=True, agents=(plan,), events=events, eventful_seconds=2400.0, guards=Guards(1, 1, 0.1)),
        look_at_end=lambda fleet: told.append(
            fleet.database.raw.execute("SELECT count(*) > 0 FROM notifications WHERE kind = 'spending_guard'").fetchone()
        ),
    )

    assert result.violations == ()
    assert told == [(1,)]
    assert (result.moves["failover completed"], result.moves["notice completed"]) == (1, 1)


@pytest.mark.parametrize("has_control_role", [False, True])
def test_a_volume_that_a_move_to_another_zone_leaves_behind_is_told_of_and_no_other(has_control_role: bool) -> None:
    """The first one, which a person made, once its instance is gone; none while it goes from one instance to the other in the same zone."""
    told: list[str] = []
    left: list[str] = []

    def look(fleet: Fleet) -> None:
        told.extend(text for (text,) in fleet.database.raw.execute("SELECT text FROM notifications WHERE kind = 'stray_quarantined'"))
        loose = [volume.volume_id for volume in fleet.region.volumes.by_id.values() if volume.state == "available"]
        left.extend(volume_id for volume_id in loose if volume_id not in fleet.foreign.ids)

    here, elsewhere = {"on_demand": False}, {"on_demand": False, IS_ELSEWHERE: True}
    events = (Event(700.0, Kind.SWITCH, 0, here), Event(4000.0, Kind.SWITCH, 0, elsewhere))
    plan = AgentPlan(carry="volume", is_on_spot=True, is_auto_terminated=True, keeps_standby=False)

    result = play(Schedule(3, has_control_role=has_control_role, agents=(plan,), events=events, eventful_seconds=5400.0), look_at_end=look)

    assert result.violations == ()
    assert result.moves == {"manual completed": 2}
    assert len(left) == 1
    assert [left[0] in text for text in told] == [True]


@pytest.mark.parametrize(("plant", "broken_by"), [(None, set()), ("keys-kept", {"copies-leave-no-keys"})])
def test_the_key_of_a_copy_goes_with_the_last_pass_and_when_its_move_is_taken_back(plant: str | None, broken_by: set[str]) -> None:
    """The old side of the first move is kept, and runs on; the second is cancelled while its new side boots."""
    events = (
        Event(700.0, Kind.SWITCH, 0, {"on_demand": False}),
        Event(4000.0, Kind.SWITCH_AND_CANCEL, 0, {"on_demand": False, "cancel_after_seconds": 60.0}),
    )
    plan = AgentPlan(carry="rsync", is_on_spot=True, is_auto_terminated=False, keeps_standby=False)

    with planted(plant):
        result = play(Schedule(3, has_control_role=True, agents=(plan,), events=events, eventful_seconds=4500.0))

    assert {violation.invariant for violation in result.violations} == broken_by
    assert result.moves["manual completed"] == 1
