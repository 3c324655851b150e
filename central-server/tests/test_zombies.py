"""ZOMBIEs of all clients: listed for admins, and ended in bulk by the rules that a client's own wish goes by."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.builders import create_admin_token, create_client_token
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.story import Story
from server_support.ways_back import NEW, OLD, moved
from spot_server.db.runner import Database
from spot_server.features.kept.queries import ends_asked_for

PAGE = "/api/admin/zombies"


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    """i-1 was left by a move and is kept, because auto-terminate is off."""
    story = moved(Story.on(database, clock, terminate_wait_seconds=20, auto_terminate_enabled=False))
    story.passes(60)
    return story


@pytest.fixture
def admin(http: Http, database: Database) -> Http:
    return http.as_(create_admin_token(database))


def name(story: Story, instance_id: str, **changes: str) -> dict[str, str]:
    return {"client_id": story.fleet.client_id, "agent_id": story.agent_id, "instance_id": instance_id, **changes}


def end(admin: Http, *names: dict[str, str], request_id: str = "end-1") -> Any:
    return admin.post(f"{PAGE}/terminate", {"request_id": request_id, "instances": list(names)})


def test_a_zombie_of_any_client_is_listed_with_whose_it_is(admin: Http, story: Story, database: Database) -> None:
    Fleet.on(database).agent("other-1", instance_id="i-other")

    (row,) = admin.get(PAGE).json["items"]

    assert (row["client_id"], row["agent_id"], row["instance_id"]) == (story.fleet.client_id, story.agent_id, OLD)
    assert (row["logical_agent_id"], row["is_retained"], row["end_asked_at"]) == ("web-1", True, None)
    assert admin.get(PAGE, client_id="nobody").json["items"] == []


def test_pages_go_on_where_the_last_one_ended(admin: Http, story: Story) -> None:
    first = admin.get(PAGE, limit=1).json

    assert (len(first["items"]), first["next_cursor"]) == (1, None)


def test_each_is_answered_for_itself_and_a_refusal_keeps_no_other_from_its_end(admin: Http, story: Story, database: Database) -> None:
    answer = end(admin, name(story, NEW), name(story, "i-nobodys"), name(story, OLD), name(story, OLD, client_id="another"))

    primary, unknown, old, foreign = answer.json["items"]
    assert answer.status == 202
    assert [row["is_accepted"] for row in (primary, unknown, old, foreign)] == [False, False, True, False]
    assert "it is the PRIMARY" in primary["reason"]
    assert "no instance i-nobodys" in unknown["reason"]
    assert database.read(ends_asked_for) == [(story.agent_id, OLD)]


def test_the_end_is_carried_out_and_asking_again_changes_nothing(admin: Http, story: Story) -> None:
    answers = [end(admin, name(story, OLD)).json["items"][0]["is_accepted"] for _ in range(2)]
    story.passes(120, until=lambda: story.roles[OLD] == "TERMINATED")

    assert answers == [True, True]
    assert story.roles == {OLD: "TERMINATED", NEW: "PRIMARY"}
    assert admin.get(PAGE).json["items"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"request_id": "r", "instances": []}, "instances"),
        ({"request_id": "r"}, "instances"),
        ({"instances": [{"client_id": "c", "agent_id": "a", "instance_id": "i"}]}, "request_id"),
        ({"request_id": "r", "instances": [{"client_id": "c", "agent_id": "a"}]}, "instances.0.instance_id"),
    ],
)
def test_a_bad_request_is_refused_with_its_field(admin: Http, body: dict[str, Any], field: str) -> None:
    answer = admin.post(f"{PAGE}/terminate", body)

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_clients_are_not_let_in(http: Http, story: Story) -> None:
    client = http.as_(create_client_token(story.database, story.fleet.client_id))

    assert (client.get(PAGE).status, end(client, name(story, OLD)).status) == (403, 403)
