"""What becomes of the old instance after a move."""

from __future__ import annotations

import pytest
import structlog
from sqlalchemy import Engine, event

from server_support.clock import FakeClock
from server_support.counting import Cost, counted
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.switches.jobs import sweep_switches
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import CommandKind, StepName, StepStatus, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, terminate_wait_seconds=120)


def moved(story: Story) -> Story:
    story.switch()
    story.passes(200, until=lambda: story.active() is None)
    return story


def test_the_old_instance_is_left_alone_until_its_time_and_then_terminated(story: Story) -> None:
    moved(story)
    retire_at = story.switches()[0].retire_at
    assert retire_at is not None

    story.passes(100)
    before = (story.issued("terminate_instance"), story.roles["i-1"])
    story.settles(60)

    assert before == ([], "ZOMBIE")
    assert story.region.kinds(CommandKind.TERMINATE_INSTANCE) == ["i-2"]
    keeps = {"keep_data_volumes": True}  # it was not launched by us: what somebody attached to it is no part of its disk
    assert story.payloads("terminate_instance") == [{"instance_id": "i-1", "handle_allocation_ids": ["eipalloc-1"], **keeps}]
    assert story.roles["i-1"] == "TERMINATED"
    assert story.switches()[0].old_terminated_at is not None


def test_an_old_instance_that_waits_for_its_end_costs_the_sweep_one_question(story: Story) -> None:
    moved(story)
    story.passes(20)  # until the new one is confirmed
    context = JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger())

    with counted(story.database.engine) as waiting:
        sweep_switches(context)
    story.clock.advance(120)
    with counted(story.database.engine) as due:
        sweep_switches(context)

    assert waiting == Cost(reads=1, writes=0, statements=1)
    assert due.writes == 1
    assert story.steps(story.switches()[0])[StepName.RETIRE].status is StepStatus.RUNNING


def test_with_auto_terminate_off_the_old_instance_is_kept_and_never_terminated(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=False)
    moved(story)

    story.passes(1000, step_seconds=20)

    assert story.issued("terminate_instance") == []
    assert story.roles["i-1"] == "ZOMBIE"
    assert story.fleet.instance(story.agent, "i-1").is_retained
    assert story.steps(story.switches()[0])[StepName.RETIRE].status is StepStatus.SKIPPED
    assert story.region.machines["i-1"].state == "running"


def test_the_setting_that_holds_is_the_one_at_the_moment_of_retirement(story: Story) -> None:
    moved(story)

    story.set_agent(auto_terminate_enabled=False)
    story.passes(300)

    assert story.issued("terminate_instance") == []


def test_an_instance_that_we_did_not_launch_gets_a_final_image_and_one_that_we_did_does_not(story: Story) -> None:
    moved(story)
    story.settles(300)
    story.switch("request-2")
    story.settles(400)

    assert story.region.final_images == ["i-1"]
    assert story.roles == {"i-1": "TERMINATED", "i-2": "TERMINATED", "i-3": "PRIMARY"}


def test_a_termination_that_is_refused_is_asked_for_again_but_ever_more_rarely(story: Story) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "not_authorized", times=99)
    moved(story)

    story.passes(1900, step_seconds=10)

    assert 5 <= len(story.issued("terminate_instance")) <= 9
    assert story.roles["i-1"] == "ZOMBIE"


def test_a_slow_termination_is_waited_for_until_ec2_says_terminated(story: Story) -> None:
    story.region.slow_termination = True
    moved(story)

    story.settles(300)

    assert story.roles["i-1"] == "TERMINATED"
    assert story.switches()[0].status is SwitchStatus.COMPLETED


def test_a_retirement_that_waits_writes_its_step_no_more(story: Story, engine: Engine) -> None:
    story.region.fail(CommandKind.TERMINATE_INSTANCE, "not_authorized", times=99)
    moved(story)
    story.passes(600, until=lambda: len(story.issued("terminate_instance")) == 3)
    story.passes(3)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    story.passes(5)

    assert len(story.issued("terminate_instance")) == 3
    assert any("switch_steps" in text for text in statements)
    assert [text for text in statements if text.startswith("UPDATE switch_steps")] == []


def test_an_old_instance_whose_daemon_died_is_terminated_all_the_same(story: Story) -> None:
    moved(story)
    story.region.machines["i-1"].has_daemon = False

    story.settles(400)

    assert story.roles["i-1"] == "TERMINATED"


def test_a_switch_back_to_back_retires_each_old_instance_once(story: Story) -> None:
    for number in range(3):
        story.switch(f"request-{number}")
        story.passes(300, until=lambda: story.active() is None)

    story.settles(600)

    assert story.roles == {"i-1": "TERMINATED", "i-2": "TERMINATED", "i-3": "TERMINATED", "i-4": "PRIMARY"}
    assert story.region.serving == ["i-4"]
    assert story.agent.epoch == 4
    assert story.region.violations == []
