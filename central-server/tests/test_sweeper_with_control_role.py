"""The sweeper where a client gave a control role: EC2's own word, also where no daemon is left to look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from sqlalchemy import literal_column, select, update

from server_support.clock import START, FakeClock
from server_support.control_role_stage import Stage
from server_support.memory_aws import failure
from spot_server.aws.ports import AddressFacts
from spot_server.db.runner import Database
from spot_server.db.tables import agents, cleanup_logs, commands, instances, notifications, replica_instances
from spot_server.features.commands.queries import Command
from spot_server.features.replicas.jobs import sweep_replicas
from spot_server.features.sweeper.jobs import Sweeper
from spot_server.features.sweeper.rules import SweepPolicy
from spot_server.words import Actor, ReplicaStatus


@pytest.fixture
def stage(database: Database, clock: FakeClock) -> Stage:
    return Stage(database, clock)


def leave_behind(stage: Stage, instance_id: str = "i-2", changed: Mapping[str, str] | None = None) -> None:
    """A launch whose replica has ended, an hour ago; its instance runs."""
    launched = stage.fleet.launched_replica(stage.agent, instance_id=None)
    values = {"status": ReplicaStatus.TERMINATED, "ended_at": stage.clock.now(), "client_token": "token-1"}
    stage.fleet.execute(update(replica_instances).where(replica_instances.c.replica_id == launched.replica_id).values(**values))
    tags = {
        "spot-optimizer:managed": "true",
        "spot-optimizer:client-id": stage.fleet.client_id,
        "spot-optimizer:agent-id": stage.agent.agent_id,
        "spot-optimizer:replica-id": launched.replica_id,
        "spot-optimizer:launch-token": "token-1",
        "spot-optimizer:epoch": "1",
        **(changed or {}),
    }
    launched_at = stage.clock.now() - timedelta(hours=1)
    stage.ec2.add_instance(instance_id, tags=tags, client_token="token-1", launched_at=launched_at)


def sweep(stage: Stage) -> str:
    return Sweeper(stage.gateway, SweepPolicy())(stage.context)


def until_it_rests(stage: Stage) -> None:
    """The jobs that carry a termination out, with EC2 in between."""
    for _ in range(6):
        stage.run()
        stage.ec2.settle()
        stage.clock.advance(20)
        sweep_replicas(stage.context)


def logged(stage: Stage) -> list[str]:
    return stage.fleet.scalars(select(cleanup_logs.c.request_id))


def told(stage: Stage, kind: str) -> list[str]:
    return stage.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def test_an_instance_that_nobody_owns_is_found_and_terminated_by_the_role_though_every_daemon_is_silent(stage: Stage) -> None:
    leave_behind(stage)
    stage.fleet.execute(update(instances).values(last_heartbeat_at=START - timedelta(days=1)))

    sentence = sweep(stage)
    until_it_rests(stage)

    assert sentence == "retired 1"
    assert stage.ec2.instances["i-2"].state == "terminated"
    assert {command.actor for command in _terminations(stage)} == {Actor.CONTROL_ROLE}
    assert stage.fleet.scalars(select(cleanup_logs.c.instance_id)) == ["control-role"]


def _terminations(stage: Stage) -> list[Command]:
    ids = stage.fleet.scalars(select(commands.c.command_id).where(commands.c.kind == "terminate_instance"))
    return [stage.command(command_id) for command_id in ids]


def test_a_stray_of_a_deleted_agent_is_found_too(stage: Stage) -> None:
    leave_behind(stage)
    stage.fleet.delete(stage.agent)

    sweep(stage)
    until_it_rests(stage)

    assert stage.ec2.instances["i-2"].state == "terminated"


def test_whoever_holds_an_address_of_the_account_is_left_alone(stage: Stage) -> None:
    leave_behind(stage)
    stage.ec2.addresses["eipalloc-9"] = AddressFacts("eipalloc-9", "192.0.2.9", "i-2", "eipassoc-9")

    for _ in range(2):
        sweep(stage)
    until_it_rests(stage)

    (text,) = told(stage, "stray_quarantined")
    assert "holds an address" in text
    assert stage.ec2.instances["i-2"].state == "running"


def test_what_the_tags_of_another_client_name_is_none_of_ours(stage: Stage) -> None:
    leave_behind(stage, changed={"spot-optimizer:client-id": "another"})

    assert sweep(stage) == ""
    assert logged(stage) == []


def test_an_agent_of_another_client_that_the_tags_name_is_not_touched_and_the_instance_is_told_of(stage: Stage) -> None:
    other = Stage(stage.database, stage.clock)
    leave_behind(stage, changed={"spot-optimizer:agent-id": other.agent.agent_id})

    assert sweep(stage) == "told of 1"
    assert logged(stage) == []


def test_a_role_that_may_not_look_is_told_once_a_day_and_is_asked_again(
    stage: Stage,
) -> None:
    leave_behind(stage)
    stage.ec2.refusals["find_managed"] += [failure("UnauthorizedOperation")] * 2

    for _ in range(2):
        sweep(stage)
    before = logged(stage)
    sweep(stage)

    assert len(told(stage, "control_role_refused")) == 1
    assert stage.gateway.forgotten
    assert before == []
    assert logged(stage) == ["sweep/retired/i-2/1"]


@pytest.mark.parametrize("call", ["find_managed", "address_holders"])
def test_an_aws_that_is_away_is_asked_again_in_the_next_round(stage: Stage, call: str) -> None:
    leave_behind(stage)
    stage.ec2.refusals[call] += [failure("ServiceUnavailable")]

    first, second = sweep(stage), sweep(stage)

    assert (first, second) == ("", "retired 1")
    assert told(stage, "control_role_refused") == []


def report_volume(stage: Stage, instance_id: str) -> None:
    """The daemon of this instance tells of a volume that is attached to nothing."""
    resources = {"instances": [], "images": [], "volumes": [{"volume_id": f"vol-{instance_id}", "state": "available"}], "age_seconds": 0.0}
    values = {"reported_resources": resources, "last_heartbeat_at": stage.clock.now()}
    stage.fleet.execute(update(instances).where(instances.c.instance_id == instance_id).values(values))


def test_a_look_that_fails_unforeseen_does_not_keep_from_the_sweep_what_the_daemons_saw(stage: Stage) -> None:
    report_volume(stage, "i-1")
    stage.ec2.refusals["find_managed"] = [ValueError("an answer that botocore cannot read")]

    with pytest.raises(ExceptionGroup):
        sweep(stage)

    assert ["vol-i-1" in text for text in told(stage, "stray_quarantined")] == [True]


def test_an_agent_on_which_the_sweep_stumbles_does_not_keep_the_others_from_theirs(stage: Stage) -> None:
    """Its row cannot be read; its volume comes before the instance of the other agent."""
    broken = stage.fleet.agent("broken-1", instance_id="i-9")
    report_volume(stage, "i-9")
    stage.fleet.execute(update(agents).where(agents.c.agent_id == broken.agent_id).values(traffic_handles=literal_column("'{'")))
    leave_behind(stage)

    with pytest.raises(ExceptionGroup):
        sweep(stage)

    assert logged(stage) == ["sweep/retired/i-2/1"]
