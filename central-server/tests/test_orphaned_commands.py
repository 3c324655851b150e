"""A command that nobody will answer is closed with the reason, and a launch's nonce is forgotten as soon as nothing waits for it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select, update

from server_support.at_once import at_once
from server_support.clock import START, FakeClock
from server_support.counting import Cost, counted
from server_support.slow_launches import carry_out, take_launch
from server_support.story import Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import agents, commands, events, instances, replica_instances
from spot_server.features.agents.service import delete_agent
from spot_server.features.commands.jobs import close_orphaned_commands
from spot_server.features.commands.queries import Command
from spot_server.features.commands.rules import DEADLINE_PATIENCE, RELEASE_PATIENCE, OpenCommandFacts, why_to_close
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import Actor, ClosedBecause, CommandKind, CommandStatus, ReplicaStatus, Role

LAUNCH = CommandKind.LAUNCH_INSTANCE
LONG_SECONDS = 1000.0

open_commands = st.builds(
    OpenCommandFacts,
    kind=st.sampled_from(CommandKind),
    actor=st.sampled_from(Actor),
    issued_at=st.integers(0, 100).map(lambda days: START - timedelta(days=days)),
    deadline_at=st.none() | st.integers(-72, 72).map(lambda hours: START + timedelta(hours=hours)),
    instance_role=st.none() | st.sampled_from(Role),
    is_owner_waiting=st.booleans(),
    had_owner=st.booleans(),
    is_daemon_dismissed=st.booleans(),
)


@given(open_commands)
def test_silence_alone_closes_nothing_that_may_still_be_answered_or_asked_anew(facts: OpenCommandFacts) -> None:
    because = why_to_close(facts, START)

    if facts.is_owner_waiting:
        assert because is None
    match because:
        case ClosedBecause.INSTANCE_TERMINATED:
            assert (facts.instance_role, facts.actor) == (Role.TERMINATED, Actor.DAEMON)
        case ClosedBecause.AGENT_DELETED:
            assert facts.is_daemon_dismissed or (facts.kind is CommandKind.RELEASE and START - facts.issued_at >= RELEASE_PATIENCE)
        case ClosedBecause.NOBODY_WAITS:
            assert facts.had_owner
        case ClosedBecause.DEADLINE_PASSED:
            assert facts.deadline_at is not None
            assert START - facts.deadline_at >= DEADLINE_PATIENCE
            assert facts.kind is not CommandKind.DEMOTE
        case None:
            assert facts.is_owner_waiting or not (facts.had_owner and facts.kind is not CommandKind.RELEASE)


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True, create_snapshot_on_switch=False, terminate_wait_seconds=60)


def close(story: Story) -> tuple[str, Cost]:
    context = JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger())
    with counted(story.database.engine) as cost:
        said = close_orphaned_commands(context)
    return said, cost


def give(story: Story, kind: CommandKind, instance_id: str = "i-1", deadline_seconds: float | None = 60.0) -> str:
    """An open command that was delivered, for no move and no replica."""
    now = story.clock.now()
    command_id = f"{kind}-{instance_id}"
    values = {
        "client_id": story.fleet.client_id,
        "agent_id": story.agent_id,
        "instance_id": instance_id,
        "open_instance_id": instance_id,
        "request_id": f"given/{command_id}",
        "kind": kind,
        "actor": Actor.DAEMON,
        "priority": 25,
        "epoch": 1,
        "payload": {},
        "payload_sha256": "",
        "status": CommandStatus.DELIVERED,
        "issued_at": now,
        "deadline_at": None if deadline_seconds is None else now + timedelta(seconds=deadline_seconds),
    }
    story.fleet.execute(insert(commands).values(command_id=command_id, **values))
    return command_id


def one(story: Story, command_id: str) -> Command:
    return next(command for command in story.commands() if command.command_id == command_id)


def kept_nonces(story: Story) -> list[str]:
    """What commands still hold of launch nonces."""
    return [text for text in map(json.dumps, story.fleet.scalars(select(commands.c.payload))) if "so_nonce_" in text]


def test_a_command_to_an_instance_that_ec2_calls_gone_is_closed_with_that_reason(story: Story) -> None:
    command_id = give(story, CommandKind.SALVAGE_VOLUMES)
    where = (instances.c.agent_id == story.agent_id, instances.c.instance_id == "i-1")
    story.fleet.execute(update(instances).where(*where).values(role=Role.TERMINATED, primary_of=None))

    said, _ = close(story)

    closed = one(story, command_id)
    (told,) = story.fleet.scalars(select(events.c.data).where(events.c.kind == "command_given_up"))
    assert said == "closed 1 commands that nobody will answer"
    assert (closed.status, closed.closed_because, closed.outcome) == (CommandStatus.EXPIRED, ClosedBecause.INSTANCE_TERMINATED, None)
    assert (told["command_id"], told["because"]) == (command_id, "instance_terminated")


def test_a_command_that_a_dying_instance_never_answered_ends_with_the_instance(story: Story) -> None:
    story.region.fail(CommandKind.SALVAGE_VOLUMES, None, times=99)
    story.notice()

    story.settles(400)

    (salvage,) = [command for command in story.commands() if command.kind is CommandKind.SALVAGE_VOLUMES]
    assert (salvage.status, salvage.closed_because) == (CommandStatus.EXPIRED, ClosedBecause.INSTANCE_TERMINATED)


def test_a_command_to_a_daemon_that_is_only_silent_stays_open_until_a_day_after_its_deadline(story: Story, clock: FakeClock) -> None:
    late, whenever = give(story, CommandKind.SALVAGE_VOLUMES), give(story, CommandKind.DEMOTE)
    story.region.machines["i-1"].has_daemon = False
    clock.advance(DEADLINE_PATIENCE.total_seconds())
    silent, _ = close(story)

    clock.advance(61)
    said, _ = close(story)

    assert (silent, said) == ("", "closed 1 commands that nobody will answer")
    assert one(story, late).closed_because is ClosedBecause.DEADLINE_PASSED
    assert one(story, whenever).is_open


def test_a_deleted_agent_s_other_commands_end_when_its_daemon_has_stopped(story: Story) -> None:
    other = give(story, CommandKind.DESCRIBE_INSTANCE)
    story.database.write(lambda tx: delete_agent(tx, story.fleet.client_id, story.agent_id, by="tester", reason=""))
    before, _ = close(story)
    release = next(command for command in story.pending("i-1") if command.kind is CommandKind.RELEASE)
    carry_out(story, release)

    close(story)

    assert before == ""
    assert one(story, other).closed_because is ClosedBecause.AGENT_DELETED
    assert one(story, release.command_id).status is CommandStatus.SUCCEEDED


def test_a_deleted_agent_s_daemon_is_told_to_stop_for_a_month_and_not_for_ever(story: Story, clock: FakeClock) -> None:
    story.region.machines["i-1"].has_daemon = False
    story.database.write(lambda tx: delete_agent(tx, story.fleet.client_id, story.agent_id, by="tester", reason=""))
    clock.advance((RELEASE_PATIENCE - timedelta(seconds=1)).total_seconds())
    close(story)
    still_told = [command.kind for command in story.pending("i-1")]

    clock.advance(1)
    close(story)

    (release,) = story.commands()
    assert still_told == [CommandKind.RELEASE]
    assert release.closed_because is ClosedBecause.AGENT_DELETED
    assert story.pending("i-1") == []


def test_a_launch_that_was_delivered_and_never_answered_ends_with_its_replica_and_its_nonce_is_forgotten(story: Story) -> None:
    switch = story.switch()
    command = take_launch(story)
    story.cancel(switch)
    waiting = (one(story, command.command_id).is_open, len(kept_nonces(story)))

    story.passes(LONG_SECONDS, step_seconds=30)

    closed = one(story, command.command_id)
    assert waiting == (True, 1)
    assert story.replicas()[0].ended_at is not None
    assert (closed.status, closed.closed_because) == (CommandStatus.EXPIRED, ClosedBecause.NOBODY_WAITS)
    assert kept_nonces(story) == []
    assert story.pending("i-1") == []


def test_the_sweep_ends_a_launch_whose_replica_has_ended_in_whatever_way(story: Story) -> None:
    story.switch()
    command = take_launch(story)
    story.fleet.execute(update(replica_instances).values(status=ReplicaStatus.FAILED, ended_at=story.clock.now()))

    close(story)

    assert one(story, command.command_id).closed_because is ClosedBecause.NOBODY_WAITS
    assert kept_nonces(story) == []


def registers(story: Story) -> None:
    """Let time pass until the replica's instance has registered."""
    story.passes(400, until=lambda: any(replica.registered_at is not None for replica in story.replicas()))


