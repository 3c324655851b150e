"""A database that was restored: the tags know a newer epoch. The sweeper only reports until a person has looked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.alone import claims, ends, loses_touch, planned
from server_support.builders import create_client_token
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.region import Machine
from server_support.rescues import give_control_role, racing_story, with_standby
from server_support.story import Story
from server_support.sweeping import Sweeping, lost_launch, orphan, settle_time_passes
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, replica_instances
from spot_server.features.agents.queries import Agent
from spot_server.features.sweeper.holds import RestoreHold, confirm_restore, list_holds, note_restore


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


@pytest.fixture
def sweeping(story: Story) -> Sweeping:
    return Sweeping(story)


def leave_behind(story: Story) -> Machine:
    """An instance that nobody owns, old enough to be ended."""
    left = orphan(story)
    settle_time_passes(story)
    return left


def was_promoted_in_another_life(story: Story, epoch: int) -> None:
    """The primary's instance carries an epoch that the database does not know."""
    tags = {**story.region.machines["i-2"].tags, "spot-optimizer:epoch": str(epoch)}
    story.region.machines["i-1"].tags = tags


def hold_on(story: Story, agent: Agent) -> None:
    """Something was noted about this agent."""
    assert story.database.write(lambda tx: note_restore(tx, agent, "i-x", 7))


def holds(story: Story) -> list[RestoreHold]:
    return story.database.read(lambda tx: list_holds(tx, story.fleet.client_id))


def confirm(story: Story, epoch: int) -> RestoreHold:
    return story.database.write(lambda tx: confirm_restore(tx, story.fleet.client_id, story.agent_id, epoch=epoch, user_id="somebody"))


