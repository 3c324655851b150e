"""The control role at work on real databases: claims, answers, crashes, and two leaders at once."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from server_support.clock import FakeClock
from server_support.control_role_stage import LAUNCH, ROLE_ARN, DyingDatabase, Stage
from server_support.memory_aws import failure
from spot_server.db.runner import Database
from spot_server.db.tables import agents
from spot_server.features.commands import ledger
from spot_server.features.commands.actors import Act
from spot_server.features.control_role.jobs import ControlRoleActs
from spot_server.features.control_role.rules import DEADLINE_GRACE_SECONDS
from spot_server.jobs.lease import Lease
from spot_server.jobs.leased_database import LeasedDatabase
from spot_server.words import Actor, CommandKind, CommandStatus


@pytest.fixture
def stage(database: Database, clock: FakeClock) -> Stage:
    return Stage(database, clock)


def test_a_command_is_carried_out_with_the_clients_role_in_the_agents_region(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)

    stage.run()

    command = stage.command(command_id)
    ((role, region),) = stage.gateway.asked
    assert (command.status, command.result["instance_id"]) == (CommandStatus.SUCCEEDED, next(iter(stage.ec2.instances)))
    assert (role.role_arn, role.external_id, region) == (ROLE_ARN, "external-1", "us-east-1")
    assert role.session_name == f"spot-optimizer-{stage.fleet.client_id}"
    assert command.first_delivered_at is not None
    assert command.payload["user_data"] == "removed"


def test_a_daemon_is_never_given_the_control_roles_commands_nor_the_other_way_round(stage: Stage) -> None:
    stage.issue(CommandKind.STANDBY_CHECK, {}, instance_id="i-1", actor=Actor.DAEMON)

    stage.run()

    assert stage.gateway.asked == []


def test_a_long_act_is_looked_at_again_and_holds_up_nothing(stage: Stage) -> None:
    stage.ec2.add_instance("i-1")
    image = stage.issue(CommandKind.CREATE_IMAGE, {"instance_id": "i-1", "image_name": "image-1", "no_reboot": True, "wait_seconds": 1200})
    stage.run()
    launch = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.run_after(1.0)
    early = stage.command(image).status
    stage.ec2.settle()

    stage.run_after(4.0)

    assert stage.command(launch).status is CommandStatus.SUCCEEDED
    assert (early, stage.command(image).status) == (CommandStatus.DELIVERED, CommandStatus.SUCCEEDED)
    assert stage.ec2.calls.count("create_image") == 1


@pytest.mark.parametrize("deadly_write", [1, 2])
def test_a_process_that_dies_before_or_after_the_act_leaves_one_instance_and_one_answer(stage: Stage, deadly_write: int) -> None:
    """1: before the delivery is noted. 2: the act is done and its outcome is lost."""
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.new_process()(stage.context_on(DyingDatabase(stage.database, deadly_write)))
    after_death = stage.command(command_id).status

    stage.run_after(5.0, stage.new_process())

    command = stage.command(command_id)
    assert after_death is (CommandStatus.QUEUED if deadly_write == 1 else CommandStatus.DELIVERED)
    assert (command.status, [command.result["instance_id"]]) == (CommandStatus.SUCCEEDED, list(stage.ec2.instances))
    assert stage.ec2.calls.count("run_instance") == 1


def test_a_new_leader_and_the_old_ones_call_that_is_still_under_way_make_one_instance(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    leases = [Lease(stage.database, holder=name, duration_seconds=10, read_now=lambda tx: tx.now) for name in ("old", "new")]
    old, new = (stage.context_on(LeasedDatabase(stage.database, lease)) for lease in leases)

    def take_over() -> None:
        stage.clock.advance(10)
        assert leases[1].acquire()
        stage.new_process()(new)

    leases[0].acquire()
    stage.ec2.meanwhile["run_instance"] = take_over
    stage.new_process()(old)

    assert stage.command(command_id).status is CommandStatus.SUCCEEDED
    assert (len(stage.ec2.instances), stage.ec2.calls.count("run_instance")) == (1, 2)


def test_a_launch_whose_answer_is_lost_is_found_and_not_repeated(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.ec2.lost.add("run_instance")
    stage.run()
    before = stage.command(command_id).status

    stage.run_after(1.0)

    assert (before, stage.command(command_id).status) == (CommandStatus.DELIVERED, CommandStatus.SUCCEEDED)
    assert len(stage.ec2.instances) == 1


def test_a_lack_of_capacity_is_answered_at_once_so_that_another_place_is_tried(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.ec2.refusals["run_instance"].append(failure("InsufficientInstanceCapacity"))

    stage.run()

    command = stage.command(command_id)
    assert (command.status, command.error_class) == (CommandStatus.FAILED, "capacity")
    assert command.error_code == "InsufficientInstanceCapacity"
    assert stage.assigned(Act.LAUNCH) is Actor.CONTROL_ROLE


def test_throttling_is_waited_out_with_growing_pauses(stage: Stage) -> None:
    stage.ec2.add_instance("i-9")
    command_id = stage.issue(CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-9"})
    stage.ec2.refusals["describe_instance"] += [failure("RequestLimitExceeded")] * 3
    for seconds in (0, 1, 2, 3):
        stage.run_after(seconds)
    too_early = stage.command(command_id).status

    stage.run_after(1)

    assert (too_early, stage.command(command_id).status) == (CommandStatus.DELIVERED, CommandStatus.SUCCEEDED)


def test_waiting_ends_when_the_command_says_so(stage: Stage) -> None:
    stage.ec2.add_instance("i-9")
    command_id = stage.issue(CommandKind.WAIT_TERMINATED, {"instance_id": "i-9", "wait_seconds": 4})
    for seconds in (0, 2, 2):
        stage.run_after(seconds)

    command = stage.command(command_id)

    assert (command.status, command.error_class, command.error_code) == (CommandStatus.FAILED, "race", "still_running")


def test_a_passed_deadline_is_answered_failed_and_nothing_is_begun(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.run_after(150 + DEADLINE_GRACE_SECONDS)
    left_to_its_owner = stage.command(command_id).status

    stage.run_after(0.1)

    command = stage.command(command_id)
    assert (left_to_its_owner, command.status) == (CommandStatus.QUEUED, CommandStatus.FAILED)
    assert (command.error_class, command.error_code, stage.ec2.instances) == ("refused", "deadline_passed", {})


def test_what_was_made_before_the_deadline_is_adopted_after_it(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.new_process()(stage.context_on(DyingDatabase(stage.database, 2)))

    stage.run_after(200.0)

    assert stage.command(command_id).status is CommandStatus.SUCCEEDED


def test_a_command_of_an_older_epoch_is_refused(stage: Stage) -> None:
    stage.ec2.add_instance("i-9")
    command_id = stage.issue(CommandKind.TERMINATE_INSTANCE, {"instance_id": "i-9"})
    stage.fleet.execute(update(agents).values(epoch=stage.agent.epoch + 1))

    stage.run()

    assert stage.command(command_id).error_class == "stale_epoch"
    assert stage.ec2.instances["i-9"].state == "running"


def test_a_command_that_was_withdrawn_is_not_begun(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.database.write(lambda tx: ledger.give_up(tx, command_id, status=CommandStatus.CANCELLED, reason="a test"))

    stage.run()

    assert stage.gateway.asked == []


def test_an_answer_to_a_command_that_was_withdrawn_meanwhile_is_kept_as_evidence(stage: Stage) -> None:
    command_id = stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH)
    stage.ec2.meanwhile["run_instance"] = lambda: stage.database.write(
        lambda tx: ledger.give_up(tx, command_id, status=CommandStatus.EXPIRED, reason="a test")
    )

    stage.run()

    assert stage.command(command_id).result["instance_id"] in stage.ec2.instances


def burst() -> None:
    raise ArithmeticError("nobody thought of it")


def test_a_kind_that_the_role_cannot_do_and_an_error_nobody_thought_of_are_answers(stage: Stage) -> None:
    unknown = stage.issue(CommandKind.QUIESCE, {"bound_seconds": 3})
    broken = stage.issue(CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-9"})
    stage.ec2.meanwhile["describe_instance"] = burst

    stage.run()

    assert (stage.command(unknown).error_class, stage.command(broken).error_class) == ("unknown_kind", "unexpected")
    assert stage.command(broken).error_code == "ArithmeticError"


def test_acts_run_in_threads_of_their_own_and_are_waited_for_at_the_end(stage: Stage) -> None:
    stage.ec2.add_instance("i-9")
    command_ids = [stage.issue(CommandKind.LAUNCH_INSTANCE, LAUNCH), stage.issue(CommandKind.DESCRIBE_INSTANCE, {"instance_id": "i-9"})]
    acts = ControlRoleActs(stage.gateway, most_at_once=8)

    acts(stage.context)
    acts.settle()

    assert [stage.command(command_id).status for command_id in command_ids] == [CommandStatus.SUCCEEDED] * 2
