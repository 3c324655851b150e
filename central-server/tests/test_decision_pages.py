"""The pages of decisions and models: what clients and admins see, and each way to be refused."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.builders import create_admin_token, create_client_token
from server_support.clock import FakeClock
from server_support.deciding import ON_DEMAND, Deciding
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.features.activity.queries import store_profiles
from spot_server.features.activity.rules import HOURS_OF_WEEK, HourActivity, Profile, Reading, hour_of
from spot_server.http.context import AppContext
from spot_server.words import Mode

MODELS = "/api/admin/models"


@pytest.fixture
def deciding(database: Database, clock: FakeClock) -> Deciding:
    return Deciding.on(database, clock, auto_switch_enabled=False)


@pytest.fixture
def client(deciding: Deciding, http: Http) -> Http:
    return http.as_(create_client_token(deciding.story.database, deciding.story.fleet.client_id))


@pytest.fixture
def admin(database: Database, http: Http) -> Http:
    return http.as_(create_admin_token(database))


def path(deciding: Deciding, page: str) -> str:
    return f"/api/client/{deciding.story.fleet.client_id}/agents/{deciding.story.agent_id}/{page}"


def register(admin: Http, version: str = "2", **parameters: Any) -> str:
    answer = admin.post(MODELS, {"plugin": "expected_cost", "model_version": version, "parameters": parameters})
    assert answer.status == 201, answer.text
    return str(answer.json["model_id"])


def test_decisions_are_listed_newest_first_with_every_place_and_why(deciding: Deciding, client: Http) -> None:
    deciding.decide()
    deciding.set_mode(Mode.SPOT)
    deciding.next_tick()

    page = client.get(path(deciding, "decisions")).json

    assert [one["action"] for one in page["items"]] == ["STAY", "SWITCH"]
    switch = page["items"][1]
    assert switch["target"] == "spot/m5.large/use1-az1"
    assert switch["held_back_because"] == "auto_switch_enabled is off"
    assert len(switch["rejected"]) == 10
    assert all(switch["rejected"].values())


def test_a_page_of_decisions_goes_on_where_the_one_before_it_ended(deciding: Deciding, client: Http) -> None:
    for mode in (Mode.ON_DEMAND, Mode.SPOT, Mode.ON_DEMAND):
        deciding.set_mode(mode)
        deciding.next_tick()

    first = client.get(path(deciding, "decisions"), limit=2).json
    second = client.get(path(deciding, "decisions"), limit=2, cursor=first["next_cursor"]).json

    assert [one["action"] for one in first["items"] + second["items"]] == ["SWITCH", "STAY", "SWITCH"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("page", ["decisions", "why-on-demand"])
def test_a_parameter_that_is_not_known_is_refused_and_named(deciding: Deciding, client: Http, page: str) -> None:
    answer = client.get(path(deciding, page), since="2026-01-01")

    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == ["since"]


@pytest.mark.parametrize("page", ["decisions", "why-on-demand"])
def test_another_clients_agent_is_as_unknown_as_one_that_never_was(deciding: Deciding, client: Http, page: str) -> None:
    other = Fleet.on(deciding.story.database).agent("shop", instance_id="i-77")
    mine = f"/api/client/{deciding.story.fleet.client_id}/agents"

    answers = [client.get(f"{mine}/{agent_id}/{page}") for agent_id in (other.agent_id, "nobody")]

    assert [(answer.status, answer.slug) for answer in answers] == [(404, "not-found")] * 2


def test_why_still_on_demand_is_answered_in_words_without_storing_anything(deciding: Deciding, client: Http, context: AppContext) -> None:
    said = client.get(path(deciding, "why-on-demand")).json

    assert (said["is_on_demand"], said["action"], said["target"]) == (True, "SWITCH", "spot/m5.large/use1-az1")
    assert said["answer"].startswith("web-1 runs on demand as m5.large in use1-az1 since 2026-01-01T00:00:00Z. ")
    assert said["answer"].endswith("It is not moved by itself: auto_switch_enabled is off.")
    assert deciding.stored() == []
    assert context.database.policy.on_demand_usd_per_hour == ON_DEMAND


def test_what_keeps_it_from_being_moved_is_named_also_while_a_move_waits_after_a_persons(deciding: Deciding, client: Http) -> None:
    deciding.story.switch(mode="on_demand", az_id="use1-az2")
    deciding.story.passes(600)

    said = client.get(path(deciding, "why-on-demand")).json

    assert (said["is_on_demand"], said["action"]) == (True, "STAY")
    assert "brought there by a move (manual, " in said["answer"]
    assert "but not yet: it was moved a short while ago and is left alone until 2026-01-01T02:" in said["answer"]
    assert said["answer"].endswith(". It is not moved by itself: auto_switch_enabled is off.")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"manual_replica_enabled": True}, "manual_replica_enabled is on: a person decides where it runs, and auto_switch_enabled is off"),
        ({"enabled": False}, "auto_switch_enabled is off"),
        ({"min_saving_percent": 100}, "auto_switch_enabled is off"),
    ],
)
def test_every_setting_that_forbids_moves_is_named_whatever_the_model_says(
    deciding: Deciding, client: Http, changes: dict[str, Any], named: str
) -> None:
    deciding.story.set_agent(**changes)

    said = client.get(path(deciding, "why-on-demand")).json

    assert said["answer"].endswith(f". It is not moved by itself: {named}.")


def test_an_agent_that_decisions_may_move_is_not_said_to_be_held_back(deciding: Deciding, client: Http) -> None:
    deciding.story.set_agent(auto_switch_enabled=True)

    assert "not moved by itself" not in client.get(path(deciding, "why-on-demand")).json["answer"]


def test_an_agent_without_a_primary_has_nothing_to_explain(deciding: Deciding, client: Http) -> None:
    deciding.story.fleet.delete(deciding.story.fleet.live("web-1"))

    answer = client.get(path(deciding, "why-on-demand"))

    assert (answer.status, answer.slug) == (409, "state-conflict")


def test_a_version_is_registered_activated_and_rolled_back(deciding: Deciding, admin: Http) -> None:
    deciding.decide()
    deciding.story.clock.advance(1)
    second = register(admin, horizon_hours=6)

    activated = admin.post(f"{MODELS}/{second}/activate", {"reason": "shorter horizon"})
    deciding.next_tick()
    by_second = deciding.last.model_id
    back = admin.post(f"{MODELS}/roll-back", {})
    deciding.next_tick()

    assert (activated.json["acting_model_id"], by_second) == (second, second)
    assert (back.json["acting_model_id"], deciding.last.model_id) == ("built-in", "built-in")
    shown = admin.get(MODELS).json
    assert [one["model_version"] for one in shown["models"]] == ["1", "2"]
    assert [one["acting_model_id"] for one in shown["activations"]] == ["built-in", second, "built-in"]


def test_a_challenger_acts_for_its_share_and_is_a_shadow_for_the_others(deciding: Deciding, admin: Http) -> None:
    deciding.decide()
    for number in range(2, 20):
        deciding.story.fleet.agent(f"web-{number}", instance_id=f"i-{number}0")
    second = register(admin, return_hold_minutes=60)
    admin.post(f"{MODELS}/built-in/activate", {"challenger_model_id": second, "challenger_percent": 50})

    deciding.next_tick()

    report = admin.get(f"{MODELS}/comparison").json["models"]
    counts = {(one["model_version"], one["is_shadow"]): one["decision_count"] for one in report}
    assert counts["1", False] - 1 + counts["2", False] == 19
    assert counts["1", True] == counts["2", False] > 0
    assert counts["2", True] == counts["1", False] - 1 > 0
    assert {one["agreed_share"] for one in report} == {1.0}
    price = next(one["price_share_of_on_demand"] for one in report if one["model_version"] == "1" and not one["is_shadow"])
    assert 0.3 < price <= 1.0


def test_a_shadow_is_listed_only_where_it_is_asked_for(deciding: Deciding, admin: Http, client: Http) -> None:
    second = register(admin)
    admin.post(f"{MODELS}/built-in/activate", {"challenger_model_id": second})
    deciding.next_tick()

    listed = [client.get(path(deciding, "decisions"), shadows=shown).json["items"] for shown in ("false", "true")]

    assert [len(items) for items in listed] == [1, 2]
    assert sorted(one["is_shadow"] for one in listed[1]) == [False, True]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({"plugin": "nothing_of_this_name", "model_version": "1"}, 422, "plugin"),
        ({"plugin": "expected_cost", "model_version": "2", "parameters": {"horizont": 1}}, 422, "plugin"),
        ({"plugin": "expected_cost", "model_version": "2", "parameters": {"horizon_hours": -1}}, 422, "plugin"),
        ({"plugin": "expected_cost", "model_version": "2", "parameters": {"horizon_hours": [1]}}, 422, "parameters"),
        ({"plugin": "expected_cost", "model_version": "2", "parameters": {"dwell_minutes": 1e300}}, 422, "from 0 to 10080, not 1e+300"),
        ({"plugin": "expected_cost"}, 422, "model_version"),
        ({"plugin": "expected_cost", "model_version": "2", "speed": 1}, 422, "speed"),
    ],
)
def test_a_model_that_cannot_be_is_refused_by_what_is_wrong(admin: Http, body: dict[str, Any], status: int, named: str) -> None:
    answer = admin.post(MODELS, body)

    assert answer.status == status
    assert named in answer.text


def test_a_version_never_changes(admin: Http) -> None:
    first = register(admin, horizon_hours=6)

    again = register(admin, horizon_hours=6)
    other = admin.post(MODELS, {"plugin": "expected_cost", "model_version": "2", "parameters": {"horizon_hours": 7}})

    assert again == first
    assert (other.status, other.slug) == (409, "state-conflict")


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"challenger_percent": 10}, "field-invalid"),
        ({"challenger_model_id": "built-in"}, "field-invalid"),
        ({"challenger_model_id": "nobody"}, "not-found"),
        ({"challenger_model_id": "nobody", "challenger_percent": 101}, "field-invalid"),
    ],
)
def test_an_activation_that_makes_no_sense_is_refused(deciding: Deciding, admin: Http, body: dict[str, Any], slug: str) -> None:
    deciding.decide()

    answer = admin.post(f"{MODELS}/built-in/activate", body)

    assert answer.slug == slug
    assert len(admin.get(MODELS).json["activations"]) == 1


def test_an_unknown_model_is_not_activated_and_without_an_earlier_one_nothing_is_rolled_back(deciding: Deciding, admin: Http) -> None:
    deciding.decide()

    unknown = admin.post(f"{MODELS}/nobody/activate", {})
    back = admin.post(f"{MODELS}/roll-back", {})

    assert (unknown.status, back.status, back.slug) == (404, 409, "state-conflict")


def test_a_client_may_not_see_or_choose_models(client: Http) -> None:
    assert [client.get(MODELS).slug, client.post(f"{MODELS}/roll-back", {}).slug] == ["token-kind-wrong"] * 2


WINDOW = {"days": ["sunday"], "starts_at": "02:00", "ends_at": "05:00", "time_zone": "Europe/Berlin"}


def test_what_decisions_go_by_is_saved_and_shown(deciding: Deciding, client: Http) -> None:
    wanted = {"value_per_minute_usd": "2.5", "moves_per_day": 1, "min_saving_percent": 20, "maintenance_window": WINDOW}

    saved = client.post(path(deciding, "config"), {**wanted, "request_id": "config-1"})
    shown = client.get(path(deciding, "config")).json

    assert saved.status == 200
    assert {name: shown[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("setting", "value", "why"),
    [
        ("value_per_minute_usd", "-1", "expected an amount of 0 or more"),
        ("value_per_minute_usd", 1.5, "expected a decimal string of USD"),
        ("value_per_minute_usd", "1000001", "expected an amount from 0 to 1000000"),
        ("moves_per_day", 49, "expected a whole number from 0 to 48"),
        ("moves_per_day", 1.5, "expected a whole number"),
        ("min_saving_percent", 101, "expected a whole number from 0 to 100"),
        ("maintenance_window", {**WINDOW, "days": []}, "expected 1 to 7 days"),
        ("maintenance_window", {**WINDOW, "days": ["sunday", "sunday"]}, "expected each day once"),
        ("maintenance_window", {**WINDOW, "days": ["someday"]}, "expected one of monday, tuesday"),
        ("maintenance_window", {**WINDOW, "starts_at": "2:00"}, "expected"),
        ("maintenance_window", {**WINDOW, "starts_at": "24:00"}, "expected a time of day from 00:00 to 23:59"),
        ("maintenance_window", {**WINDOW, "ends_at": "02:00"}, "expected another time than starts_at"),
        ("maintenance_window", {**WINDOW, "time_zone": "Mars/Olympus"}, "expected the name of a time zone"),
        ("maintenance_window", {**WINDOW, "speed": 1}, "is not known"),
        ("maintenance_window", {"days": ["sunday"]}, "starts_at"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_with_what_would_be_right(
    deciding: Deciding, client: Http, setting: str, value: Any, why: str
) -> None:
    answer = client.post(path(deciding, "config"), {setting: value})

    assert (answer.status, answer.slug) == (422, "field-invalid")
    assert setting in answer.text
    assert why in answer.text


def test_a_person_reads_when_the_agent_is_quiet_or_that_too_little_is_known(deciding: Deciding, client: Http) -> None:
    before = client.get(path(deciding, "why-on-demand")).json
    now = deciding.story.clock.now()
    hours = tuple(HourActivity(0.05 if place == 27 else 0.5, 2) for place in range(HOURS_OF_WEEK))
    profile = Profile("UTC", hours, hour_of(now), Reading("i-1", 5.0, 10))
    deciding.story.database.write(lambda tx: store_profiles(tx, [(deciding.story.agent_id, profile)]))

    after = client.get(path(deciding, "why-on-demand")).json

    assert [before[name] for name in ("quiet_hours", "activity_ratio", "quiet_ratio", "quiet_at")] == [None] * 4
    assert after["quiet_hours"] == "known from 14 days, quietest Tuesday 03:00 UTC"
    assert after["activity_ratio"] == pytest.approx(1.0, abs=0.01)
    assert after["quiet_at"] == "2026-01-01T03:00:00Z"
    assert after["quiet_ratio"] < 1
