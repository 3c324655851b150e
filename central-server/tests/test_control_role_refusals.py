"""When the control role is refused or cannot reach AWS: who is told, who stands in, and for how long."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.control_role_stage import LAUNCH, Stage
from server_support.memory_aws import failure
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.db.runner import Database
from spot_server.db.tables import clients
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID, Act
from spot_server.features.commands.attempts import assign, falls_to_role
from spot_server.features.commands.service import CommandOutcome, record_outcome
from spot_server.features.switches.service import SwitchRequest, advance_switch, request_switch
from spot_server.words import Actor, CommandKind, CommandStatus


@pytest.fixture
def stage(database: Database, clock: FakeClock) -> Stage:
    return Stage(database, clock)


def unreachable() -> AwsFailed:
    return AwsFailed(ErrorClass.UNREACHABLE, "ConnectTimeoutError", "no connection")


def test_a_refused_role_is_told_once_and_the_acts_fall_to_the_primary_for_a_while(stage: Stage) -> None:
    stage.gateway.refusal = AwsFailed(ErrorClass.NOT_AUTHORIZED, "AssumeRole.AccessDenied", "no trust")
    usable_before = stage.assigned(Act.TERMINATE)
    command_ids = [stage.issue(CommandKind.LAUNCH_INSTANCE, {**LAUNCH, "client_token": token}) for token in ("token-1", "token-2")]

    stage.run()
    stage.run()

    (text,) = stage.told()
    assert {stage.command(command_id).error_class for command_id in command_ids} == {"not_authorized"}
    assert "AssumeRole (AccessDenied: no trust)" in text
    assert len(stage.gateway.forgotten) == 2
    assert (usable_before, stage.assigned(Act.TERMINATE)) == (Actor.CONTROL_ROLE, Actor.DAEMON)
    stage.clock.advance(299)
    stage.heartbeat()
    assert stage.assigned(Act.TERMINATE) is Actor.DAEMON
    stage.clock.advance(1)
    assert stage.assigned(Act.TERMINATE) is Actor.CONTROL_ROLE


def test_what_one_agent_learned_of_the_role_counts_for_the_clients_others_and_for_no_other_client(stage: Stage) -> None:
    stage.gateway.refusal = AwsFailed(ErrorClass.NOT_AUTHORIZED, "AssumeRole.AccessDenied", "no trust")
    stage.issue(CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-9"})
    stage.run()
    sibling = stage.fleet.agent("web-2", instance_id="i-2")
    stranger = Stage(stage.database, stage.clock)

    chosen = stage.database.write(lambda tx: assign(tx, sibling, Act.CREATE_IMAGE, "i-2"))

    assert chosen is not None
    assert (chosen.actor, stranger.assigned(Act.CREATE_IMAGE)) == (Actor.DAEMON, Actor.CONTROL_ROLE)


def test_a_role_that_cannot_reach_aws_is_passed_over_for_a_minute(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.ec2.refusals["find_by_launch_token"] += [unreachable() for _ in range(20)]
    for _ in range(10):
        stage.run_after(15)
        if stage.command(command_id).status is CommandStatus.FAILED:
            break

    assert stage.command(command_id).error_class == "unreachable"
    assert (stage.assigned(Act.LAUNCH), stage.assigned(Act.CREATE_IMAGE)) == (Actor.DAEMON, Actor.CONTROL_ROLE)
    stage.clock.advance(60)
    assert stage.assigned(Act.LAUNCH) is Actor.CONTROL_ROLE


def test_a_client_whose_role_was_taken_away_is_answered_not_authorized(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.fleet.execute(update(clients).values(aws_role_arn=None))

    stage.run()

    assert (stage.command(command_id).error_class, stage.gateway.asked) == ("not_authorized", [])


def begin_switch(stage: Stage) -> str:
    request = SwitchRequest("request-1", {"mode": "on_demand"}, "test")
    return stage.database.write(lambda tx: request_switch(tx, stage.fleet.client_id, stage.agent.agent_id, request)).switch_id


def advance(stage: Stage, switch_id: str, seconds: float) -> None:
    stage.clock.advance(seconds)
    stage.heartbeat()
    stage.database.write(lambda tx: advance_switch(tx, stage.agent.agent_id, switch_id))


def test_the_first_steps_of_a_switch_are_the_control_roles(stage: Stage) -> None:
    stage.ec2.add_instance("i-1")
    switch_id = begin_switch(stage)
    stage.run()
    stage.ec2.settle()

    stage.run_after(5.0)
    stage.run_after(0.5)

    assert stage.ec2.calls.count("create_image") == stage.ec2.calls.count("run_instance") == 1
    ((request, _instance_id),) = stage.ec2.launches.values()
    assert request.image_id in stage.ec2.images
    assert stage.ec2.image_tags[request.image_id]["spot-optimizer:switch-id"] == switch_id
    assert stage.open_daemon_commands() == []


def test_an_image_that_the_role_may_not_make_is_made_by_the_primary(stage: Stage) -> None:
    stage.ec2.add_instance("i-1")
    stage.ec2.refusals["create_image"].append(failure("UnauthorizedOperation"))
    switch_id = begin_switch(stage)
    stage.run()

    advance(stage, switch_id, 3.0)

    assert stage.open_daemon_commands() == [("i-1", CommandKind.CREATE_IMAGE)]
    assert len(stage.told()) == 1


def test_a_launch_that_the_role_may_not_make_is_made_by_the_primary(stage: Stage) -> None:
    stage.ec2.add_instance("i-1")
    stage.ec2.refusals["run_instance"].append(failure("UnauthorizedOperation"))
    begin_switch(stage)
    stage.run()
    stage.ec2.settle()

    stage.run_after(5.0)
    stage.run_after(0.5)

    assert stage.open_daemon_commands() == [("i-1", CommandKind.LAUNCH_INSTANCE)]
    assert "launch_instance (UnauthorizedOperation" in stage.told()[0]


@pytest.mark.parametrize(("error_class", "seconds"), [("not_authorized", 300), ("unreachable", 60)])
def test_an_address_that_the_new_sides_daemon_cannot_move_is_moved_by_the_role(stage: Stage, error_class: str, seconds: int) -> None:
    own = stage.fleet.instance(stage.agent, "i-1").instance_id
    before = mover(stage, own)

    command_id = fail_to_move(stage, own, own, Actor.DAEMON, error_class)

    assert (before, mover(stage, own)) == (Actor.DAEMON, Actor.CONTROL_ROLE)
    assert mover(stage, own, Act.MOVE_RECORD) is (Actor.CONTROL_ROLE if error_class == "unreachable" else Actor.DAEMON)
    is_asked_again_only_for_the_role = stage.database.read(lambda tx: falls_to_role(tx, stage.agent, stage.command(command_id)))
    assert is_asked_again_only_for_the_role == (error_class == "not_authorized")
    stage.clock.advance(seconds + 1)
    stage.heartbeat()
    assert mover(stage, own) is Actor.DAEMON


def test_a_daemon_that_did_not_reach_aws_is_asked_again_where_the_role_does_not_either(stage: Stage) -> None:
    own = stage.fleet.instance(stage.agent, "i-1").instance_id
    fail_to_move(stage, own, own, Actor.DAEMON, "unreachable")
    fail_to_move(stage, own, CONTROL_ROLE_INSTANCE_ID, Actor.CONTROL_ROLE, "unreachable")

    assert mover(stage, own) is Actor.DAEMON


def fail_to_move(stage: Stage, target: str, instance_id: str, actor: Actor, error_class: str) -> str:
    """Let somebody fail to move the address to an instance, and return the command."""
    move = {"allocation_id": "eipalloc-1", "instance_id": target}
    command_id = stage.issue(CommandKind.MOVE_ADDRESS, move, instance_id=instance_id, actor=actor)
    error = {"class": error_class, "code": "AsItCame", "message": "no"}
    failed = CommandOutcome(stage.command(command_id).request_id, "failed", error, {}, None, None)
    stage.database.write(lambda tx: record_outcome(tx, stage.agent.agent_id, instance_id, command_id, failed))
    return command_id


def mover(stage: Stage, instance_id: str, act: Act = Act.MOVE_ADDRESS) -> Actor | None:
    chosen = stage.database.write(lambda tx: assign(tx, stage.agent, act, instance_id))
    return None if chosen is None else chosen.actor
