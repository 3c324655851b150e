"""A fence that does not come is waited for as long as it takes, and a person is told once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from server_support.builders import create_client_token
from server_support.clock import FakeClock
from server_support.http import Http
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.words import InterruptionKind, SwitchStatus


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """A primary with auto-terminate off, and a standby that is ready."""
    story = Story.on(database, clock, has_image=True, manual_replica_enabled=True, replica_count=1)
    story.gets_ready()
    story.set_agent(auto_terminate_enabled=False)
    return story


def notice_in_vain(story: Story, kind: InterruptionKind = InterruptionKind.TERMINATE) -> None:
    """The daemon of i-1 dies after it reported a notice that EC2 does not carry out."""
    story.notice(kind=kind, lead_seconds=60)
    story.region.machines["i-1"].taken_away_at = None
    story.region.machines["i-1"].has_daemon = False


def alarms(story: Story) -> list[Any]:
    return story.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == "fence_waits"))


def test_a_notice_that_is_not_carried_out_is_told_once_and_waited_for(story: Story) -> None:
    notice_in_vain(story)
    story.passes(170)
    early = alarms(story)
    story.passes(600, step_seconds=10)
    waiting = story.active()
    story.region.lose("i-1")
    story.settles(300)

    (told,) = alarms(story)
    assert early == []
    assert "EC2 says that the old instance is running; it is not ended by us: auto-terminate is off" in told
    assert waiting is not None
    assert len(story.fleet.scalars(select(events.c.kind).where(events.c.kind == "switch_waiting"))) == 1
    assert story.issued("terminate_instance") == []
    assert story.reload(waiting).status is SwitchStatus.COMPLETED
    assert story.region.serving == ["i-2"]
    assert story.region.violations == []


def test_turning_auto_terminate_on_is_a_way_out(story: Story) -> None:
    notice_in_vain(story)
    story.passes(400, until=lambda: bool(alarms(story)))

    story.set_agent(auto_terminate_enabled=True)
    story.settles(300)

    assert story.region.machines["i-1"].state == "terminated"
    assert story.region.serving == ["i-2"]


def test_an_instance_that_was_to_be_stopped_keeps_its_disk_even_with_auto_terminate_on(story: Story) -> None:
    story.set_agent(auto_terminate_enabled=True)
    notice_in_vain(story, InterruptionKind.STOP)

    story.passes(600, step_seconds=10)

    (told,) = alarms(story)
    assert "no notice said that EC2 would terminate it" in told
    assert story.issued("terminate_instance") == []


def test_a_move_shows_what_it_waits_for_until_it_is_over(story: Story, http: Http) -> None:
    notice_in_vain(story)
    page = f"/api/client/{story.fleet.client_id}/agents/{story.agent_id}/switches/{story.switches()[0].switch_id}"
    client = http.as_(create_client_token(story.database, story.fleet.client_id))
    story.passes(130)
    waiting = client.get(page).json["waiting_reason"]
    story.region.lose("i-1")
    story.settles(300)

    assert "it is not ended by us: auto-terminate is off" in waiting
    assert client.get(page).json["waiting_reason"] is None
