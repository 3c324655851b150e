"""Answers to commands: recorded once, repeated harmlessly, refused when they contradict or belong to another."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.builders import create_agent_token
from server_support.clock import FakeClock
from server_support.http import Http
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.errors import NotFound, OutcomeDiffers
from spot_server.features.commands import queries
from spot_server.features.commands.ledger import give_up
from spot_server.features.commands.queries import Command
from spot_server.words import CommandKind, CommandStatus, SwitchStatus

DONE: dict[str, Any] = {"outcome": "succeeded", "error": None, "result": {}}
FAILED: dict[str, Any] = {"outcome": "failed", "error": {"class": "hook_failed", "code": None, "message": "no"}, "result": {}}


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, terminate_wait_seconds=60)


def quiesce_command(story: Story) -> Command:
    """The old side has its quiesce in hand."""
    story.switch()
    story.passes(120, until=lambda: bool(story.issued("quiesce")))
    return next(command for command in story.pending("i-1") if command.kind is CommandKind.QUIESCE)


def test_what_is_closed_between_the_reading_and_the_marking_of_a_delivery_is_not_handed_out(story: Story) -> None:
    command = quiesce_command(story)
    read = story.database.read(lambda tx: queries.open_commands_of_instance(tx, story.agent_id, "i-1"))
    story.database.write(lambda tx: give_up(tx, command.command_id, status=CommandStatus.CANCELLED, reason="not wanted any more"))

    handed_out = story.database.write(lambda tx: queries.mark_delivered(tx, read, tx.now))

    ids = [one.command_id for one in read]
    assert command.command_id in ids
    assert [one.command_id for one in handed_out] == [command_id for command_id in ids if command_id != command.command_id]


def test_the_same_answer_again_changes_nothing(story: Story) -> None:
    command = quiesce_command(story)

    first = story.post("i-1", command, DONE)
    again = story.post("i-1", command, DONE)

    assert first is again is CommandStatus.SUCCEEDED
    assert story.issued("move_address") == ["i-2"]


def test_a_daemon_that_confirms_a_quiesce_counts_as_quiesced_before_its_next_heartbeat(story: Story) -> None:
    command = quiesce_command(story)
    before = story.fleet.instance(story.agent, "i-1").quiesced

    story.post("i-1", command, DONE)

    assert (before, story.fleet.instance(story.agent, "i-1").quiesced) == (False, True)


def test_a_daemon_that_confirms_that_it_serves_counts_as_quiesced_no_more(story: Story) -> None:
    story.switch()
    story.passes(120, until=lambda: bool(story.issued("start_serving")))
    command = next(one for one in story.pending("i-2") if one.kind is CommandKind.START_SERVING)
    before = story.fleet.instance(story.agent, "i-2").quiesced

    story.post("i-2", command, DONE)

    assert (before, story.fleet.instance(story.agent, "i-2").quiesced) == (True, False)


def test_a_quiesce_that_failed_says_nothing_of_what_the_daemon_does_now(story: Story) -> None:
    command = quiesce_command(story)

    story.post("i-1", command, FAILED)

    assert story.fleet.instance(story.agent, "i-1").quiesced is False


def test_another_answer_to_the_same_command_is_a_conflict(story: Story) -> None:
    command = quiesce_command(story)
    story.post("i-1", command, DONE)

    with pytest.raises(OutcomeDiffers):
        story.post("i-1", command, FAILED)


def test_an_answer_to_a_command_that_was_given_up_is_kept_once(story: Story) -> None:
    story.region.fail(CommandKind.QUIESCE, None, times=99)
    command = quiesce_command(story)
    story.passes(120, until=lambda: story.switches()[0].status is SwitchStatus.ROLLING_BACK)

    first = story.post("i-1", command, FAILED)
    again = story.post("i-1", command, FAILED)

    assert first is again is CommandStatus.CANCELLED
    with pytest.raises(OutcomeDiffers):
        story.post("i-1", command, DONE)


@pytest.mark.parametrize("instance_id", ["i-2", "i-unknown"])
def test_another_instance_cannot_answer_and_learns_nothing(story: Story, instance_id: str) -> None:
    command = quiesce_command(story)

    with pytest.raises(NotFound):
        story.post(instance_id, command, DONE)

    assert next(one for one in story.commands() if one.command_id == command.command_id).is_open


def test_another_agent_s_daemon_cannot_answer_over_http(story: Story, http: Http, database: Database) -> None:
    command = quiesce_command(story)
    other = story.fleet.agent("web-2", instance_id="i-9")
    daemon = http.as_(create_agent_token(database, story.fleet.client_id, other.agent_id, "i-9"))
    body = {"request_id": command.request_id, **DONE}

    answer = daemon.post(f"/api/agents/{other.agent_id}/commands/{command.command_id}/executed", body)

    assert (answer.status, answer.slug) == (404, "not-found")


def test_over_http_an_answer_is_recorded_again_and_refused_as_the_protocol_says(story: Story, http: Http, database: Database) -> None:
    command = quiesce_command(story)
    daemon = http.as_(create_agent_token(database, story.fleet.client_id, story.agent_id, "i-1"))
    path = f"/api/agents/{story.agent_id}/commands/{command.command_id}/executed"
    body = {"request_id": command.request_id, **DONE}

    first, again = daemon.post(path, body), daemon.post(path, body)
    other = daemon.post(path, {"request_id": command.request_id, **FAILED})
    unknown = daemon.post(path, {"request_id": "another", **DONE})

    assert (first.status, first.json) == (again.status, again.json) == (200, {"recorded": True, "status": "succeeded"})
    assert (other.status, other.slug) == (409, "outcome-differs")
    assert (unknown.status, unknown.slug) == (404, "not-found")


def test_a_late_image_is_remembered_although_its_switch_is_over(story: Story) -> None:
    switch = story.switch()
    command = next(one for one in story.pending("i-1") if one.kind is CommandKind.CREATE_IMAGE)
    story.region.machines["i-1"].in_hand.add(command.request_id)
    story.cancel(switch)
    story.settles(60)
    story.region.machines["i-1"].in_hand.clear()

    story.execute(story.region.machines["i-1"], command)

    image = story.newest_image()
    assert story.reload(switch).status is SwitchStatus.CANCELLED
    assert image is not None
    assert image.switch_id == switch.switch_id


def test_a_dead_instance_keeps_no_command_open(story: Story) -> None:
    switch = story.switch()
    story.passes(120, until=lambda: story.agent.epoch == 2)
    story.region.lose("i-1")

    story.settles(400)

    assert story.reload(switch).status is SwitchStatus.COMPLETED
    assert [command.kind for command in story.commands() if command.is_open] == []
