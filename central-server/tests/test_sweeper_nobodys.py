"""Instances whose tags name no agent of their client: told of once, never ended; an epoch of theirs is a sign of a restored database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from server_support.builders import create_client_token
from server_support.clock import FakeClock
from server_support.control_role_stage import Stage
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.story import Story
from server_support.sweeping import Sweeping
from spot_server.db.runner import Database
from spot_server.db.tables import audit_logs, events, instances, notifications
from spot_server.errors import NotFound, StateConflict
from spot_server.features.sweeper.holds import RestoreHold, confirm_restore, list_holds
from spot_server.features.sweeper.jobs import Sweeper
from spot_server.features.sweeper.rules import SweepPolicy

UNKNOWN = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def stage(database: Database, clock: FakeClock) -> Stage:
    return Stage(database, clock)


def seen(stage: Stage, instance_id: str = "i-9", *, agent_id: str | None = UNKNOWN, epoch: str | None = "3") -> None:
    """The control role finds an instance that was launched hours ago, with these tags."""
    named = {"agent-id": agent_id, "epoch": epoch, "managed": "true", "client-id": stage.fleet.client_id, "launch-token": "token-9"}
    tags = {f"spot-optimizer:{key}": value for key, value in named.items() if value is not None}
    launched_at = stage.clock.now() - timedelta(hours=3)
    stage.ec2.add_instance(instance_id, tags=tags, client_token="token-9", launched_at=launched_at)


def sweep(stage: Stage) -> str:
    return Sweeper(stage.gateway, SweepPolicy())(stage.context)


def told(stage: Stage, kind: str) -> list[str]:
    return stage.fleet.scalars(select(notifications.c.text).where(notifications.c.kind == kind))


def holds(stage: Stage) -> list[RestoreHold]:
    return stage.database.read(lambda tx: list_holds(tx, stage.fleet.client_id))


def confirm(stage: Stage, client_id: str, epoch: int) -> RestoreHold:
    return stage.database.write(lambda tx: confirm_restore(tx, client_id, UNKNOWN, epoch=epoch, user_id="somebody"))


def test_an_epoch_of_an_agent_that_the_database_does_not_know_holds_the_sweeper_back_and_is_told_once(stage: Stage) -> None:
    seen(stage)

    sentences = [sweep(stage) for _ in range(3)]

    (hold,) = holds(stage)
    (suspected,) = told(stage, "restore_suspected")
    assert sentences == ["told of 1", "", ""]
    assert (hold.agent_id, hold.instance_id, hold.saved_epoch, hold.seen_epoch, hold.is_holding) == (UNKNOWN, "i-9", 0, 3, True)
    assert f"epoch 3 of agent {UNKNOWN}, which the database does not know" in suspected
    assert len(told(stage, "stray_quarantined")) == 1
    assert stage.fleet.scalars(select(events.c.data).where(events.c.kind == "stray_quarantined"))[0]["doubt"] == "no_agent"
    assert stage.fleet.scalars(select(audit_logs.c.user_id).where(audit_logs.c.action == "sweeper.quarantined")) == ["sweeper"]
    assert stage.ec2.instances["i-9"].state == "running"


def test_a_person_confirms_what_was_seen_and_only_a_newer_epoch_holds_again(stage: Stage) -> None:
    seen(stage)
    sweep(stage)
    with pytest.raises(StateConflict):
        confirm(stage, stage.fleet.client_id, 2)

    confirmed = confirm(stage, stage.fleet.client_id, 3)
    sweep(stage)
    after = holds(stage)
    seen(stage, "i-10", epoch="4")
    sweep(stage)

    assert (confirmed.confirmed_epoch, confirmed.is_holding) == (3, False)
    assert [hold.is_holding for hold in after] == [False]
    assert [(hold.seen_epoch, hold.is_holding) for hold in holds(stage)] == [(4, True)]


def test_an_agent_that_nobody_knows_is_confirmed_by_its_own_client_alone(stage: Stage, http: Http) -> None:
    seen(stage)
    sweep(stage)
    stranger = Fleet.on(stage.database)
    own = http.as_(create_client_token(stage.database, stage.fleet.client_id))

    with pytest.raises(NotFound):
        confirm(stage, stranger.client_id, 3)
    answer = own.post(f"/api/client/{stage.fleet.client_id}/agents/{UNKNOWN}/confirm-restore", {"epoch": 3})

    assert (answer.status, answer.json["is_holding"]) == (200, False)


def test_tags_that_name_no_agent_are_told_of_and_say_nothing_of_a_restore(stage: Stage) -> None:
    seen(stage, agent_id=None)
    seen(stage, "i-10", agent_id="not an id that we give: it is longer than that")
    seen(stage, "i-11", epoch=None)

    sweep(stage)

    assert len(told(stage, "stray_quarantined")) == 3
    assert holds(stage) == []


def test_another_clients_agent_in_the_tags_is_told_of_and_neither_holds_nor_shows_that_it_is_there(stage: Stage) -> None:
    other = Fleet.on(stage.database)
    seen(stage, agent_id=other.agent().agent_id)

    sweep(stage)

    (text,) = told(stage, "stray_quarantined")
    assert "its tags name no agent of this client" in text
    assert holds(stage) == []


def test_what_is_in_its_place_or_ends_is_not_told_of(stage: Stage) -> None:
    primary_id = stage.fleet.scalars(select(instances.c.instance_id))[0]
    seen(stage, primary_id)
    seen(stage)
    stage.ec2.instances["i-9"] = replace(stage.ec2.instances["i-9"], state="shutting-down")

    sweep(stage)

    assert told(stage, "stray_quarantined") == []
    assert holds(stage) == []


def test_a_first_instance_of_another_clients_agent_of_the_same_name_is_passed_over(database: Database, clock: FakeClock) -> None:
    """It carries its agent and no client, for nobody launched it; a daemon of ours sees it by the name that they share."""
    sweeping = Sweeping(Story.on(database, clock, has_image=True))
    theirs = sweeping.story.region.add("i-theirs", instance_type="m5.large", az_id="use1-az1", mode="spot", is_serving=False)
    theirs.tags = {"spot-optimizer:managed": "true", "spot-optimizer:agent-id": UNKNOWN, "spot-optimizer:epoch": "3"}

    sweeping.passes(180)

    assert sweeping.told("stray_quarantined") + sweeping.told("restore_suspected") == []
    assert sweeping.story.database.read(lambda tx: list_holds(tx, sweeping.story.fleet.client_id)) == []
