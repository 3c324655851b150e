"""A planned move, from the request to the retirement of the old instance."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.counting import Cost, counted
from server_support.story import ADDRESS, Story
from spot_server.db.runner import Database
from spot_server.db.tables import commands
from spot_server.errors import MoveRefused, RequestIdReused, SwitchInProgress
from spot_server.features.commands.queries import Command, load_command
from spot_server.features.switches.service import advance_switch
from spot_server.words import CommandKind, CommandStatus, Mode, ReplicaStatus, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, terminate_wait_seconds=60)


def test_a_planned_switch_moves_the_workload_and_then_retires_the_old_instance(story: Story) -> None:
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.roles == {"i-1": "TERMINATED", "i-2": "PRIMARY"}
    assert story.region.serving == ["i-2"]
    assert story.region.address_of[ADDRESS] == "i-2"
    assert story.agent.epoch == 2
    assert story.region.violations == []


def test_a_completed_switch_says_where_it_went_when_and_for_how_long_nothing_served(story: Story) -> None:
    switch = story.switch()
    story.settles(200)

    done = story.reload(switch)

    times = [done.initiated_at, done.ami_created_at, done.instance_launched_at, done.instance_ready_at, done.old_terminated_at]
    moments = [moment for moment in times if moment is not None]
    assert len(moments) == 5
    assert moments == sorted(moments)
    assert done.downtime_ms is not None
    assert done.downtime_seconds == done.downtime_ms / 1000
    assert (done.to_instance_id, done.to_mode) == ("i-2", Mode.SPOT)
    assert (done.epoch_before, done.epoch_after) == (1, 2)
    assert done.active_key is None


def test_every_step_of_a_completed_switch_is_settled_and_names_who_did_it(story: Story) -> None:
    switch = story.switch()
    story.settles(200)

    steps = story.steps(switch)

    assert {step.status for step in steps.values()} <= {StepStatus.DONE, StepStatus.SKIPPED}
    assert steps[StepName.FENCE].status is StepStatus.SKIPPED
    assert steps[StepName.IMAGE].actor_instance_id == "i-1"
    assert steps[StepName.TRAFFIC].actor_instance_id == "i-2"
    assert all(step.intent_at is not None and step.finished_at is not None for step in steps.values())


def test_nothing_of_a_switch_is_issued_after_it_completed(story: Story) -> None:
    switch = story.switch()
    story.settles(200)

    done = story.reload(switch)

    later = select(commands.c.kind).where(commands.c.switch_id == switch.switch_id, commands.c.issued_at > done.completed_at)
    still_open = select(commands.c.kind).where(commands.c.open_instance_id.is_not(None))
    assert story.fleet.scalars(later) == []
    assert story.fleet.scalars(still_open) == []


def test_an_agent_that_carries_its_disk_stops_writing_before_the_image_is_taken(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce", terminate_wait_seconds=60)
    switch = story.switch()

    story.settles(100)

    told = [kind for kind, _instance in story.region.calls]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert told.index(CommandKind.QUIESCE) < told.index(CommandKind.CREATE_IMAGE) < told.index(CommandKind.LAUNCH_INSTANCE)
    assert story.region.violations == []


def test_an_agent_without_a_traffic_handle_skips_that_step(database: Database, clock: FakeClock) -> None:
    story = Story.on(database, clock, traffic_handles=[], terminate_wait_seconds=60)
    switch = story.switch()

    story.settles(100)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.steps(switch)[StepName.TRAFFIC].status is StepStatus.SKIPPED
    assert story.region.kinds(CommandKind.MOVE_ADDRESS) == []


def test_a_switch_goes_where_it_was_asked_to_go(story: Story) -> None:
    switch = story.switch(mode="on_demand", az_id="use1-az3", instance_type="m5a.large")

    story.settles(100)

    machine = story.region.machines["i-2"]
    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert (machine.mode, machine.az_id, machine.instance_type) == ("on_demand", "use1-az3", "m5a.large")


def test_a_place_without_capacity_is_left_for_the_next_and_at_last_for_on_demand(story: Story) -> None:
    for zone in ("use1-az1", "use1-az2", "use1-az3"):
        story.region.refuse(f"spot/m5.large/{zone}")
        story.region.refuse(f"spot/m5a.large/{zone}")
    switch = story.switch()

    story.settles(100)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.machines["i-2"].mode == "on_demand"
    assert len(story.replicas()[0].rejected_places) == 5


def test_who_asked_for_spot_gets_spot_or_nothing(story: Story) -> None:
    for zone in ("use1-az1", "use1-az2", "use1-az3"):
        story.region.refuse(f"spot/m5.large/{zone}", "quota")
        story.region.refuse(f"spot/m5a.large/{zone}", "quota")
    switch = story.switch(mode="spot")

    story.settles(100)

    assert story.reload(switch).status is SwitchStatus.ROLLED_BACK
    assert story.region.serving == ["i-1"]


@pytest.mark.parametrize("kind", [CommandKind.QUIESCE, CommandKind.START_SERVING])
def test_what_a_hook_wrote_before_it_was_killed_is_kept_with_the_move_and_its_command(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, "hook_timed_out", text="flushing: 40 of 120 files")

    switch = story.switch()
    story.settles(200)

    failed = story.reload(switch)
    outcomes = story.fleet.scalars(select(commands.c.outcome).where(commands.c.switch_id == switch.switch_id, commands.c.kind == kind))
    assert (failed.status, story.region.serving) == (SwitchStatus.ROLLED_BACK, ["i-1"])
    assert "flushing: 40 of 120 files" in (failed.failure or "")
    assert [one["error"] for one in outcomes if one["error"]] == [
        {"class": "hook_timed_out", "code": None, "message": "flushing: 40 of 120 files"}
    ]


def test_the_same_request_again_is_the_same_switch_and_another_target_a_conflict(story: Story) -> None:
    first = story.switch("request-1")
    again = story.switch("request-1")

    assert again.switch_id == first.switch_id
    with pytest.raises(RequestIdReused):
        story.switch("request-1", mode="on_demand")
    story.settles(100)
    assert story.switch("request-1").switch_id == first.switch_id
    assert len(story.switches()) == 1


def test_a_second_switch_is_refused_and_told_which_one_runs(story: Story) -> None:
    first = story.switch("request-1")

    with pytest.raises(SwitchInProgress) as refused:
        story.switch("request-2")

    assert refused.value.extensions["switch_id"] == first.switch_id


def test_a_person_can_take_a_switch_back_until_the_promotion(story: Story) -> None:
    switch = story.switch()
    story.passes(60, until=lambda: story.region.kinds(CommandKind.STANDBY_CHECK) != [])

    story.cancel(switch)
    story.settles(60)

    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert story.region.serving == ["i-1"]
    assert story.roles == {"i-1": "PRIMARY", "i-2": "TERMINATED"}
    assert story.replicas()[0].status is ReplicaStatus.TERMINATED
    assert story.agent.epoch == 1


def test_a_switch_that_has_promoted_cannot_be_cancelled(story: Story) -> None:
    story.region.fail(CommandKind.START_SERVING, None, on="i-2")
    switch = story.switch()
    story.passes(60, until=lambda: story.agent.epoch == 2)

    with pytest.raises(MoveRefused):
        story.cancel(switch)


def test_a_lost_answer_changes_nothing_but_the_time_that_it_takes(story: Story) -> None:
    for kind in (CommandKind.CREATE_IMAGE, CommandKind.LAUNCH_INSTANCE, CommandKind.QUIESCE, CommandKind.MOVE_ADDRESS):
        story.region.fail(kind, None, takes_effect=True)
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.roles == {"i-1": "TERMINATED", "i-2": "PRIMARY"}
    assert story.region.violations == []


@pytest.mark.parametrize("kind", [CommandKind.STANDBY_CHECK, CommandKind.QUIESCE, CommandKind.MOVE_ADDRESS, CommandKind.START_SERVING])
def test_a_failure_that_passes_is_tried_again(story: Story, kind: CommandKind) -> None:
    story.region.fail(kind, "throttled", times=2)
    switch = story.switch()

    story.settles(200)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert story.region.violations == []


def test_an_old_instance_is_not_terminated_twice_when_the_answer_comes_after_the_command_was_given_up(story: Story) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, None, takes_effect=True)
    story.switch()
    story.passes(2400, until=lambda: bool(story.issued("terminate_instance")))
    story.step()
    new = story.region.machines["i-2"]
    new.has_daemon = False
    story.passes(120)
    new.has_daemon = True
    (late,) = commands_of(story, CommandKind.TERMINATE_INSTANCE)
    assert late.status is CommandStatus.EXPIRED

    story.post("i-2", late, {"outcome": "succeeded", "error": None, "result": {"state": "shutting-down"}})
    story.settles(200)

    assert story.issued("terminate_instance") == ["i-2"]
    assert story.roles == {"i-1": "TERMINATED", "i-2": "PRIMARY"}


def commands_of(story: Story, kind: CommandKind) -> list[Command]:
    ids = story.fleet.scalars(select(commands.c.command_id).where(commands.c.kind == kind))
    found = [story.database.read(lambda tx, each=each: load_command(tx, each)) for each in ids]  # type: ignore[misc]
    return [command for command in found if command is not None]


def test_a_look_at_a_move_that_waits_reads_what_its_next_step_asks_and_nothing_twice(story: Story) -> None:
    switch = story.switch()
    story.passes(200, until=lambda: story.steps(switch)[StepName.LAUNCH].status is StepStatus.RUNNING)

    with counted(story.database.engine) as cost:
        story.database.write(lambda tx: advance_switch(tx, switch.agent_id, switch.switch_id))

    # The agent, the move, its replica, the instances, the ends that notices named, the steps and their commands.
    assert cost == Cost(reads=0, writes=1, statements=7)
    assert story.steps(switch)[StepName.LAUNCH].status is StepStatus.RUNNING
