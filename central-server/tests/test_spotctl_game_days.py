"""`spotctl gameday` against the real application: the plan, the consent, the wait, the figures, the history."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from server_support.clock import FakeClock
from server_support.game_days import Exercise
from server_support.story import Story
from server_support.terminal import Terminal
from spot_server.db.runner import Database
from spot_server.settings import Settings
from spotctl.exits import ExitCode


@pytest.fixture
def settings() -> Settings:
    return Settings(simulated_region_url="http://127.0.0.1:1")


@pytest.fixture
def exercise(database: Database, clock: FakeClock) -> Exercise:
    return Exercise(Story.on(database, clock, has_image=True))


@pytest.fixture
def terminal(exercise: Exercise, app: Flask, tmp_path: Path) -> Terminal:
    made = Terminal.of(exercise.story, app, tmp_path)
    made.on_sleep = exercise.passes
    return made


def test_a_dry_run_shows_plan_pools_costs_and_calls(exercise: Exercise, terminal: Terminal) -> None:
    said = terminal.run("gameday", "--agent", "web-1", "--kind", "recommendation", "--dry-run")
    exercise.run()

    assert said.code == ExitCode.DONE
    assert "recommendation against i-1 in spot/m5.large/use1-az1, by simulated_region" in said.out
    assert "PLACE, IN THIS ORDER" in said.out
    assert "(a replica held for 1800 s)" in said.out
    assert "POST /_region/instances/i-1/rebalance" in said.out
    assert exercise.player.orders == []


def test_a_game_day_begins_only_when_a_person_agreed_to_the_plan(exercise: Exercise, terminal: Terminal) -> None:
    terminal.is_interactive = True

    declined = terminal.run("gameday", "--agent", "web-1", "--kind", "notice", typed="n\n")
    exercise.run()

    assert declined.code == ExitCode.NOT_CONFIRMED
    assert "Play this against web-1, for real?" in declined.error
    assert exercise.player.orders == []


def test_an_awaited_game_day_shows_its_figures_and_stays_in_the_history(terminal: Terminal) -> None:
    said = terminal.run("gameday", "--agent", "web-1", "--kind", "notice", "--yes", "--wait")
    history = terminal.run("gameday", "--agent", "web-1", "--history")

    assert said.code == ExitCode.DONE
    assert "detection      1.50 s" in said.out
    header, line = history.out.splitlines()
    assert header.split()[:4] == ["REQUESTED", "KIND", "STATUS", "DETECTION"]
    assert line.split()[1:5] == ["notice", "completed", "1.50", "s"]


def test_one_that_is_stopped_ends_with_exit_code_7_for_whoever_waits(exercise: Exercise, terminal: Terminal) -> None:
    def stop_it(_seconds: float) -> None:
        open_one = exercise.ask(request_id="spotctl-1")
        if open_one.is_active and open_one.outcome is None:
            exercise.stop(open_one)
        exercise.run()

    terminal.on_sleep = stop_it

    said = terminal.run("gameday", "--agent", "web-1", "--kind", "notice", "--yes", "--wait")

    assert said.code == ExitCode.ENDED_OTHERWISE
    assert "ended as stopped: stopped by tester" in said.error


def test_the_one_that_runs_is_stopped_without_naming_it(exercise: Exercise, terminal: Terminal) -> None:
    exercise.ask()

    stopped = terminal.run("gameday", "--agent", "web-1", "--stop", "--yes", "--wait")
    again = terminal.run("gameday", "--agent", "web-1", "--stop", "--yes")

    assert (stopped.code, again.code) == (ExitCode.DONE, ExitCode.NOT_FOUND)
    assert "stopped by client tester" in stopped.out


@pytest.mark.parametrize("arguments", [[], ["--kind", "notice", "--history"], ["--stop", "--history"]])
def test_one_thing_is_done_at_a_time(terminal: Terminal, arguments: list[str]) -> None:
    said = terminal.run("gameday", "--agent", "web-1", *arguments)

    assert (said.code, "expected exactly one of --kind" in said.error) == (ExitCode.USAGE, True)


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(terminal: Terminal) -> None:
    said = terminal.run("gameday", "--agent", "web-1", "--kind", "outage")

    assert said.code == ExitCode.USAGE
    assert "'notice', 'recommendation', 'loss', 'capacity_shortage'" in said.error


def test_a_refusal_is_one_line(exercise: Exercise, terminal: Terminal) -> None:
    exercise.story.set_agent(enabled=False)

    said = terminal.run("gameday", "--agent", "web-1", "--kind", "notice", "--dry-run")

    assert said.code == ExitCode.REFUSED
    assert said.error == ("spotctl: This game day cannot be played now: the agent is disabled: nothing would be done about the event\n")
