"""Places that refuse for good: left for the next, whatever the reason, and told of where a person can mend it."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.rescues import assert_rescued, give_control_role, gives_up
from server_support.story import STEP_SECONDS, TYPES, ZONES, Story
from spot_server.aws.errors import class_of_code
from spot_server.db.runner import Database
from spot_server.db.tables import notifications
from spot_server.features.cooldowns import service as cooldowns
from spot_server.features.cooldowns.queries import PoolKey
from spot_server.features.pricing.market_queries import store_instance_types
from spot_server.words import CommandKind, ReplicaStatus, SwitchStatus

BEST, BEST_ZONE = "spot/m5a.large/use1-az2", "use1-az2"
"""Where the story's emergency replica goes first: the cheapest spot pool that differs in AZ and type."""

BEST_PLANNED = "spot/m5a.large/use1-az1"
MODES = ("spot", "on_demand")
SUBNET_GONE = "InvalidSubnetID.NotFound"


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def places(story: Story) -> list[str]:
    return [f"{one['mode']}/{one['instance_type']}/{one['az_id']}" for one in story.payloads("launch_instance")]


def told(story: Story, kind: str) -> list[str]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind).order_by(notifications.c.created_at))


def lose_subnet(story: Story, zone: str, error_class: str = "subnet") -> None:
    for kind, mode in product(TYPES, MODES):
        story.region.refuse(f"{mode}/{kind}/{zone}", error_class, SUBNET_GONE)


def use_up_quota(story: Story, mode: str) -> None:
    code = "MaxSpotInstanceCountExceeded" if mode == "spot" else "VcpuLimitExceeded"
    for kind, zone in product(TYPES, ZONES):
        story.region.refuse(f"{mode}/{kind}/{zone}", "quota", code)


def cool_all(story: Story) -> None:
    for zone, kind in product(ZONES, TYPES):
        pool = PoolKey("us-east-1", zone, kind)
        story.database.write(partial(cooldowns.note_shortage, pool=pool, code="InsufficientInstanceCapacity"))


def test_a_subnet_that_somebody_deleted_sends_a_rescue_to_another_zone_at_once(story: Story) -> None:
    lose_subnet(story, BEST_ZONE)

    story.notice()
    story.passes(60)

    assert places(story) == [BEST, "spot/m5a.large/use1-az3"]
    assert len(story.switches()) == 1
    assert_rescued(story, "i-2")


@pytest.mark.parametrize(
    "code", ["InvalidPlacementGroup.Unknown", "InvalidZone.NotFound", "VolumeTypeNotAvailableInZone", "UnsupportedTenancy", "Unsupported"]
)
def test_whatever_one_place_alone_refuses_a_rescue_goes_to_the_next(story: Story, code: str) -> None:
    story.region.refuse(BEST, class_of_code(code), code)

    story.notice()
    story.passes(60)

    assert places(story)[0] == BEST
    assert len(places(story)) == 2
    assert_rescued(story, "i-2")


def test_a_daemon_that_calls_a_deleted_subnet_not_found_is_understood_too(story: Story) -> None:
    lose_subnet(story, BEST_ZONE, "not_found")

    story.notice()
    story.passes(90)

    assert len(story.switches()) == 1
    assert_rescued(story, "i-2")


def test_a_standby_and_a_planned_move_go_to_another_zone_too(story: Story) -> None:
    lose_subnet(story, ZONES[0])
    lose_subnet(story, BEST_ZONE)
    story.set_agent(manual_replica_enabled=True, replica_count=1)

    standby = story.gets_ready()
    story.set_agent(manual_replica_enabled=False, replica_count=0)
    story.settles(100)
    switch = story.switch()
    story.settles(200)

    assert (standby.az_id, len([one for one in story.replicas() if one.status is ReplicaStatus.FAILED])) == ("use1-az3", 0)
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert {one.az_id for one in story.replicas()} == {"use1-az3"}


def test_the_client_is_told_once_a_day_which_subnet_is_gone(story: Story) -> None:
    lose_subnet(story, BEST_ZONE)

    story.notice()
    story.passes(60)

    (text,) = told(story, "subnet_gone")
    assert "subnet-use1-az2" in text
    assert "web-1" in text


@pytest.mark.parametrize("code", ["InvalidKeyPair.NotFound", "InvalidGroup.NotFound"])
def test_what_every_place_needs_is_asked_for_in_one_of_them_only(story: Story, code: str) -> None:
    for kind, zone, mode in product(TYPES, ZONES, MODES):
        story.region.refuse(f"{mode}/{kind}/{zone}", class_of_code(code), code)

    story.notice()
    gives_up(story)

    assert places(story) == [BEST] * 3


