"""spotctl where a person decides: kept instances are listed and ended, unexpected ones let in or turned away, promotions forced."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from server_support.clock import FakeClock
from server_support.story import Story
from server_support.terminal import Terminal
from server_support.ways_back import NEW, OLD, moved
from spot_server.db.runner import Database
from spot_server.words import Mode, ReplicaStatus, Role
from spotctl.exits import ExitCode

STRANGER = "i-77"


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """i-1 was left by a move and is kept, because auto-terminate is off."""
    story = moved(Story.on(database, clock, terminate_wait_seconds=20, auto_terminate_enabled=False))
    story.passes(60)
    return story


@pytest.fixture
def terminal(story: Story, app: Flask, tmp_path: Path) -> Terminal:
    return Terminal.of(story, app, tmp_path)


def comes(story: Story, instance_id: str = STRANGER, logical_agent_id: str = "web-1") -> None:
    story.fleet.try_register(
        instance_id=instance_id, logical_agent_id=logical_agent_id, instance_type="m5.large", az_id="use1-az2", mode=Mode.SPOT
    )


def test_what_is_kept_is_listed_with_its_cost_and_ended_once_a_person_agreed(story: Story, terminal: Terminal) -> None:
    terminal.is_interactive = True

    listed = terminal.run("kept")
    declined = terminal.run("kept", "--end", OLD, typed="n\n")
    agreed = terminal.run("kept", "--end", OLD, typed="y\n")
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    header, line = listed.out.splitlines()
    assert header.split()[:2] == ["INSTANCE", "AGENT"]
    assert line.split()[:3] == [OLD, "web-1", "spot/m5.large/use1-az1"]
    assert (declined.code, agreed.code) == (ExitCode.NOT_CONFIRMED, ExitCode.DONE)
    assert "A last image of it is made first, because we did not launch it." in declined.error
    assert story.roles == {OLD: "TERMINATED", NEW: "PRIMARY"}
    assert terminal.run("kept").out == "no instance is kept\n"


def test_only_what_is_kept_is_ended_and_the_line_names_what_is(story: Story, terminal: Terminal) -> None:
    said = terminal.run("kept", "--end", NEW, "--yes")

    assert (said.code, said.error) == (ExitCode.NOT_FOUND, f"spotctl: --end: '{NEW}' is not kept; expected one of: {OLD}\n")
    assert story.issued("terminate_instance") == []


def test_an_unexpected_instance_is_listed_and_let_in_by_a_person_as_a_standby(story: Story, terminal: Terminal) -> None:
    comes(story)

    listed = terminal.run("unexpected")
    approved = terminal.run("unexpected", "--approve", STRANGER, "--yes")
    comes(story)

    line = listed.out.splitlines()[1].split()
    assert (line[0], line[1], line[-1]) == (STRANGER, "web-1", "undecided")
    assert (approved.code, approved.out) == (
        ExitCode.DONE,
        f"{STRANGER} is approved; its daemon learns it when it asks again, within 5 minutes\n",
    )
    assert story.fleet.instance(story.agent, STRANGER).role is Role.REPLICA


def test_a_person_sees_what_approving_means_before_anything_is_decided(story: Story, terminal: Terminal) -> None:
    comes(story)
    terminal.is_interactive = True

    said = terminal.run("unexpected", "--approve", STRANGER, typed="n\n")

    assert said.code == ExitCode.NOT_CONFIRMED
    assert "It serves only after a handover to it, and what is on its disk is not known." in said.error
    assert terminal.run("unexpected", "--json").json["items"][0]["verdict"] is None


def test_an_unexpected_instance_is_turned_away_and_stays_away(story: Story, terminal: Terminal) -> None:
    comes(story)

    refused = terminal.run("unexpected", "--refuse", STRANGER, "--yes", "--json")
    comes(story)

    assert (refused.code, refused.json["verdict"]) == (ExitCode.DONE, "refused")
    assert STRANGER not in story.roles


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--approve", "i-99"), ExitCode.NOT_FOUND, "--approve: 'i-99' claimed to be no such agent; expected one of: i-77"),
        (
            ("--refuse", STRANGER, "--agent", "db-1"),
            ExitCode.NOT_FOUND,
            "--refuse: 'i-77' claimed to be no such agent; expected one of: none did",
        ),
        (("--refuse", STRANGER, "--approve", STRANGER), ExitCode.USAGE, "--approve and --refuse: only one of them can be said"),
    ],
)
def test_what_cannot_be_decided_is_one_line(
    story: Story, terminal: Terminal, arguments: tuple[str, ...], code: ExitCode, text: str
) -> None:
    comes(story)

    said = terminal.run("unexpected", "--yes", *arguments)

    assert (said.code, said.error) == (code, f"spotctl: {text}\n")


def test_one_that_claimed_to_be_two_agents_needs_the_name_of_one(story: Story, terminal: Terminal) -> None:
    story.fleet.agent("db-1", instance_id="i-50")
    comes(story)
    comes(story, logical_agent_id="db-1")

    unnamed = terminal.run("unexpected", "--refuse", STRANGER, "--yes")
    named = terminal.run("unexpected", "--refuse", STRANGER, "--yes", "--agent", "web-1", "--json")

    assert unnamed.code == ExitCode.USAGE
    assert "--agent is needed: i-77 claimed to be each of" in unnamed.error
    assert named.json["agent_id"] == story.agent_id


def unready(database: Database, clock: FakeClock) -> Story:
    """A stateful agent whose standby never passes its check."""
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1, carry="image_after_quiesce")
    story.region.standbys_pass = False
    story.passes(60, until=lambda: any(one.status is ReplicaStatus.SYNCING for one in story.replicas()))
    return story


def test_before_a_promotion_is_forced_a_person_sees_that_it_is_not_ready_and_what_is_lost(
    database: Database, clock: FakeClock, app: Flask, tmp_path: Path
) -> None:
    story = unready(database, clock)
    terminal = Terminal.of(story, app, tmp_path)
    replica = story.replicas()[0]
    command = ("promote", "--agent", "web-1", "--replica", replica.replica_id)

    shown = terminal.run(*command, "--dry-run")
    refused = terminal.run(*command, "--yes")
    terminal.is_interactive = True
    asked = terminal.run(*command, "--force", "--accept-data-loss", typed="n\n")

    assert shown.code == ExitCode.DONE
    assert "ready   no: its standby check has not passed, which needs --force" in shown.out
    assert "everything written since 2026-01-01T00:00:00Z (" in shown.out
    assert refused.code == ExitCode.REFUSED
    assert "is syncing, not ready" in refused.error
    assert "would be lost" in refused.error
    assert asked.code == ExitCode.NOT_CONFIRMED
    assert "Everything written since 2026-01-01T00:00:00Z (" in asked.error
    assert story.switches() == []


def test_a_promotion_is_forced_by_its_name(database: Database, clock: FakeClock, app: Flask, tmp_path: Path) -> None:
    story = unready(database, clock)
    terminal = Terminal.of(story, app, tmp_path)
    command = ("promote", "--agent", "web-1", "--yes", "--force", "--accept-data-loss", "--wait")

    unknown = terminal.run(*command, "--replica", "nowhere")
    said = terminal.run(*command, "--replica", story.replicas()[0].replica_id)

    assert unknown.code == ExitCode.NOT_FOUND
    assert "--replica: web-1 has no standby 'nowhere'; expected one of: " in unknown.error
    assert (said.code, story.region.serving) == (ExitCode.DONE, ["i-2"])
