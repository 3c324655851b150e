"""A standby that is not like its primary is told of while it stands, not when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import select

from server_support.clock import FakeClock
from server_support.fidelity import LIKE, UNLIKE, FidelityStory
from server_support.terminal import Terminal
from spot_server.db.runner import Database
from spot_server.db.tables import events, notifications
from spot_server.features.replicas.comparing import note_likeness
from spot_server.features.replicas.jobs import compare_standbys
from spot_server.features.replicas.service import retire_replica
from spot_server.features.switches.promotions import Accepted
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import ReplicaStatus, SwitchStatus

FOUND = [
    {"field": "security_group_ids", "old": ["sg-1"], "new": ["sg-2"]},
    {"field": "detailed_monitoring", "old": True, "new": False},
]


@pytest.fixture
def story(database: Database, clock: FakeClock) -> FidelityStory:
    return FidelityStory.like(database, clock, manual_replica_enabled=True, replica_count=1)


def compare(story: FidelityStory) -> str:
    return compare_standbys(JobContext(story.database, story.clock, Settings(), Metrics(), structlog.get_logger()))


def recorded(story: FidelityStory) -> list[dict[str, Any]] | None:
    (standby,) = [one for one in story.replicas() if one.is_live]
    return standby.differences


def told(story: FidelityStory) -> list[str]:
    where = notifications.c.kind == "standby_unlike"
    return story.fleet.scalars(select(notifications.c.text).where(where).order_by(notifications.c.created_at))


def seen(story: FidelityStory, kind: str) -> list[dict[str, Any]]:
    return story.fleet.scalars(select(events.c.data).where(events.c.kind == kind).order_by(events.c.sequence))


def test_a_ready_standby_that_is_not_like_the_primary_is_told_of_once_with_every_field(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    story.gets_ready()

    said = [compare(story), compare(story)]

    assert said == ["web-1: the standby differs in 2", ""]
    assert recorded(story) == FOUND
    (text,) = told(story)
    assert 'security_group_ids: ["sg-1"] before, ["sg-2"] now; detailed_monitoring: true before, false now' in text
    assert [one["differences"] for one in seen(story, "standby_differs")] == [FOUND]


def test_a_standby_that_is_like_the_primary_is_recorded_and_nobody_is_told(story: FidelityStory) -> None:
    story.gets_ready()

    compare(story)

    assert recorded(story) == []
    assert told(story) == []


def test_a_standby_that_is_not_ready_yet_is_not_compared(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    story.gets_up = False
    story.passes(120)

    assert [one.status for one in story.replicas()] == [ReplicaStatus.SYNCING]
    assert compare(story) == ""


def test_a_standby_that_does_not_say_all_of_itself_is_waited_for_and_then_differs(story: FidelityStory) -> None:
    story.new_configuration = {**LIKE, "volumes": None}
    story.gets_ready()
    early = compare(story)

    story.passes(120)
    compare(story)

    assert early == ""
    assert recorded(story) == [{"field": "volumes", "old": "read", "new": "not read"}]


def test_where_the_primary_never_said_anything_nothing_is_compared(story: FidelityStory) -> None:
    story.says("i-1", None)
    story.gets_ready()
    story.passes(120)

    compare(story)

    assert recorded(story) is None
    assert told(story) == []


def test_a_difference_that_a_person_mends_on_the_primary_is_over(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    story.gets_ready()
    compare(story)

    story.says("i-1", UNLIKE)
    compare(story)

    assert recorded(story) == []
    assert len(seen(story, "standby_same")) == 1
    assert len(told(story)) == 1


def test_a_primary_that_changes_beside_its_standby_is_told_of_each_time(story: FidelityStory) -> None:
    story.gets_ready()
    compare(story)

    story.says("i-1", {**LIKE, "security_group_ids": ["sg-1", "sg-3"]})
    compare(story)
    story.clock.advance(60)
    story.says("i-1", {**LIKE, "tags": {"team": "other"}})
    compare(story)

    first, second = told(story)
    assert 'security_group_ids: ["sg-1", "sg-3"] before, ["sg-1"] now' in first
    assert 'tags.team: "other" before, "shop" now' in second


def test_a_move_that_runs_is_left_to_compare_by_itself(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    standby = story.gets_ready()
    switch = story.promote(standby.replica_id, accepts=Accepted(differences=True))

    during = compare(story)
    directly = story.database.write(lambda tx: note_likeness(tx, agent_id=story.agent_id, replica_id=standby.replica_id))

    assert story.reload(switch).status is SwitchStatus.RUNNING
    assert (during, directly) == ("", None)
    assert told(story) == []


def test_a_standby_that_is_retired_between_the_look_and_the_record_is_left_alone(story: FidelityStory) -> None:
    story.new_configuration = UNLIKE
    standby = story.gets_ready()
    retire = {"user_id": "tester", "reason": "not wanted"}
    story.database.write(lambda tx: retire_replica(tx, story.fleet.client_id, story.agent_id, standby.replica_id, **retire))

    done = story.database.write(lambda tx: note_likeness(tx, agent_id=story.agent_id, replica_id=standby.replica_id))

    assert done is None
    assert told(story) == []


def test_spotctl_shows_a_standby_and_in_what_it_is_not_like_the_primary(story: FidelityStory, app: Flask, tmp_path: Path) -> None:
    story.new_configuration = UNLIKE
    story.gets_ready()
    terminal = Terminal.of(story, app, tmp_path)
    before = terminal.run("agents", "--agent", "web-1")
    compare(story)

    said = terminal.run("agents", "--agent", "web-1")

    assert "not compared" in before.out
    assert "no, in 2" in said.out
    lines = [line.split() for line in said.out.splitlines()]
    assert "i-2 is not like the primary:" in said.out
    assert ["FIELD", "BEFORE", "NOW"] in lines
    assert ["security_group_ids", '["sg-1"]', '["sg-2"]'] in lines
    assert ["detailed_monitoring", "true", "false"] in lines
    assert any("image for an emergency" in line and "has booted" in line for line in said.out.splitlines())


def test_spotctl_shows_a_move_that_a_difference_took_back_field_by_field(story: FidelityStory, app: Flask, tmp_path: Path) -> None:
    story.set_agent(manual_replica_enabled=False, replica_count=0)
    story.new_configuration = UNLIKE
    terminal = Terminal.of(story, app, tmp_path)
    terminal.on_sleep = lambda seconds: story.passes(max(seconds, 2))

    said = terminal.run("switch", "--agent", "web-1", "--yes", "--wait")

    lines = [line.split() for line in said.out.splitlines()]
    assert "the new instance is not like the old one:" in said.out
    assert ["security_group_ids", '["sg-1"]', '["sg-2"]'] in lines
