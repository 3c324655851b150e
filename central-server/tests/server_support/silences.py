"""Primaries that fall silent, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select, update

from server_support.story import ADDRESS, Story
from spot_server.db.tables import clients, instances, notifications, spot_interruption_events
from spot_server.features.interruptions.queries import InterruptionEvent, find_event
from spot_server.features.switches.queries import Switch
from spot_server.words import InterruptionKind, Mode, SwitchStatus


def listens(story: Story, seconds: float = 90) -> None:
    """Let the server have listened for long enough that silence says something."""
    story.passes(seconds, step_seconds=10)


def kill_daemon(story: Story, instance_id: str = "i-1") -> None:
    """The daemon ends, and the workload goes on."""
    story.region.machines[instance_id].has_daemon = False


def is_completed(story: Story) -> Callable[[], bool]:
    """Whether a move is completed, and none runs."""
    return lambda: story.active() is None and any(switch.status is SwitchStatus.COMPLETED for switch in story.switches())


def rescued(story: Story, seconds: float = 400) -> Switch:
    """Let time pass until the workload has been moved, and return the move."""
    story.passes(seconds, until=is_completed(story), step_seconds=5)
    return story.switches()[-1]


def losses(story: Story, kind: InterruptionKind = InterruptionKind.LOSS) -> list[InterruptionEvent]:
    """The unannounced losses of the agent (or the silences that were taken for one), oldest first."""
    table = spot_interruption_events
    where = (table.c.agent_id == story.agent_id, table.c.kind == kind)
    ids = story.fleet.scalars(select(table.c.event_id).where(*where).order_by(table.c.received_at))
    found = [story.database.read(lambda tx, one=one: find_event(tx, one)) for one in ids]  # type: ignore[misc]
    return [event for event in found if event is not None]


def told_of_silence(story: Story) -> list[str]:
    """What the client was told of silent primaries, oldest first."""
    where = notifications.c.kind.in_({"primary_silent", "many_silent"})
    return story.fleet.scalars(select(notifications.c.text).where(where).order_by(notifications.c.created_at))


def set_mode(story: Story, mode: Mode) -> None:
    """The first instance is paid for in this way."""
    story.fleet.execute(update(instances).where(instances.c.instance_id == "i-1").values(mode=mode))
    story.region.machines["i-1"].mode = mode.value


def set_account(story: Story, *, instance: str, role: str) -> None:
    """The instances are in one AWS account, the control role in another."""
    story.fleet.execute(update(instances).values(account_id=instance))
    story.fleet.execute(update(clients).values(aws_role_arn=f"arn:aws:iam::{role}:role/spot-optimizer"))


def assert_serves(story: Story, instance_id: str) -> None:
    """The instance alone serves, is PRIMARY, and is reached."""
    assert story.region.serving == [instance_id]
    assert story.roles[instance_id] == "PRIMARY"
    assert story.region.address_of[ADDRESS] == instance_id
    assert story.region.violations == []
