"""A launch in the hands of a daemon that is slow: taken, and carried out only when the test says so."""

from __future__ import annotations

from server_support.story import Story
from spot_server.features.commands.queries import Command
from spot_server.words import CommandKind, CommandStatus


def take_launch(story: Story) -> Command:
    """The daemon of i-1 has the launch in hand, and is slow."""
    command = next(command for command in story.pending("i-1") if command.kind is CommandKind.LAUNCH_INSTANCE)
    story.region.machines["i-1"].in_hand.add(command.request_id)
    return command


def carry_out(story: Story, command: Command) -> CommandStatus:
    """It does it now, and posts the answer."""
    machine = story.region.machines["i-1"]
    machine.in_hand.clear()
    answer = story.region.answer(machine, command, story.clock.now())
    assert answer is not None
    return story.post("i-1", command, answer)
