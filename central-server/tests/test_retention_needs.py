"""What something that is kept needs is kept with it, however old it is."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select, update

from server_support.clock import FakeClock
from server_support.history import ROWS_PER_MOVE, store_history
from server_support.retention import AGES, DAY, NAMED, job_context, names, run
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import (
    agent_images,
    audit_logs,
    commands,
    instances,
    replica_instances,
    spot_interruption_events,
    switch_steps,
    switches,
)
from spot_server.features.agents.jobs import release_deleted_agents
from spot_server.features.agents.service import delete_agent
from spot_server.features.instances.queries import find_instance_of_client
from spot_server.words import CommandKind, CommandStatus, ReplicaStatus, Role, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """An agent that runs well, and eight moves that it made in the last year or so."""
    story = Story.on(database, clock, has_image=True)
    store_history(story, AGES)
    return story


@pytest.mark.parametrize(("age_days", "is_kept"), [(29, True), (31, False)])
def test_the_record_of_an_instance_goes_a_month_after_its_end_where_nothing_names_it_any_more(
    database: Database, clock: FakeClock, age_days: int, is_kept: bool
) -> None:
    story = Story.on(database, clock, has_image=True)
    store_history(story, [age_days * DAY])

    run(story, clock, audit_retention_days=1, switch_retention_days=1)

    assert names(story, instances.c.instance_id) == (NAMED[:1] if is_kept else [])


@pytest.mark.parametrize("keeps", ["audit_retention_days", "switch_retention_days"])
def test_an_instance_that_a_kept_row_names_stays_readable(story: Story, clock: FakeClock, keeps: str) -> None:
    short = {"audit_retention_days": 1, "switch_retention_days": 1, keeps: 250}

    run(story, clock, **short)

    assert names(story, instances.c.instance_id) == NAMED[2:]
    read = story.database.read(lambda tx: find_instance_of_client(tx, story.fleet.client_id, "i-old-0002"))
    assert read.role is Role.TERMINATED


def test_a_row_that_names_it_out_of_its_time_keeps_an_instance_too(story: Story, clock: FakeClock) -> None:
    first = audit_logs.c.instance_id == "i-old-0000"
    story.fleet.execute(update(audit_logs).where(first).values(at=clock.now()))

    run(story, clock)

    assert names(story, instances.c.instance_id) == ["old-0000", *NAMED[4:]]


def test_an_instance_that_ec2_still_has_is_never_swept_by_age(story: Story, clock: FakeClock) -> None:
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-old-0000").values(role=Role.ZOMBIE, terminated_at=None))

    run(story, clock)

    assert names(story, instances.c.instance_id) == ["old-0000", *NAMED[4:]]
    assert names(story, replica_instances.c.replica_id) == ["old-0000", *NAMED[4:]]
    assert names(story, spot_interruption_events.c.event_id)[0] == "old-0000"


def test_where_nobody_is_primary_the_last_instances_stay_for_a_rescue_to_look_at(story: Story, clock: FakeClock) -> None:
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(role=Role.ZOMBIE, primary_of=None))

    run(story, clock)
    alive = names(story, instances.c.instance_id)
    story.set_agent(deleted_at=clock.now())
    run(story, clock)

    assert alive == NAMED
    assert names(story, instances.c.instance_id) == NAMED[4:]


@pytest.mark.parametrize("state", ["moving", "retiring"])
def test_a_switch_that_is_not_over_is_kept_with_all_that_it_needs(story: Story, clock: FakeClock, state: str) -> None:
    first = switches.c.switch_id == "old-0000"
    if state == "moving":
        story.fleet.execute(update(switches).where(first).values(active_key=story.agent_id, status=SwitchStatus.RUNNING))
    else:
        where = (switch_steps.c.switch_id == "old-0000", switch_steps.c.name == StepName.RETIRE)
        story.fleet.execute(update(switch_steps).where(*where).values(status=StepStatus.RUNNING))

    run(story, clock)

    for column in (switches.c.switch_id, switch_steps.c.switch_id, replica_instances.c.replica_id, instances.c.instance_id):
        assert names(story, column) == ["old-0000", *NAMED[4:]], column
    assert names(story, spot_interruption_events.c.event_id) == NAMED
    kept = story.fleet.scalars(select(commands.c.command_id).where(commands.c.switch_id == "old-0000"))
    assert len(kept) == ROWS_PER_MOVE[switch_steps]


def test_the_replica_that_a_primary_once_was_stays_with_it_and_so_does_its_launch(story: Story, clock: FakeClock) -> None:
    values = {"instance_id": "i-1", "status": ReplicaStatus.PROMOTED, "ended_at": None, "launch_command_id": "old-0000-1"}
    story.fleet.execute(update(replica_instances).where(replica_instances.c.replica_id == "old-0000").values(values))
    story.fleet.execute(update(commands).where(commands.c.command_id == "old-0000-1").values(replica_id="old-0000"))

    run(story, clock)

    assert names(story, replica_instances.c.replica_id) == ["old-0000", *NAMED[4:]]
    assert story.fleet.scalars(select(commands.c.command_id).where(commands.c.replica_id == "old-0000")) == ["old-0000-1"]


def test_a_promoted_replica_goes_after_its_instance(story: Story, clock: FakeClock) -> None:
    story.fleet.execute(update(replica_instances).values(status=ReplicaStatus.PROMOTED, ended_at=None))

    run(story, clock)

    assert names(story, replica_instances.c.replica_id) == NAMED[4:]


def test_an_open_command_is_never_deleted(story: Story, clock: FakeClock) -> None:
    values = {"status": CommandStatus.DELIVERED, "open_instance_id": "i-1", "finished_at": None, "switch_id": None}
    story.fleet.execute(update(commands).where(commands.c.command_id == "old-0000-1").values(values))

    run(story, clock)

    assert "old-0000-1" in story.fleet.scalars(select(commands.c.command_id))


def test_attempts_stay_for_as_long_as_there_is_what_they_were_made_at(story: Story, clock: FakeClock) -> None:
    values = {"request_id": "serve/registered/i-1/1/7", "switch_id": None}
    story.fleet.execute(update(commands).where(commands.c.command_id == "old-0000-1").values(values))

    run(story, clock)
    alive = story.fleet.scalars(select(commands.c.command_id).where(commands.c.command_id == "old-0000-1"))
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(role=Role.TERMINATED))
    run(story, clock)

    assert alive == ["old-0000-1"]
    assert "old-0000-1" not in story.fleet.scalars(select(commands.c.command_id))


def test_a_deleted_agent_s_daemon_is_not_told_to_stop_once_more_when_the_first_time_is_long_ago(story: Story, clock: FakeClock) -> None:
    story.database.write(lambda tx: delete_agent(tx, story.fleet.client_id, story.agent_id, by="tester", reason=""))
    (release,) = [command for command in story.pending("i-1") if command.kind is CommandKind.RELEASE]
    story.execute(story.region.machines["i-1"], release)
    clock.advance((200 * DAY).total_seconds())

    run(story, clock)
    said = release_deleted_agents(job_context(story.database, clock))

    assert said == ""
    assert story.issued("release") == ["i-1"]


def test_no_kept_row_misses_what_it_needs_whatever_the_settings_are(story: Story, clock: FakeClock) -> None:
    for audit, switch, interruption, instance in [(1, 190, 1, 1), (250, 1, 1, 1), (1, 1, 400, 1), (61, 61, 61, 400), (32, 1, 180, 32)]:
        keeps = {"audit_retention_days": audit, "switch_retention_days": switch}
        run(story, clock, **keeps, interruption_retention_days=interruption, terminated_instance_retention_days=instance)

        for needing, column in (
            (switches.c.from_instance_id, instances.c.instance_id),
            (audit_logs.c.instance_id, instances.c.instance_id),
            (switches.c.replica_id, replica_instances.c.replica_id),
            (instances.c.replica_id, replica_instances.c.replica_id),
            (switches.c.interruption_event_id, spot_interruption_events.c.event_id),
            (switch_steps.c.command_id, commands.c.command_id),
            (switch_steps.c.switch_id, switches.c.switch_id),
        ):
            needed = {value for value in story.fleet.scalars(select(needing)) if value is not None and "old" in value}
            assert needed <= set(story.fleet.scalars(select(column))), (needing, keeps)


def test_images_that_are_gone_go_with_what_was_launched_from_them(story: Story, clock: FakeClock) -> None:
    at = clock.now() - 300 * DAY
    for number, image_id in enumerate(["ami-gone", "ami-used", "ami-kept"]):
        values = {"agent_id": story.agent_id, "client_id": story.fleet.client_id, "image_id": image_id, "image_name": image_id}
        times = {"started_at": at, "available_at": at, "deregistered_at": None if number == 2 else at}
        story.fleet.execute(insert(agent_images).values(**values, **times, snapshot_ids=[]))
    story.fleet.execute(update(switches).where(switches.c.switch_id == "old-0005").values(image_id="ami-used"))

    run(story, clock)

    assert sorted(story.fleet.scalars(select(agent_images.c.image_id))) == ["ami-good", "ami-kept", "ami-used"]