def test_an_error_that_nobody_knows_in_one_place_keeps_a_rescue_there_for_seconds_only(story: Story) -> None:
    story.region.refuse(BEST, "unexpected", "NeverHeardOfIt")

    story.notice()
    story.passes(100)

    assert places(story) == [BEST] * 3 + ["spot/m5a.large/use1-az3"]
    assert len(story.switches()) == 1
    assert_rescued(story, "i-2")


def test_a_nonce_is_not_kept_for_a_place_that_is_left(story: Story) -> None:
    story.region.refuse(BEST, "unexpected", "NeverHeardOfIt")

    story.notice()
    story.passes(60, until=lambda: len(places(story)) == 4, step_seconds=STEP_SECONDS)

    assert [one["user_data"] == "removed" for one in story.payloads("launch_instance")] == [True, True, True, False]


def test_a_rescue_gives_up_on_unknown_errors_only_when_every_place_was_tried_and_is_resumed_later(story: Story) -> None:
    give_control_role(story)
    for kind, zone, mode in product(TYPES, ZONES, MODES):
        story.region.refuse(f"{mode}/{kind}/{zone}", "unexpected", "NeverHeardOfIt")

    story.notice()
    gives_up(story, 1200)
    tried = [set(one.rejected_places) for one in story.replicas()]
    story.region.refused_places.clear()
    story.passes(600, until=lambda: story.active() is None and story.switches()[-1].status is SwitchStatus.COMPLETED)

    every = {f"{mode}/{kind}/{zone}" for kind, zone, mode in product(TYPES, ZONES, MODES)}
    assert tried == [every - {"spot/m5.large/use1-az1"}] * 3
    assert_rescued(story, "i-2")


def test_an_error_that_passes_in_seconds_costs_no_place(story: Story) -> None:
    story.region.fail(CommandKind.LAUNCH_INSTANCE, "unexpected", times=2, code="NeverHeardOfIt")

    story.notice()
    story.passes(60)

    assert story.region.machines["i-2"].az_id == BEST_ZONE
    assert story.replicas()[0].rejected_places == []


def test_a_daemon_that_stumbles_over_an_answer_is_asked_for_the_same_launch_and_for_no_second_one(story: Story) -> None:
    story.region.fail(CommandKind.LAUNCH_INSTANCE, "unexpected", times=6, code="KeyError")

    story.notice()
    story.passes(100)

    assert set(places(story)) == {BEST}
    assert story.replicas()[0].rejected_places == []
    assert_rescued(story, "i-2")


def test_with_the_on_demand_quota_used_up_a_rescue_asks_the_pools_in_their_cool_down(story: Story) -> None:
    cool_all(story)
    use_up_quota(story, "on_demand")

    story.notice()
    story.passes(90)

    assert [place.partition("/")[0] for place in places(story)] == ["on_demand", "spot"]
    assert len(story.switches()) == 1
    assert_rescued(story, "i-2")


def test_another_family_has_a_quota_of_its_own(story: Story) -> None:
    shape = {"instance_type": "p3.large", "vcpu": 2, "memory_mib": 8192, "architectures": ["x86_64"]}
    story.database.write(lambda tx: store_instance_types(tx, [shape]))
    story.set_agent(allowed_instance_types=[*TYPES, "p3.large"])
    for kind, zone in product((*TYPES, "p3.large"), ZONES):
        story.region.refuse(f"spot/{kind}/{zone}")
    use_up_quota(story, "on_demand")

    story.notice()
    story.passes(90)

    on_demand = [place for place in places(story) if place.startswith("on_demand/")]
    assert [place.split("/")[1][:2] for place in on_demand] == ["m5", "p3"]
    assert_rescued(story, "i-2")


def test_a_spot_quota_leads_to_on_demand_and_the_client_is_told_once_a_day(story: Story) -> None:
    story.clock.advance(86_400 - 300)
    use_up_quota(story, "spot")

    story.notice()
    story.passes(60)
    asked = [place.partition("/")[0] for place in places(story)]
    story.switch("the same day", mode="spot")
    story.settles(100)
    first_day = told(story, "quota_reached")
    story.passes(300)
    story.switch("the next day", mode="spot")
    story.settles(100)

    assert asked == ["spot", "on_demand"]
    assert story.region.serving == ["i-2"]
    assert len(first_day) == 1
    assert "On-demand is taken where no spot place is left, and costs more" in first_day[0]
    assert len(told(story, "quota_reached")) == 2


def test_who_asked_for_spot_is_told_that_nothing_else_is_taken(story: Story) -> None:
    use_up_quota(story, "spot")

    switch = story.switch(mode="spot")
    story.settles(100)

    (text,) = told(story, "quota_reached")
    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert "Nothing on demand is taken, for spot was asked for" in text
    assert len(places(story)) == 1
