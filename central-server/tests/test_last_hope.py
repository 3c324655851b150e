"""A launch that nobody answered was given up, its instance comes late, and nothing else of the agent lives: it is let in after all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from server_support.clock import FakeClock
from server_support.rescues import COMPLETED, FAILED, assert_rescued, given_up, racing_story, statuses
from server_support.story import Story
from spot_server.db.tables import audit_logs, commands, instances
from spot_server.features.sweeper.holds import note_restore
from spot_server.words import CommandKind, ReplicaStatus

BOOT_BOUND_SECONDS = 900


@pytest.fixture
def story(engine: Any, clock: FakeClock) -> Story:
    """The answer to the launch is lost, the PRIMARY goes, and what it launched is not up before the launch is given up."""
    story = racing_story(engine, clock)
    story.region.launches_boot = False
    story.region.fail(CommandKind.LAUNCH_INSTANCE, None, times=1000, takes_effect=True)
    story.notice(lead_seconds=30)
    return story


def is_abandoned(story: Story) -> bool:
    return statuses(story)[-1] is FAILED and given_up(story) is not None and all(not one.is_live for one in story.replicas())


def waits_until_given_up(story: Story) -> None:
    story.passes(5 * BOOT_BOUND_SECONDS, until=lambda: is_abandoned(story))
    assert is_abandoned(story)

    assert story.roles == {"i-1": "PRIMARY"}


def boots(story: Story, instance_id: str = "i-2") -> None:
    story.region.machines[instance_id].has_daemon = True


def test_it_is_let_in_and_the_rescue_goes_to_it(story: Story) -> None:
    waits_until_given_up(story)

    boots(story)
    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert_rescued(story, "i-2")
    assert [(one.status, one.instance_id) for one in story.replicas()][-1] == (ReplicaStatus.PROMOTED, "i-2")
    assert story.fleet.scalars(select(audit_logs.c.instance_id).where(audit_logs.c.action == "instance.taken_after_all")) == ["i-2"]


def test_a_rescue_whose_launch_nobody_can_be_asked_for_takes_it_without_giving_up_before(story: Story) -> None:
    story.passes(2 * BOOT_BOUND_SECONDS, until=lambda: len(story.replicas()) == 2)
    boots(story)

    story.passes(120, until=lambda: statuses(story)[-1] is COMPLETED)

    assert statuses(story) == [FAILED, COMPLETED]
    assert [one.instance_id for one in story.replicas()] == ["i-2", "i-2"]
    assert_rescued(story, "i-2")


def test_one_that_was_turned_away_is_let_in_as_soon_as_it_is_all_that_is_left(story: Story) -> None:
    waits_until_given_up(story)
    story.set_agent(enabled=False)
    boots(story)
    story.passes(10)
    before = story.roles["i-2"]
    story.set_agent(enabled=True)

    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert before == "ZOMBIE"
    assert_rescued(story, "i-2")
    assert story.fleet.scalars(select(instances.c.stray_reason).where(instances.c.instance_id == "i-2")) == [None]


def test_it_goes_on_after_a_restart_with_the_nonce_that_it_came_with(story: Story) -> None:
    waits_until_given_up(story)
    boots(story)
    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    story.region.machines["i-2"].is_registered = False
    story.passes(30)

    assert story.region.machines["i-2"].is_registered
    assert_rescued(story, "i-2")


def was_told(story: Story, number: int, **values: Any) -> None:
    """An order to end i-2, as one that was given to a daemon would stand in the books."""
    launch = next(command for command in story.commands() if command.kind is CommandKind.LAUNCH_INSTANCE)
    kind = CommandKind.TERMINATE_INSTANCE
    values = {"command_id": f"told-{number}", "kind": kind, "request_id": f"terminate_instance/i-2/{number}", **values}
    copied = [column.name for column in commands.columns if column.name not in values]
    told = select(*(commands.c[name] for name in copied)).where(commands.c.command_id == launch.command_id)
    row = story.fleet.database.read(lambda tx: tx.execute(told).one()._asdict())
    story.fleet.execute(insert(commands).values({**row, **values}))


def test_one_whose_end_somebody_was_told_to_bring_stays_away(story: Story) -> None:
    """Whoever was told may be silent and come back, also when another was asked after it: what serves by then would be ended."""
    waits_until_given_up(story)
    was_told(story, 1, first_delivered_at=story.clock.now(), outcome=None)
    was_told(story, 2, first_delivered_at=None, outcome=None)

    boots(story)
    story.passes(120)

    assert story.roles["i-2"] == "ZOMBIE"
    assert story.region.serving == []


def test_one_whose_end_was_refused_to_whoever_was_told_is_let_in(story: Story) -> None:
    waits_until_given_up(story)
    was_told(story, 1, first_delivered_at=story.clock.now(), outcome={"outcome": "failed", "error": {"error_class": "not_authorized"}})

    boots(story)
    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    assert_rescued(story, "i-2")


def test_nobody_is_let_in_while_the_database_may_be_older_than_the_world(story: Story) -> None:
    """The instance that serves may be one that it has lost."""
    waits_until_given_up(story)
    story.fleet.database.write(lambda tx: note_restore(tx, story.agent, "i-9", 5))

    boots(story)
    story.passes(120)

    assert story.roles["i-2"] == "ZOMBIE"
    assert story.region.serving == []


def test_the_second_that_comes_is_turned_away(story: Story) -> None:
    """Both were launched for the same agent; one of them is enough."""
    waits_until_given_up(story)
    others = sorted(set(story.region.machines) - {"i-1", "i-2"})
    boots(story)
    story.passes(300, until=lambda: statuses(story)[-1] is COMPLETED)

    for instance_id in others:
        boots(story, instance_id)
    story.passes(60)

    assert story.region.serving == ["i-2"]
    assert {story.roles.get(instance_id, "ZOMBIE") for instance_id in others} <= {"ZOMBIE", "TERMINATED"}


def test_a_disabled_agent_takes_nobody_in(story: Story) -> None:
    waits_until_given_up(story)
    story.set_agent(enabled=False)

    boots(story)
    story.passes(120)

    assert story.roles["i-2"] == "ZOMBIE"


def test_when_the_primary_turns_out_to_be_there_the_newcomer_is_given_up_after_the_hold(story: Story) -> None:
    story.region.machines["i-1"].taken_away_at = None
    story.passes(10)
    story.region.machines["i-1"].has_daemon = False
    waits_until_given_up(story)
    boots(story)
    story.region.machines["i-1"].has_daemon = True
    story.passes(30)
    held = story.roles["i-2"]

    story.passes(timedelta(hours=1).total_seconds())

    assert held == "REPLICA"
    assert story.region.serving == ["i-1"]
    assert story.roles["i-2"] == "TERMINATED"
    assert story.region.violations == []
