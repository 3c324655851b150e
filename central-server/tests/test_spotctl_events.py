"""Following events: nothing is left out, over lost connections and over the death of the reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete

from server_support.clock import FakeClock
from server_support.story import Story
from server_support.terminal import Terminal
from spot_server.db.runner import Database
from spot_server.db.tables import events
from spotctl.exits import ExitCode


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    made = Story.on(database, clock)
    made.switch()
    made.settles(60)
    return made


@pytest.fixture
def terminal(story: Story, app: Flask, tmp_path: Path) -> Terminal:
    return Terminal.of(story, app, tmp_path)


class Enough(KeyboardInterrupt):
    """The person at the terminal presses Ctrl-C."""


def numbers(out: str) -> list[int]:
    return [json.loads(line)["sequence"] for line in out.splitlines()]


def test_every_event_is_one_line_with_the_agents_name(terminal: Terminal) -> None:
    said = terminal.run("events", "--kind", "promoted")

    (line,) = said.out.splitlines()
    number, at, agent, kind, instance, *facts = line.split()
    assert (int(number) > 0, at.endswith("Z"), agent, kind, instance) == (True, True, "web-1", "promoted", "i-2")
    assert "epoch=2" in facts


def test_programs_get_one_document_a_line_in_order_without_holes(terminal: Terminal) -> None:
    said = terminal.run("events", "--json")

    assert numbers(said.out) == list(range(1, len(numbers(said.out)) + 1))


def test_a_reader_that_keeps_its_place_goes_on_where_it_was(story: Story, terminal: Terminal, tmp_path: Path) -> None:
    place = tmp_path / "place"
    first = numbers(terminal.run("events", "--json", "--resume", str(place)).out)
    story.switch("request-2")

    second = numbers(terminal.run("events", "--json", "--resume", str(place)).out)

    assert second[0] == first[-1] + 1
    assert int(place.read_text()) == second[-1]


def test_a_follower_goes_on_over_a_lost_connection_and_leaves_nothing_out(story: Story, terminal: Terminal) -> None:
    last = numbers(terminal.run("events", "--json").out)[-1]
    pauses: list[float] = []

    def meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            story.switch("request-2")
        if len(pauses) == 9:
            raise Enough

    terminal.on_sleep = meanwhile
    terminal.transport.faults = [*["unsent"] * 4, None, *["unsent"] * 8]

    said = terminal.run("events", "--follow", "--after", str(last), "--json")

    assert said.code == ExitCode.INTERRUPTED
    assert numbers(said.out) == list(range(last + 1, last + 1 + len(numbers(said.out))))
    assert len(numbers(said.out)) > 0


def test_a_follower_asks_the_server_to_wait_so_that_it_need_not_ask_often(story: Story, terminal: Terminal) -> None:
    def leave(_seconds: float) -> None:
        raise Enough

    terminal.on_sleep = leave
    terminal.transport.faults = [None, "unsent"]

    terminal.run("events", "--follow", "--json")

    first, second = terminal.transport.sent
    assert "wait=0" in first.url
    assert "wait=50" in second.url
    assert second.timeout_seconds > 50


def test_events_that_are_no_longer_kept_are_said_to_be_missing(story: Story, terminal: Terminal) -> None:
    story.fleet.execute(delete(events).where(events.c.sequence <= 3))

    said = terminal.run("events", "--after", "1")

    assert said.code == ExitCode.REFUSED
    assert "the events from 2 to 3 are no longer kept: go on with after=3" in said.error


@pytest.mark.parametrize("content", ["x", "-3", "", "\u0661"])
def test_a_place_that_is_no_number_is_refused(terminal: Terminal, tmp_path: Path, content: str) -> None:
    (tmp_path / "place").write_text(content)

    said = terminal.run("events", "--resume", str(tmp_path / "place"))

    assert said.code == ExitCode.USAGE
    assert "expected the number of an event" in said.error


def test_after_and_from_now_exclude_each_other(terminal: Terminal) -> None:
    assert terminal.run("events", "--after", "3", "--from-now").code == ExitCode.USAGE
