"""Plans for a time without the server, and what the server makes of what daemons did by them: one primary, whoever acts first."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from server_support.alone import claims, ends, hands_over, is_heard_again, loses_touch, open_plans, plan_of, planned, steps_down, tells
from server_support.clock import FakeClock
from server_support.rescues import ALWAYS, give_control_role, racing_story, with_standby
from server_support.silences import assert_serves, is_completed, listens
from server_support.story import ADDRESS, Story
from spot_server.db.tables import notifications, switches
from spot_server.errors import ClaimRefused
from spot_server.features.agent_config.service import Intervals, read_daemon_config
from spot_server.features.agents.guarantees import read_guarantee
from spot_server.features.autonomy import service
from spot_server.features.autonomy.rules import Plan
from spot_server.features.replicas.service import retire_replica
from spot_server.words import CommandKind, SwitchStatus, SwitchTrigger


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    made = racing_story(engine, clock)
    give_control_role(made)
    return with_standby(made)


def told_plan(story: Story, instance_id: str) -> Plan | None:
    config = story.database.read(partial(read_daemon_config, agent_id=story.agent_id, instance_id=instance_id, intervals=Intervals()))
    return None if config.plan is None else config.plan.plan


def why_none(story: Story) -> str | None:
    return story.database.read(lambda tx: read_guarantee(tx, story.agent)).why_no_successor


def retires_standby(story: Story, plan: Plan) -> None:
    """A person gives the standby up, and turns the mode off that would make another."""
    story.set_agent(manual_replica_enabled=False, replica_count=0)
    act = partial(retire_replica, user_id="tester", reason="test")
    story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, plan.successor_replica_id))


def test_both_daemons_are_told_of_the_one_plan_and_of_its_new_configuration(story: Story) -> None:
    plan = planned(story)

    assert (plan.predecessor_instance_id, plan.successor_instance_id, plan.epoch, plan.allocation_id) == ("i-1", "i-2", 2, ADDRESS)
    assert told_plan(story, "i-1") == told_plan(story, "i-2") == plan
    assert story.agent.config_version == 2
    assert why_none(story) is None


def test_a_plan_that_is_right_is_left_alone(story: Story) -> None:
    plan = planned(story)
    version = story.agent.config_version

    story.passes(120, step_seconds=10)

    assert plan_of(story) == plan
    assert story.agent.config_version == version


def test_a_standby_of_a_version_that_knows_no_plans_is_not_named(engine: Any, clock: FakeClock) -> None:
    story = racing_story(engine, clock)
    story.region.machines["i-1"].is_old = True
    with_standby(story)

    story.passes(60)

    assert plan_of(story) is None
    assert "version" in (why_none(story) or "")


def test_a_plan_is_withdrawn_at_once_and_stays_open_until_its_successor_says_so(story: Story) -> None:
    planned(story)
    loses_touch(story, "i-2")
    story.set_agent(enabled=False)

    story.passes(60)
    withdrawn = (plan_of(story), open_plans(story))
    is_heard_again(story, "i-2")
    story.passes(20)

    assert withdrawn == (None, ["i-2"])
    assert open_plans(story) == []


def test_a_successor_that_ec2_has_ended_acts_on_nothing_more(story: Story) -> None:
    plan = planned(story)
    loses_touch(story, "i-2")

    retires_standby(story, plan)
    story.settles(60)
    story.passes(20)

    assert open_plans(story) == []


def test_silence_alone_withdraws_no_plan(story: Story) -> None:
    plan = planned(story)
    loses_touch(story, "i-1", "i-2")

    story.passes(300, step_seconds=10)

    assert plan_of(story) == plan


def test_who_took_over_alone_is_the_primary_in_the_book_as_a_recorded_move(story: Story) -> None:
    plan = planned(story)
    loses_touch(story, "i-1", "i-2")
    hands_over(story, plan)
    assert claims(story, plan)
    story.clock.advance(60)
    is_heard_again(story, "i-2")

    answer = tells(story, plan)
    story.passes(120, until=is_completed(story))

    assert_serves(story, "i-2")
    assert (answer.epoch, story.agent.epoch) == (2, 2)
    [move] = story.switches()
    assert (move.switch_id, move.trigger, move.status) == (answer.switch_id, SwitchTrigger.FAILOVER, SwitchStatus.COMPLETED)
    assert move.timing["plan_id"] == plan.plan_id
    assert story.fleet.scalars(select(notifications.c.kind).where(notifications.c.kind == "taken_over_alone")) == ["taken_over_alone"]


def test_a_claim_told_again_changes_nothing(story: Story) -> None:
    plan = planned(story)
    hands_over(story, plan)
    claims(story, plan)
    tells(story, plan)

    again = tells(story, plan)
    story.settles(120)

    assert again.switch_id is None
    assert len(story.switches()) == 1
    assert_serves(story, "i-2")


def test_the_next_standby_is_made_and_named_after_a_claim(story: Story) -> None:
    plan = planned(story)
    hands_over(story, plan)
    ends(story, "i-1")
    claims(story, plan)
    tells(story, plan)

    story.passes(240, until=lambda: plan_of(story) is not None and plan_of(story) != plan)

    named = plan_of(story)
    assert named is not None
    assert (named.predecessor_instance_id, named.successor_instance_id, named.epoch) == ("i-2", "i-3", 3)


def test_a_rescue_of_the_server_that_runs_meanwhile_makes_room(story: Story) -> None:
    plan = planned(story)
    loses_touch(story, "i-2")
    hands_over(story, plan)
    claims(story, plan)
    story.notice(lead_seconds=120)
    story.passes(10)
    assert story.active() is not None
    is_heard_again(story, "i-2")

    tells(story, plan)
    story.passes(240, until=is_completed(story))

    assert_serves(story, "i-2")
    assert [move.status for move in story.switches()] == [SwitchStatus.FAILED, SwitchStatus.COMPLETED]
    assert story.agent.epoch == 2


def test_the_server_alone_leads_to_the_same_successor_when_it_does_not_hear_of_the_claim(story: Story) -> None:
    """The server is back, and hears neither side: its own rescue goes to the named standby, which serves already."""
    plan = planned(story)
    listens(story)
    loses_touch(story, "i-1", "i-2")
    hands_over(story, plan)
    ends(story, "i-1")
    claims(story, plan)

    story.passes(300, step_seconds=5)

    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.region.violations == []


def no_second_primary(story: Story, plan: Plan) -> None:
    """The server has given the standby up and cannot end it; the primary is gone; a third instance is all that it can have."""
    loses_touch(story, plan.successor_instance_id)
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "not_authorized", times=ALWAYS)
    retires_standby(story, plan)


def test_a_server_that_gave_the_successor_up_takes_the_address_from_it_never(story: Story) -> None:
    plan = planned(story)
    listens(story)
    no_second_primary(story, plan)
    hands_over(story, plan)
    claims(story, plan)
    ends(story, "i-1")

    story.passes(900, step_seconds=5)

    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.region.violations == []
    assert any("claimed_by_successor" in (move.failure or "") for move in story.switches())
    assert story.fleet.scalars(select(notifications.c.kind).where(notifications.c.kind == "switch_failed"))


def test_once_such_a_successor_has_stepped_down_the_server_goes_on(story: Story) -> None:
    plan = planned(story)
    listens(story)
    no_second_primary(story, plan)
    hands_over(story, plan)
    claims(story, plan)
    ends(story, "i-1")
    story.passes(300, step_seconds=5)
    is_heard_again(story, "i-2")

    with pytest.raises(ClaimRefused):
        tells(story, plan)
    steps_down(story, "i-2")
    story.passes(1800, until=lambda: len(story.region.serving) == 1, step_seconds=5)

    [serving] = story.region.serving
    assert serving not in {"i-1", "i-2"}
    assert story.region.violations == []


def test_a_claim_that_comes_after_the_servers_own_finds_the_address_taken(story: Story) -> None:
    plan = planned(story)
    listens(story)
    no_second_primary(story, plan)
    ends(story, "i-1")
    story.passes(400, until=is_completed(story), step_seconds=5)
    [serving] = story.region.serving

    is_claimed = claims(story, plan)

    assert not is_claimed
    assert serving not in {"i-1", "i-2"}
    assert story.region.address_of[ADDRESS] == serving
    with pytest.raises(ClaimRefused):
        tells(story, plan)


@pytest.mark.parametrize("seconds", range(0, 120, 24))
def test_whenever_the_successor_claims_beside_a_rescue_of_the_server_one_serves(story: Story, seconds: int) -> None:
    plan = planned(story)
    listens(story)
    no_second_primary(story, plan)
    ends(story, "i-1")
    story.passes(75 + seconds, step_seconds=2)

    claims(story, plan)
    story.passes(400, step_seconds=5)

    assert len(story.region.serving) == 1
    assert story.region.violations == []
    assert story.region.address_of[ADDRESS] == story.region.serving[0]


def test_nobody_is_promoted_by_another_handle_while_a_claim_may_stand(story: Story) -> None:
    """A person changed the handles: the address of the plan is none of them, so that the server cannot claim it too."""
    plan = planned(story)
    listens(story)
    no_second_primary(story, plan)
    story.set_agent(traffic_handles=[])
    hands_over(story, plan)
    claims(story, plan)
    ends(story, "i-1")

    story.passes(600, step_seconds=5)

    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_planned_move_elsewhere_first_takes_the_plan_back(story: Story) -> None:
    planned(story)

    story.switch(mode="on_demand")
    story.passes(300, until=is_completed(story))

    [payload] = story.payloads("move_address")
    assert "claimant_instance_ids" not in payload
    assert_serves(story, story.region.serving[0])


def test_a_planned_move_elsewhere_gets_the_address_exclusively_while_the_successor_is_not_heard(story: Story) -> None:
    planned(story)
    loses_touch(story, "i-2")

    story.switch(mode="on_demand")
    story.passes(300, until=is_completed(story))

    [payload] = story.payloads("move_address")
    assert (payload["allow_reassociation"], payload["claimant_instance_ids"], payload["predecessor_instance_ids"]) == (
        False,
        ["i-2"],
        ["i-1"],
    )


def test_the_agents_page_says_whether_the_server_could_launch_with_every_daemon_gone(engine: Any, clock: FakeClock) -> None:
    story = racing_story(engine, clock)
    without = story.database.read(lambda tx: read_guarantee(tx, story.agent))
    give_control_role(story)

    guarantee = story.database.read(lambda tx: read_guarantee(tx, story.agent))

    assert (without.can_launch_without_daemons, guarantee.can_launch_without_daemons) == (False, True)
    assert guarantee.why_no_successor is not None


def test_plans_of_other_agents_say_nothing(story: Story) -> None:
    plan = planned(story)

    assert story.database.read(service.find_changes) == []
    assert told_plan(story, "i-1") == plan
    assert story.fleet.scalars(select(switches.c.switch_id)) == []
