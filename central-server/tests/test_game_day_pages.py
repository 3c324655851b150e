"""Game days over HTTP."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from server_support.builders import create_client, create_client_token
from server_support.clock import FakeClock
from server_support.game_days import Exercise
from server_support.http import Http
from server_support.retention import run
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.db.tables import game_days
from spot_server.features.game_days import queries
from spot_server.features.game_days.jobs import GameDays
from spot_server.settings import Settings
from spot_server.words import GameDayKind


@pytest.fixture
def settings() -> Settings:
    return Settings(simulated_region_url="http://127.0.0.1:1")


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True)


@pytest.fixture
def client(story: Story, app: Flask) -> Http:
    return Http.to(app).as_(create_client_token(story.database, story.fleet.client_id))


def base(story: Story) -> str:
    return f"/api/client/{story.fleet.client_id}/agents/{story.agent_id}"


def test_a_dry_run_is_200_and_a_game_day_that_begins_202(story: Story, client: Http) -> None:
    dry = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice", "dry_run": True})
    begun = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice"})
    again = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice"})

    assert (dry.status, begun.status, again.status) == (200, 202, 202)
    assert dry.json["calls"][0]["operation"] == "POST /_region/instances/i-1/notice"
    assert begun.json == again.json
    assert begun.json["status"] == "requested"


def test_the_history_is_read_newest_first_page_by_page(story: Story, client: Http) -> None:
    exercise = Exercise(story)
    asked = []
    for number in range(3):
        asked.append(exercise.stop(exercise.ask(request_id=f"r-{number}")))
        exercise.run()
        story.passes(2)

    first = client.get(f"{base(story)}/gamedays", limit=2).json
    rest = client.get(f"{base(story)}/gamedays", limit=2, cursor=first["next_cursor"]).json

    listed = [item["game_day_id"] for item in [*first["items"], *rest["items"]]]
    assert listed == [game_day.game_day_id for game_day in reversed(asked)]
    assert rest["next_cursor"] is None


def test_a_refusal_says_why_and_what_would_be_right(story: Story, client: Http) -> None:
    story.set_agent(carry="image_after_quiesce")

    lossy = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice"})
    wrong = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "outage", "stop_alarm_arn": "web"})

    assert (lossy.status, lossy.slug) == (409, "game-day-refused")
    assert "say accept_data_loss to go on" in lossy.json["detail"]
    assert wrong.status == 422
    assert {error["field"] for error in wrong.json["errors"]} == {"kind", "stop_alarm_arn"}


def test_a_second_one_names_the_first_and_a_stopped_one_makes_room(story: Story, client: Http) -> None:
    first = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice"}).json["game_day_id"]

    second = client.post(f"{base(story)}/gameday", {"request_id": "r-2", "kind": "notice"})
    stopped = client.post(f"{base(story)}/gamedays/{first}/stop")
    Exercise(story).run()
    third = client.post(f"{base(story)}/gameday", {"request_id": "r-2", "kind": "notice"})

    assert (second.status, second.slug, second.json["game_day_id"]) == (409, "game-day-in-progress", first)
    assert (stopped.status, stopped.json["status"]) == (202, "closing")
    assert third.status == 202


def test_an_outside_probers_word_stands_beside_the_servers(story: Story, client: Http) -> None:
    exercise = Exercise(story)
    game_day = exercise.ends(exercise.ask())
    probe = {"source": "prober", "downtime_ms": 2345, "lost_writes_count": 0}

    client.post(f"{base(story)}/gamedays/{game_day.game_day_id}/probe", probe)

    shown = client.get(f"{base(story)}/gamedays/{game_day.game_day_id}").json
    assert (shown["probe"], shown["status"]) == (probe, "completed")
    assert shown["plan"]["instance_id"] == "i-1"


def test_another_clients_game_days_are_not_there(story: Story, client: Http, app: Flask) -> None:
    game_day = client.post(f"{base(story)}/gameday", {"request_id": "r-1", "kind": "notice"}).json["game_day_id"]
    other = create_client(story.database)
    stranger = Http.to(app).as_(create_client_token(story.database, other))

    theirs = base(story).replace(story.fleet.client_id, other)
    answers = [
        stranger.get(f"{theirs}/gamedays"),
        stranger.get(f"{theirs}/gamedays/{game_day}"),
        stranger.post(f"{theirs}/gameday", {"request_id": "r", "kind": "notice"}),
        stranger.post(f"{theirs}/gamedays/{game_day}/stop"),
        stranger.get(f"{base(story)}/gamedays"),
    ]

    assert {answer.status for answer in answers} == {404}


def test_a_game_day_goes_with_the_moves_of_its_time_and_never_before_it_is_over(story: Story) -> None:
    exercise = Exercise(story)
    over = exercise.ends(exercise.ask())
    exercise.ask(GameDayKind.RECOMMENDATION, request_id="still-open")
    story.clock.advance(200 * 86400)

    run(story, story.clock)

    kept = [game_day.request_id for game_day in story.database.read(queries.open_game_days)]
    assert kept == ["still-open"]
    assert story.fleet.scalars(select(game_days.c.game_day_id).where(game_days.c.game_day_id == over.game_day_id)) == []


def test_a_server_that_was_configured_otherwise_meanwhile_plays_nothing(story: Story) -> None:
    exercise = Exercise(story)
    game_day = exercise.ask()
    unconfigured = GameDays({})

    unconfigured(exercise.context)
    unconfigured(exercise.context)

    ended = exercise.reload(game_day)
    assert ended.failure is not None
    assert "neither AWS FIS is configured for this client" in ended.failure
