"""Instances that nothing ends: listed with what they cost, and ended when a person says so, never otherwise."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import insert, select, update

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.story import ADDRESS, Story
from server_support.ways_back import NEW, OLD, finish, moved
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, instances, notifications, restore_holds
from spot_server.errors import MoveRefused, NotFound, ProductError, RequestIdReused, StateConflict
from spot_server.features.instances.queries import Instance
from spot_server.features.kept import service
from spot_server.features.kept.service import Shown
from spot_server.words import CommandKind, Role


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """i-1 was left by a move and is kept, because auto-terminate is off."""
    story = moved(Story.on(database, clock, terminate_wait_seconds=20, auto_terminate_enabled=False))
    story.passes(60)
    assert story.fleet.instance(story.agent, OLD).is_retained
    return story


def kept(story: Story) -> list[Shown]:
    page = story.database.read(lambda tx: service.list_kept(tx, story.fleet.client_id, limit=50, cursor=None))
    return list(page.items)


def end(story: Story, instance_id: str = OLD, request_id: str = "end-1") -> Instance:
    act = partial(service.request_end, request_id=request_id, user_id="tester")
    return story.database.write(lambda tx: act(tx, story.fleet.client_id, story.agent_id, instance_id))


def test_a_kept_instance_is_listed_with_what_it_costs_a_day(story: Story) -> None:
    (shown,) = kept(story)

    assert (shown.kept.instance.instance_id, shown.kept.logical_agent_id) == (OLD, "web-1")
    assert shown.usd_per_hour is not None
    assert shown.usd_per_day == shown.usd_per_hour * 24
    assert shown.kept.instance.end_asked_at is None


def test_an_instance_whose_retirement_is_to_come_is_not_listed_and_not_ended_by_hand(database: Database, clock: FakeClock) -> None:
    story = moved(Story.on(database, clock, terminate_wait_seconds=600))

    assert kept(story) == []
    with pytest.raises(StateConflict, match="its end is seen to already"):
        end(story)


def test_a_person_ends_it_after_a_final_image_because_we_did_not_launch_it(story: Story) -> None:
    asked = end(story)
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    assert (asked.end_asked_by, story.roles) == ("tester", {OLD: "TERMINATED", NEW: "PRIMARY"})
    assert story.region.final_images == [OLD]
    assert story.issued("terminate_instance") == [NEW]
    assert kept(story) == []
    assert story.region.violations == []


def test_who_asked_is_in_the_audit_log_once_however_often_it_is_asked(story: Story) -> None:
    first, again, other = end(story), end(story), end(story, request_id="end-2")
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    rows = story.fleet.scalars(select(audit_logs.c.user_id).where(audit_logs.c.action == "instance.end_requested"))
    assert rows == ["tester"]
    assert first.end_asked_at == again.end_asked_at == other.end_asked_at
    assert end(story, request_id="end-3").role is Role.TERMINATED
    assert story.issued("terminate_instance") == [NEW]


def test_the_same_request_id_for_another_instance_is_refused(story: Story) -> None:
    end(story)

    with pytest.raises(RequestIdReused):
        end(story, NEW)


@pytest.mark.parametrize("lost", ["terminate_instance", "create_image"])
def test_a_lost_answer_ends_it_all_the_same_and_once(story: Story, lost: str) -> None:
    story.region.fail(CommandKind(lost), None, takes_effect=True)

    end(story)
    story.passes(400, until=lambda: story.roles[OLD] == "TERMINATED")

    assert story.roles[OLD] == "TERMINATED"
    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == [NEW]


def test_one_that_lacks_our_tags_stays_and_a_person_is_told(story: Story) -> None:
    story.region.machines[OLD].tags = {}

    end(story)
    story.passes(60)

    texts = story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "termination_refused"))
    assert story.region.machines[OLD].state == "running"
    assert len(texts) == 1
    assert OLD in texts[0]


def test_one_that_a_traffic_handle_leads_to_stays_until_it_leads_elsewhere(story: Story) -> None:
    story.region.address_of[ADDRESS] = OLD

    end(story)
    story.passes(60)
    during = story.region.machines[OLD].state
    story.region.address_of[ADDRESS] = NEW
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    assert (during, story.region.machines[OLD].state) == ("running", "terminated")


def test_neither_the_primary_nor_an_unknown_instance_is_ended(story: Story) -> None:
    with pytest.raises(StateConflict, match="it is the PRIMARY"):
        end(story, NEW, "end-2")
    with pytest.raises(NotFound):
        end(story, "i-99", "end-3")
    with pytest.raises(NotFound):
        story.database.write(lambda tx: service.request_end(tx, "another", story.agent_id, OLD, request_id="end-4", user_id="tester"))


def test_one_whose_workload_serves_is_not_ended(story: Story) -> None:
    story.fleet.execute(update(instances).where(instances.c.instance_id == OLD).values(serving=True))

    with pytest.raises(StateConflict, match="says that the workload serves there"):
        end(story)


def test_what_may_be_all_that_is_left_of_the_workload_is_not_ended(story: Story) -> None:
    story.fleet.set_role(story.agent, NEW, Role.TERMINATED)

    with pytest.raises(StateConflict, match="all that is left"):
        end(story)


def test_nothing_is_ended_while_the_database_may_be_older_than_the_world(story: Story) -> None:
    end(story)
    row = {"agent_id": story.agent_id, "client_id": story.fleet.client_id, "instance_id": NEW, "saved_epoch": 2, "seen_epoch": 5}
    story.fleet.execute(insert(restore_holds).values(row | {"noted_at": story.clock.now(), "confirmed_epoch": 0}))

    story.passes(120)
    story.fleet.execute(update(instances).where(instances.c.instance_id == OLD).values(end_asked_at=None))
    with pytest.raises(StateConflict, match="restored from a backup"):
        end(story, request_id="end-2")

    assert story.region.machines[OLD].state == "running"


def test_what_a_person_is_having_ended_is_not_gone_back_to(story: Story) -> None:
    story.region.fail(CommandKind.CREATE_IMAGE, "throttled", times=99)
    end(story)

    with pytest.raises(MoveRefused, match="the end of i-1 has begun"):
        story.roll_back(story.switches()[0])


def test_one_that_the_workload_goes_back_to_is_not_ended(story: Story) -> None:
    back = story.roll_back(story.switches()[0])

    with pytest.raises(StateConflict, match=back.switch_id):
        end(story)
    finish(story, back)


def test_when_two_ask_at_once_one_end_comes_of_it(story: Story) -> None:
    story.database = Database(story.database.engine, clock=story.clock, sleeper=SystemClock())

    at_once([lambda: end(story, request_id="end-1"), lambda: end(story, request_id="end-2")])
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == [NEW]


def test_going_back_and_ending_at_once_never_both_win(story: Story) -> None:
    story.database = Database(story.database.engine, clock=story.clock, sleeper=SystemClock())
    switch = story.switches()[0]

    results = at_once([lambda: end(story), lambda: story.roll_back(switch)])
    story.passes(300, until=lambda: story.active() is None and (story.roles[OLD] in {"TERMINATED", "PRIMARY"}))

    assert [isinstance(result, ProductError) for result in results].count(True) == 1
    assert len(story.region.serving) == 1
    assert story.region.violations == []