def test_an_instance_that_registers_before_its_launch_is_answered_has_the_nonce_forgotten(story: Story) -> None:
    story.switch()
    command = take_launch(story)
    machine = story.region.machines["i-1"]
    launched = story.region._launch(machine, command.payload, story.clock.now())
    story.region.fail(LAUNCH, None, times=99)
    registers(story)
    held = kept_nonces(story)

    machine.in_hand.clear()
    status = story.post("i-1", command, launched)
    story.settles(400)

    assert held == []
    assert status is CommandStatus.EXPIRED
    assert {command.closed_because for command in story.commands() if command.kind is LAUNCH and command.is_open} == set()
    assert [replica.instance_id for replica in story.replicas()] == ["i-2"]
    assert story.region.serving == ["i-2"]


def test_a_nonce_that_was_kept_for_another_try_is_forgotten_when_the_instance_registers(story: Story) -> None:
    story.switch()
    command = take_launch(story)
    machine = story.region.machines["i-1"]
    story.region._launch(machine, command.payload, story.clock.now())
    story.region.fail(LAUNCH, "unreachable", times=99)
    carry_out(story, command)
    kept = kept_nonces(story)

    registers(story)

    assert len(kept) == 1
    assert kept_nonces(story) == []
    assert len(story.region.launched_by_token) == 1


