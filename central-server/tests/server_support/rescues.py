"""Rescues that give up, for tests of what comes after."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from server_support.clock import FakeClock
from server_support.story import ADDRESS, TYPES, ZONES, Story
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import clients, notifications
from spot_server.features.commands.actors import CONTROL_ROLE_INSTANCE_ID
from spot_server.features.switches.queries import Switch
from spot_server.words import CommandKind, InterruptionKind, SwitchStatus

ALWAYS = 10_000
FAILED, ROLLED_BACK, COMPLETED = SwitchStatus.FAILED, SwitchStatus.ROLLED_BACK, SwitchStatus.COMPLETED


def racing_story(engine: Any, clock: FakeClock) -> Story:
    """Waiting for a lock takes real time here; everything else happens on the fake clock."""
    return Story.on(Database(engine, clock=clock, sleeper=SystemClock()), clock, has_image=True, terminate_wait_seconds=60)


def with_standby(story: Story) -> Story:
    story.set_agent(manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    return story


def give_control_role(story: Story) -> None:
    """The client has a control role, and EC2 does what the server asks for with it."""
    arn = "arn:aws:iam::123456789012:role/spot-optimizer"
    story.fleet.execute(update(clients).where(clients.c.client_id == story.fleet.client_id).values(aws_role_arn=arn))
    story.region.add(CONTROL_ROLE_INSTANCE_ID, instance_type="", az_id="", mode="", is_serving=False)


def refuse_every_place(story: Story) -> None:
    for zone in ZONES:
        for kind in TYPES:
            story.region.refuse(f"spot/{kind}/{zone}")
            story.region.refuse(f"on_demand/{kind}/{zone}")


def notice_without_address(story: Story, *, lead_seconds: float, kind: InterruptionKind = InterruptionKind.TERMINATE) -> None:
    """A standby is ready when the notice comes; but until the region's failures are cleared EC2 refuses to move the address."""
    with_standby(story)
    story.region.fail(CommandKind.MOVE_ADDRESS, "throttled", times=ALWAYS)
    story.notice(kind=kind, lead_seconds=lead_seconds)


def statuses(story: Story) -> list[SwitchStatus]:
    return [switch.status for switch in story.switches()]


def given_up(story: Story) -> Switch | None:
    return next((switch for switch in story.switches() if switch.resume_at is not None), None)


def gives_up(story: Story, seconds: float = 600) -> Switch:
    """Let time pass until the three quick rescues are over."""
    story.passes(seconds, until=lambda: given_up(story) is not None)
    switch = given_up(story)
    assert switch is not None
    return switch


def told(story: Story, *kinds: str) -> list[str]:
    where = notifications.c.kind.in_(kinds or {"switch_failed", "rescue_waits", "rescue_not_needed", "rescued_at_last"})
    return story.fleet.scalars(select(notifications.c.kind).where(where).order_by(notifications.c.created_at))


def assert_rescued(story: Story, to: str) -> None:
    assert story.region.serving == [to]
    assert story.region.address_of[ADDRESS] == to
    assert story.roles[to] == "PRIMARY"
    assert story.region.violations == []
    assert given_up(story) is None
