"""A PRIMARY that stands still because it was told to, with no move left to tell it otherwise, is told to serve."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, update

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.rescues import racing_story, refuse_every_place
from server_support.story import Story
from spot_server.db.tables import instances, notifications
from spot_server.features.recoveries.rules import LONGEST_SERVE_PAUSE_SECONDS
from spot_server.features.recoveries.service import end_standstill
from spot_server.words import CommandKind, CommandStatus, StepName, SwitchStatus

ALWAYS = 1000


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    return racing_story(engine, clock)


def stand_still(story: Story, instance_id: str = "i-1") -> None:
    """Its daemon lost its journal and the instance was rebooted: it waits to be told."""
    machine = story.region.machines[instance_id]
    machine.is_serving, machine.is_quiesced = False, True


def orders(story: Story) -> list[Any]:
    """The orders to serve that no move gave."""
    return [command for command in story.commands() if command.kind is CommandKind.START_SERVING and command.switch_id is None]


def told(story: Story) -> list[str]:
    kinds = {"primary_stays_quiesced", "primary_left_quiesced"}
    return story.fleet.scalars(select(notifications.c.kind).where(notifications.c.kind.in_(kinds)))


def test_it_serves_again_though_no_move_runs(story: Story) -> None:
    stand_still(story)

    story.passes(20)

    assert story.region.serving == ["i-1"]
    assert len(orders(story)) == 1
    assert told(story) == []


def test_a_primary_that_lost_its_journal_during_a_move_serves_again_once_the_move_is_cancelled(story: Story) -> None:
    switch = story.switch()
    story.passes(60, until=lambda: bool(story.issued("launch_instance")))
    story.cancel(switch)
    stand_still(story)

    story.passes(60, until=lambda: story.active() is None)
    story.passes(20)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert story.region.serving == ["i-1"]


@pytest.mark.parametrize("registers_again", [False, True])
def test_a_move_that_has_not_come_to_its_quiesce_holds_nobody_from_serving(story: Story, registers_again: bool) -> None:
    """Its image and its launch may take a quarter of an hour."""
    switch = story.switch()
    story.passes(60, until=lambda: "i-2" in story.region.machines)
    story.region.machines["i-2"].has_daemon = False
    stand_still(story)
    if registers_again:
        story.fleet.register()
    story.passes(20)
    served = story.region.serving
    story.region.machines["i-2"].has_daemon = True

    story.settles(300)

    assert served == ["i-1"]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_promoted_instance_that_could_not_start_and_whose_successor_found_no_place_serves_in_the_end(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", on="i-2", times=12)
    story.notice(lead_seconds=30)
    story.passes(120, until=lambda: bool(story.issued("start_serving")))
    refuse_every_place(story)

    story.passes(900)

    assert [switch.status for switch in story.switches()][:2] == [SwitchStatus.FAILED, SwitchStatus.ROLLED_BACK]
    assert story.roles["i-2"] == "PRIMARY"
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_move_that_has_stopped_the_workload_alone_says_who_serves(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_ADDRESS, None, on="i-2", times=ALWAYS)
    story.switch()
    story.passes(120, until=lambda: bool(story.issued("move_address")))

    story.passes(30)

    assert orders(story) == []
    assert story.region.serving == []


def test_an_order_that_is_still_on_its_way_is_withdrawn_when_a_move_stops_the_workload(story: Story) -> None:
    """Delivered again after the quiesce it would make the old side serve beside the new one."""
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    replica = story.gets_ready()
    stand_still(story)
    story.step()
    story.region.machines["i-1"].has_daemon = False
    story.step()
    lost = [command.kind for command in story.pending("i-1")]
    story.region.machines["i-1"].has_daemon = True

    story.promote(replica.replica_id)
    story.passes(60, until=lambda: story.active() is None)
    story.passes(30)

    assert lost == [CommandKind.START_SERVING]
    assert [order.status for order in orders(story)] == [CommandStatus.CANCELLED]
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_a_workload_that_a_person_stopped_or_that_starts_slowly_is_left_alone(story: Story) -> None:
    story.region.machines["i-1"].is_serving = False

    story.passes(600, step_seconds=10)

    assert orders(story) == []


def test_a_daemon_that_never_said_whether_it_is_quiesced_is_left_alone(story: Story) -> None:
    story.region.machines["i-1"].is_old = True
    story.fleet.execute(update(instances).values(quiesced=None))
    story.region.machines["i-1"].is_serving = False

    story.passes(600, step_seconds=10)

    assert orders(story) == []


def test_a_daemon_that_is_silent_is_not_told(story: Story) -> None:
    stand_still(story)
    story.region.machines["i-1"].has_daemon = False
    story.fleet.execute(update(instances).values(quiesced=True))
    story.clock.advance(80)

    story.passes(600, step_seconds=10)

    assert orders(story) == []


def test_an_agent_that_is_disabled_is_left_alone_and_a_person_hears_of_it(story: Story) -> None:
    story.set_agent(enabled=False)
    stand_still(story)
    story.passes(600, step_seconds=10)
    seen = (len(orders(story)), told(story))

    story.set_agent(enabled=True)
    story.passes(20)

    assert seen == (0, ["primary_left_quiesced"])
    assert story.region.serving == ["i-1"]


def test_orders_that_do_not_help_become_rarer_and_a_person_hears_of_it_once(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, "check_failed", times=ALWAYS)
    stand_still(story)

    story.passes(3600, step_seconds=10)

    given = [order.issued_at for order in orders(story)]
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(given)]
    assert pauses == sorted(pauses)
    assert 30 <= pauses[0] <= 60
    assert pauses[-1] >= LONGEST_SERVE_PAUSE_SECONDS
    assert told(story) == ["primary_stays_quiesced"]
    assert len({order.request_id for order in orders(story)}) == len(given)


def test_an_order_that_is_never_answered_is_given_again_when_its_time_is_over(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, times=ALWAYS)
    stand_still(story)
    story.passes(140)
    waiting = len(orders(story))
    story.region.failures.clear()
    story.region.machines["i-1"].in_hand.add(orders(story)[0].request_id)

    story.passes(60)

    assert waiting == 1
    assert story.region.serving == ["i-1"]
    assert orders(story)[0].status is CommandStatus.EXPIRED


def test_an_order_whose_answer_is_lost_is_not_given_twice(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, takes_effect=True)
    stand_still(story)

    story.passes(60)

    assert story.region.serving == ["i-1"]
    assert len(orders(story)) == 1
    assert story.region.kinds(CommandKind.START_SERVING) == ["i-1"]


def test_a_primary_that_stands_still_again_after_it_was_helped_is_told_at_once(story: Story) -> None:
    for _ in range(3):
        stand_still(story)
        story.passes(20)

    assert story.region.serving == ["i-1"]
    assert len(orders(story)) == 3
    assert told(story) == []


def test_many_jobs_at_once_give_one_order(story: Story) -> None:
    story.fleet.execute(update(instances).values(quiesced=True))

    at_once([lambda: story.database.write(lambda tx: end_standstill(tx, agent_id=story.agent_id))] * 4)

    assert len(orders(story)) == 1


def test_a_move_and_the_job_at_once_never_let_two_serve(story: Story) -> None:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    replica = story.gets_ready()
    stand_still(story)
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(quiesced=True))

    sweep = lambda: story.database.write(lambda tx: end_standstill(tx, agent_id=story.agent_id))  # noqa: E731
    at_once([sweep, lambda: story.promote(replica.replica_id), sweep])
    story.settles(200)

    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_an_old_side_that_cannot_be_brought_back_does_not_keep_its_move_from_ending(story: Story) -> None:
    story.region.fail(CommandKind.MOVE_ADDRESS, "not_authorized", on="i-2")
    story.region.fail(CommandKind.START_SERVING, "hook_failed", on="i-1", times=7)
    switch = story.switch()

    story.passes(600, until=lambda: story.active() is None)
    ended = (story.reload(switch).status, story.region.serving)
    story.passes(300)

    assert ended == (SwitchStatus.ROLLED_BACK, [])
    assert story.steps(switch)[StepName.QUIESCE].undo_attempt == 5
    assert told(story) == ["primary_stays_quiesced"]
    assert story.region.serving == ["i-1"]