def test_what_a_move_waits_for_is_left_to_the_move(story: Story) -> None:
    story.switch()
    take_launch(story)
    story.fleet.execute(update(commands).values(deadline_at=story.clock.now() - timedelta(days=2)))

    said, cost = close(story)

    assert (said, cost) == ("", Cost(reads=1, writes=0, statements=1))


def test_a_fleet_at_work_and_one_at_rest_cost_one_statement(story: Story) -> None:
    give(story, CommandKind.DESCRIBE_INSTANCE)

    assert close(story) == ("", Cost(reads=1, writes=0, statements=1))


def test_two_sweeps_at_once_close_each_command_once(engine: Engine, clock: FakeClock) -> None:
    story = Story.on(Database(engine, clock=clock, sleeper=SystemClock()), clock, has_image=True)
    for kind in (CommandKind.SALVAGE_VOLUMES, CommandKind.DESCRIBE_INSTANCE, CommandKind.DEMOTE):
        give(story, kind)
    where = (instances.c.agent_id == story.agent_id, instances.c.instance_id == "i-1")
    story.fleet.execute(update(instances).where(*where).values(role=Role.TERMINATED, primary_of=None))

    context = JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger())
    at_once([lambda: close_orphaned_commands(context)] * 2)

    told = story.fleet.scalars(select(events.c.data).where(events.c.kind == "command_given_up"))
    assert sorted(data["command"] for data in told) == ["demote", "describe_instance", "salvage_volumes"]


def test_a_deletion_leaves_nothing_open_for_other_agents_to_be_told(story: Story) -> None:
    stranger = story.fleet.agent("web-2", instance_id="i-9")
    story.fleet.execute(update(agents).where(agents.c.agent_id == stranger.agent_id).values(deleted_at=story.clock.now()))
    mine = give(story, CommandKind.DESCRIBE_INSTANCE)

    said, _ = close(story)

    assert said == ""
    assert one(story, mine).is_open