def test_an_epoch_in_tags_above_the_saved_one_holds_the_sweeper_back_and_is_told_once(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    was_promoted_in_another_life(story, 7)

    for _ in range(3):
        sweeping.look_and_sweep()
        story.passes(62, step_seconds=31)

    (hold,) = holds(story)
    (told,) = sweeping.told("restore_suspected")
    (reported,) = sweeping.told()
    assert (hold.saved_epoch, hold.seen_epoch, hold.instance_id, hold.is_holding) == (1, 7, "i-1", True)
    assert "epoch 7" in told
    assert "it would be terminated" in reported
    assert left.instance_id in reported
    assert left.state == "running"
    assert story.issued("terminate_instance") == []


def test_an_agent_that_the_database_does_not_know_betrays_it_to_a_daemon_of_its_name(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    left.tags = {**left.tags, "spot-optimizer:agent-id": "of-another-life", "spot-optimizer:epoch": "7"}

    for _ in range(2):
        sweeping.look_and_sweep()

    (hold,) = holds(story)
    (told,) = sweeping.told()
    assert (hold.agent_id, hold.saved_epoch, hold.seen_epoch, hold.instance_id) == ("of-another-life", 0, 7, left.instance_id)
    assert left.instance_id in told
    assert left.state == "running"


def test_an_instance_that_we_did_not_launch_betrays_it_as_well(story: Story, sweeping: Sweeping) -> None:
    leave_behind(story)
    story.region.machines["i-1"].tags = {"spot-optimizer:agent-id": story.agent_id, "spot-optimizer:epoch": "7"}

    sweeping.look_and_sweep()

    assert [hold.instance_id for hold in holds(story)] == ["i-1"]


def test_the_hold_stays_when_the_tags_are_seen_no_more(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    was_promoted_in_another_life(story, 7)
    sweeping.look_and_sweep()
    story.region.machines["i-1"].tags = {}

    sweeping.look_and_sweep()

    assert left.state == "running"
    assert holds(story)[0].is_holding


def test_after_a_person_confirmed_what_was_seen_the_sweeper_acts_again(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    was_promoted_in_another_life(story, 7)
    sweeping.look_and_sweep()

    confirm(story, 7)
    sweeping.look_and_sweep()
    story.settles(100)

    audited = story.fleet.scalars(select(audit_logs.c.user_id).where(audit_logs.c.action == "restore.confirmed"))
    assert left.state == "terminated"
    assert audited == ["somebody"]
    assert story.region.machines["i-1"].state == "running"


def test_an_epoch_that_is_higher_still_holds_it_back_anew(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    was_promoted_in_another_life(story, 7)
    sweeping.look_and_sweep()
    confirm(story, 7)
    was_promoted_in_another_life(story, 8)

    sweeping.look_and_sweep()

    assert holds(story)[0].is_holding
    assert len(sweeping.told("restore_suspected")) == 2
    assert left.state == "running"


def test_one_agent_s_hold_counts_for_all_agents_of_the_client(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    other = story.fleet.agent("web-2", instance_id="i-8")
    hold_on(story, other)

    sweeping.look_and_sweep()

    (reported,) = sweeping.told()
    assert left.instance_id in reported
    assert left.state == "running"


def test_one_client_s_hold_is_no_other_client_s(story: Story, sweeping: Sweeping) -> None:
    left = leave_behind(story)
    stranger = Fleet.on(story.database)
    hold_on(story, stranger.agent("web-9", instance_id="i-9"))

    sweeping.look_and_sweep()
    story.settles(100)

    assert left.state == "terminated"


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_that_the_books_know_is_no_news(story: Story, sweeping: Sweeping, epoch: int) -> None:
    left = leave_behind(story)
    was_promoted_in_another_life(story, epoch)

    sweeping.look_and_sweep()
    story.settles(100)

    assert holds(story) == []
    assert left.state == "terminated"


def test_a_waiting_launch_is_not_adopted_either(story: Story, sweeping: Sweeping) -> None:
    lost_launch(story)
    was_promoted_in_another_life(story, 7)

    for _ in range(2):
        sweeping.look_and_sweep()

    adopted = story.fleet.scalars(select(replica_instances.c.instance_id).where(replica_instances.c.instance_id.is_not(None)))
    assert adopted == []


@pytest.fixture
def page(story: Story, sweeping: Sweeping, http: Http) -> tuple[Http, str]:
    """A client whose database was restored, and where its pages are."""
    leave_behind(story)
    was_promoted_in_another_life(story, 7)
    sweeping.look_and_sweep()
    return http.as_(create_client_token(story.database, story.fleet.client_id)), f"/api/client/{story.fleet.client_id}"


def test_what_is_held_is_listed_with_what_was_seen(page: tuple[Http, str], story: Story) -> None:
    client, base = page

    (item,) = client.get(f"{base}/restore-holds").json["items"]

    shown = {key: item[key] for key in ("agent_id", "instance_id", "saved_epoch", "seen_epoch", "is_holding", "confirmed_by")}
    assert shown == {
        "agent_id": story.agent_id,
        "instance_id": "i-1",
        "saved_epoch": 1,
        "seen_epoch": 7,
        "is_holding": True,
        "confirmed_by": None,
    }


def test_confirming_twice_is_once_and_another_epoch_than_the_one_seen_is_refused(page: tuple[Http, str], story: Story) -> None:
    client, base = page
    path = f"{base}/agents/{story.agent_id}/confirm-restore"

    wrong = client.post(path, {"epoch": 6})
    first, second = (client.post(path, {"epoch": 7}) for _ in range(2))

    assert (wrong.status, wrong.json["seen_epoch"]) == (409, 7)
    assert (first.status, first.json["is_holding"], first.json["confirmed_by"]) == (200, False, "client tester")
    assert second.json == first.json
    assert len(story.fleet.scalars(select(audit_logs.c.audit_id).where(audit_logs.c.action == "restore.confirmed"))) == 1


def test_an_agent_of_which_nothing_was_noted_has_nothing_to_confirm(story: Story, http: Http) -> None:
    client = http.as_(create_client_token(story.database, story.fleet.client_id))

    answer: Any = client.post(f"/api/client/{story.fleet.client_id}/agents/{story.agent_id}/confirm-restore", {"epoch": 1})

    assert (answer.status, answer.slug) == (404, "not-found")


@pytest.mark.parametrize(("epochs_ahead", "is_suspected"), [(0, False), (1, True)])
def test_a_successor_that_has_not_told_of_its_claim_yet_is_no_sign_of_a_restored_database(
    engine: Any, clock: FakeClock, epochs_ahead: int, is_suspected: bool
) -> None:
    """Its tags carry the epoch of the plan by which it took over while the server was away."""
    story = racing_story(engine, clock)
    give_control_role(story)
    plan = planned(with_standby(story))
    loses_touch(story, "i-1", "i-2")
    ends(story, "i-1")
    assert claims(story, plan)
    taken = story.region.machines["i-2"]
    taken.tags = {**taken.tags, "spot-optimizer:epoch": str(plan.epoch + epochs_ahead)}

    sweeping = Sweeping(story)
    sweeping.look("i-2")
    sweeping.sweep()

    assert [hold.seen_epoch for hold in holds(story)] == ([plan.epoch + 1] if is_suspected else [])
