"""spotctl against the real application: agents, and moves that are shown, confirmed, awaited, taken back and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from server_support.clock import FakeClock
from server_support.story import Story
from server_support.terminal import Terminal
from spot_server.db.runner import Database
from spot_server.words import SwitchStatus
from spotctl.exits import ExitCode


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, terminate_wait_seconds=60)


@pytest.fixture
def terminal(story: Story, app: Flask, tmp_path: Path) -> Terminal:
    return Terminal.of(story, app, tmp_path)


def test_agents_are_listed_with_their_market_and_how_long_ago_they_were_heard(story: Story, terminal: Terminal) -> None:
    story.clock.advance(300)

    said = terminal.run("agents")

    header, line = said.out.splitlines()
    assert header.split() == ["AGENT", "STATE", "PRIMARY", "MARKET", "SERVING", "HEARD", "EPOCH", "STANDBYS", "MOVE"]
    assert line.split() == ["web-1", "enabled", "i-1", "spot/m5.large/use1-az1", "?", "5", "min", "ago", "1", "0", "ready", "of", "0", "-"]


def test_one_agent_is_shown_by_either_of_its_names(story: Story, terminal: Terminal) -> None:
    by_name = terminal.run("agents", "--agent", "web-1", "--json")
    by_id = terminal.run("agents", "--agent", story.agent_id, "--json")

    assert by_name == by_id
    assert by_name.json["agent"]["agent_id"] == story.agent_id
    assert by_name.json["active_switch"] is None


def test_an_unknown_agent_is_one_line_that_names_the_near_ones(terminal: Terminal) -> None:
    said = terminal.run("switch", "--agent", "web-2", "--yes")

    assert (said.code, said.out) == (ExitCode.NOT_FOUND, "")
    assert said.error == "spotctl: --agent: there is no agent 'web-2'; expected one such as web-1\n"


def test_a_dry_run_shows_place_price_steps_and_loss_and_begins_nothing(story: Story, terminal: Terminal) -> None:
    said = terminal.run("switch", "--agent", "web-1", "--dry-run")

    assert said.code == ExitCode.DONE
    assert "from    spot/m5.large/use1-az1 (i-1)" in said.out
    assert "to      spot/m5a.large/use1-az1 at 0.031 USD, else one of" in said.out
    assert "loss    nothing of its disk comes along: the workload is set up as stateless" in said.out
    assert "outage  not measured on this agent yet\n" in said.out
    assert story.switches() == []


def test_a_move_begins_only_after_a_person_saw_what_is_lost_and_agreed(story: Story, terminal: Terminal) -> None:
    terminal.is_interactive = True

    declined = terminal.run("switch", "--agent", "web-1", typed="n\n")
    moves_before = story.switches()
    agreed = terminal.run("switch", "--agent", "web-1", typed="y\n")

    assert (declined.code, moves_before) == (ExitCode.NOT_CONFIRMED, [])
    assert "Move web-1? Nothing of its disk comes along" in declined.error
    assert (agreed.code, len(story.switches())) == (ExitCode.DONE, 1)


def test_where_nobody_can_be_asked_nothing_begins_without_yes(story: Story, terminal: Terminal) -> None:
    terminal.is_interactive = True

    for arguments in (["--json"], []):
        said = terminal.run("switch", "--agent", "web-1", *arguments)
        terminal.is_interactive = False

        assert said.code == ExitCode.NOT_CONFIRMED
    assert story.switches() == []


def test_a_move_is_awaited_to_its_end_with_its_steps_told_on_the_way(story: Story, terminal: Terminal) -> None:
    said = terminal.run(
        "switch", "--agent", "web-1", "--yes", "--wait", "--az-id", "use1-az3", "--mode", "on_demand", "--type", "m5a.large"
    )

    assert said.code == ExitCode.DONE
    assert story.region.serving == ["i-2"]
    assert "to        on_demand/m5a.large/use1-az3 (i-2)" in said.out
    assert "promote  done" in said.error.splitlines()


def test_an_awaited_move_that_ends_otherwise_says_so_with_exit_code_7(story: Story, terminal: Terminal) -> None:
    story.passes(4)

    def cancelled_meanwhile(seconds: float) -> None:
        if story.active() is not None and story.active().status is SwitchStatus.RUNNING:  # type: ignore[union-attr]  # looked at just now
            story.cancel(story.switches()[0])
        story.passes(max(seconds, 2))

    terminal.on_sleep = cancelled_meanwhile

    said = terminal.run("switch", "--agent", "web-1", "--yes", "--wait")

    assert said.code == ExitCode.ENDED_OTHERWISE
    assert "ended as cancelled: cancelled by" in said.error


def test_a_lost_answer_is_asked_for_again_and_makes_no_second_move(story: Story, terminal: Terminal) -> None:
    terminal.on_sleep = lambda _seconds: None
    terminal.transport.faults = [None, "unanswered", "unsent"]

    said = terminal.run("switch", "--agent", "web-1", "--yes", "--json")

    assert said.code == ExitCode.DONE
    assert terminal.transport.posts() == ["switch", "switch", "switch"]
    assert [switch.switch_id for switch in story.switches()] == [said.json["switch_id"]]


def test_a_server_that_stays_away_leaves_a_line_that_tells_how_to_repeat(story: Story, terminal: Terminal) -> None:
    terminal.on_sleep = lambda _seconds: None
    terminal.transport.faults = [None, "unanswered", *["unsent"] * 3]

    lost = terminal.run("switch", "--agent", "web-1", "--yes")
    again = terminal.run("switch", "--agent", "web-1", "--yes", "--request-id", "spotctl-1")

    assert lost.code == ExitCode.UNREACHABLE
    assert lost.error.startswith("spotctl: https://spot.test cannot be reached: ")
    assert "the same command with --request-id spotctl-1 is safe" in lost.error
    assert (again.code, len(story.switches())) == (ExitCode.DONE, 1)


def test_a_second_move_is_refused_naming_the_first(story: Story, terminal: Terminal) -> None:
    running = story.switch()

    said = terminal.run("switch", "--agent", "web-1", "--yes")

    assert said.code == ExitCode.REFUSED
    assert said.error == f"spotctl: The agent is already being moved: switch {running.switch_id} is running\n"


def test_a_move_to_nowhere_is_refused_with_the_reasons(terminal: Terminal) -> None:
    for_people = terminal.run("switch", "--agent", "web-1", "--dry-run", "--az-id", "use1-az9")
    for_programs = terminal.run("switch", "--agent", "web-1", "--dry-run", "--az-id", "use1-az9", "--json")

    assert for_people.code == for_programs.code == ExitCode.REFUSED
    assert "no place fits this request: az_id 'use1-az9' is none of this agent's subnets" in for_people.error
    assert "an AZ id such as use1-az1 is expected" in for_people.error
    assert "on_demand/m5.large/use1-az1" in for_people.error
    assert for_people.error.count("\n") == 1
    refused = for_programs.problem["problem"]["refused"]
    assert {tuple(sorted(place)) for place in refused} == {("az_id", "instance_type", "mode", "reason")}


def test_a_running_move_is_cancelled_and_a_second_time_is_harmless(story: Story, terminal: Terminal) -> None:
    switch = story.switch()

    first = terminal.run("cancel", "--agent", "web-1", "--yes", "--wait")
    second = terminal.run("cancel", "--agent", "web-1", "--switch", switch.switch_id)

    assert (first.code, second.code) == (ExitCode.DONE, ExitCode.DONE)
    assert story.reload(switch).status is SwitchStatus.CANCELLED


def test_a_cancellation_whose_answer_was_lost_is_no_error(story: Story, terminal: Terminal) -> None:
    switch = story.switch()
    terminal.on_sleep = lambda _seconds: story.settles(60)
    terminal.transport.faults = [None, None, "unanswered"]

    said = terminal.run("cancel", "--agent", "web-1", "--yes", "--json")

    assert (said.code, said.json["status"]) == (ExitCode.DONE, "cancelled")
    assert story.reload(switch).status is SwitchStatus.CANCELLED


def test_there_is_nothing_to_cancel_when_nothing_moves(terminal: Terminal) -> None:
    said = terminal.run("cancel", "--agent", "web-1", "--yes")

    assert (said.code, said.error) == (ExitCode.NOT_FOUND, "spotctl: web-1 is not being moved; --switch names an earlier move\n")


def test_a_completed_move_is_undone_by_one_onto_the_instance_that_it_left(story: Story, terminal: Terminal) -> None:
    story.switch()
    story.passes(200, until=lambda: story.active() is None)

    plan = terminal.run("rollback", "--agent", "web-1", "--dry-run")
    said = terminal.run("rollback", "--agent", "web-1", "--yes", "--wait")

    assert (plan.code, said.code) == (ExitCode.DONE, ExitCode.DONE)
    assert "spot/m5.large/use1-az1 (i-1), which lives" in plan.out
    assert story.region.serving == ["i-1"]


def test_once_the_old_instance_is_gone_a_person_is_told_of_the_image_and_may_choose_it(story: Story, terminal: Terminal) -> None:
    story.switch(mode="on_demand", az_id="use1-az3", instance_type="m5a.large")
    story.settles(2400, step_seconds=20)

    refused = terminal.run("rollback", "--agent", "web-1", "--yes")
    said = terminal.run("rollback", "--agent", "web-1", "--to-image", "--yes", "--wait")

    assert (refused.code, said.code) == (ExitCode.REFUSED, ExitCode.DONE)
    assert "i-1 is terminated; to last_good_image is another way back" in refused.error
    assert story.region.serving == ["i-3"]


def test_a_way_back_that_loses_writes_is_refused_until_a_person_accepts_that(
    database: Database, clock: FakeClock, app: Flask, tmp_path: Path
) -> None:
    story = Story.on(database, clock, carry="image_after_quiesce")
    terminal = Terminal.of(story, app, tmp_path)
    story.switch()
    story.passes(200, until=lambda: story.active() is None)

    refused = terminal.run("rollback", "--agent", "web-1", "--yes")
    accepted = terminal.run("rollback", "--agent", "web-1", "--yes", "--accept-data-loss", "--wait")

    assert (refused.code, accepted.code) == (ExitCode.REFUSED, ExitCode.DONE)
    assert "would be lost; say accept_data_loss to go on" in refused.error
    assert story.region.serving == ["i-1"]


def test_a_move_that_runs_is_rolled_back_by_taking_it_back(story: Story, terminal: Terminal) -> None:
    switch = story.switch()

    said = terminal.run("rollback", "--agent", "web-1", "--yes", "--wait")

    assert (said.code, story.reload(switch).status) == (ExitCode.DONE, SwitchStatus.CANCELLED)


def test_an_agent_that_never_moved_has_nothing_to_roll_back(terminal: Terminal) -> None:
    said = terminal.run("rollback", "--agent", "web-1", "--yes")

    assert (said.code, said.error) == (ExitCode.NOT_FOUND, "spotctl: web-1 was never moved: there is nothing to undo\n")


def test_the_one_standby_that_is_ready_is_promoted(database: Database, clock: FakeClock, app: Flask, tmp_path: Path) -> None:
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    terminal = Terminal.of(story, app, tmp_path)
    early = terminal.run("promote", "--agent", "web-1", "--yes")
    story.gets_ready()

    said = terminal.run("promote", "--agent", "web-1", "--yes", "--wait")

    assert (early.code, early.error) == (ExitCode.REFUSED, "spotctl: web-1 has no standby that is ready: it has none\n")
    assert (said.code, story.region.serving) == (ExitCode.DONE, ["i-2"])


def test_a_promotion_that_loses_writes_is_refused_until_a_person_accepts_that(
    database: Database, clock: FakeClock, app: Flask, tmp_path: Path
) -> None:
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1, carry="image_after_quiesce")
    terminal = Terminal.of(story, app, tmp_path)
    story.gets_ready()

    refused = terminal.run("promote", "--agent", "web-1", "--yes")
    accepted = terminal.run("promote", "--agent", "web-1", "--yes", "--accept-data-loss")

    assert refused.code == ExitCode.REFUSED
    assert "everything written since 2026-01-01T00:00:00+00:00 (" in refused.error
    assert " s) would be lost; say accept_data_loss to go on" in refused.error
    assert accepted.code == ExitCode.DONE
    assert "everything written since 2026-01-01T00:00:00Z" in accepted.out
