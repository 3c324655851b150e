"""What daemons and clients get over HTTP: registration, heartbeat, settings, lists, deletion."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from server_support.builders import create_client_token
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.site import HEARTBEAT, REGISTRATION, Site
from spot_server.db.runner import Database
from spot_server.db.tables import clients


@pytest.fixture
def site(database: Database, http: Http) -> Site:
    return Site(database, http)


def test_registration_answers_with_place_token_and_configuration(site: Site) -> None:
    answer, daemon = site.register()

    assert answer["is_primary"] is True
    assert answer["instance_status"] == "running_primary"
    assert answer["config"]["carry"] == "stateless"
    assert answer["config"]["allowed_instance_types"] == ["m5.large"]
    assert answer["config"] == daemon.get(f"/api/agents/{answer['agent_id']}/config").json


def test_a_daemon_is_told_whether_the_server_has_a_control_role(site: Site) -> None:
    answer, daemon = site.register()
    path = f"/api/agents/{answer['agent_id']}/config"

    without = daemon.get(path).json
    site.fleet.execute(update(clients).values(aws_role_arn="arn:aws:iam::123456789012:role/spot-optimizer"))
    with_role = daemon.get(path).json

    assert (without["has_control_role"], with_role["has_control_role"]) == (False, True)


def test_an_unknown_field_in_a_registration_is_ignored(site: Site) -> None:
    answer, _ = site.register(colour="green")

    assert answer["is_primary"] is True


def test_a_refused_registration_is_a_problem_document_and_the_client_is_told(site: Site) -> None:
    site.register()

    refused = site.http.as_(site.fleet.enrolment).post("/api/agents/register", {**REGISTRATION, "instance_id": "i-2"})

    assert (refused.status, refused.slug) == (409, "unexpected-instance")
    told = site.client.get(f"{site.base}/notifications").json["items"]
    assert "unexpected_instance" in [row["kind"] for row in told]


def test_a_heartbeat_answers_with_what_the_daemon_must_know(site: Site) -> None:
    answer, daemon = site.register()

    heard = daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", HEARTBEAT)

    assert heard.status == 200, heard.text
    assert heard.json == {
        "server_time": "2026-01-01T00:00:00Z",
        "config_version": 1,
        "epoch": 1,
        "instance_status": "running_primary",
        "is_primary": True,
        "commands_waiting": False,
    }


@pytest.mark.parametrize("said", [-0.01, 1.01, "much", True, {}])
def test_a_heartbeat_that_says_an_impossible_share_is_refused_with_its_field(site: Site, said: object) -> None:
    answer, daemon = site.register()

    refused = daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", {**HEARTBEAT, "cpu_busy_ratio": said})

    assert (refused.status, refused.slug) == (422, "field-invalid")
    assert "cpu_busy_ratio" in refused.text
    assert "expected a number from 0 to 1" in refused.text


@pytest.mark.parametrize("said", [{}, {"cpu_busy_ratio": None}, {"cpu_busy_ratio": 0}, {"cpu_busy_ratio": 1}, {"cpu_busy_ratio": 0.25}])
def test_a_heartbeat_may_say_how_busy_the_instance_was_or_not(site: Site, said: dict[str, object]) -> None:
    answer, daemon = site.register()

    assert daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", {**HEARTBEAT, **said}).status == 200


def test_a_clone_that_uses_its_parents_token_is_refused(site: Site) -> None:
    answer, daemon = site.register()

    heard = daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", {**HEARTBEAT, "instance_id": "i-clone"})

    assert (heard.status, heard.slug) == (409, "unexpected-instance")


def test_a_daemons_differing_setting_is_shown_and_does_not_count(site: Site) -> None:
    answer, daemon = site.register()

    daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", HEARTBEAT)

    detail = site.client.get(f"{site.base}/agents/{answer['agent_id']}").json
    assert detail["settings"]["auto_terminate_enabled"] is True
    assert detail["settings_differences"] == {"auto_terminate_enabled": {"server": True, "daemon": False}}


def test_a_saved_setting_is_what_client_and_daemon_read_and_raises_the_config_version(site: Site) -> None:
    answer, daemon = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}/config"

    saved = site.client.post(path, {"auto_terminate_enabled": False, "terminate_wait_seconds": 60})

    assert saved.status == 200, saved.text
    assert saved.json["config_version"] == 2
    assert site.client.get(path).json == saved.json
    seen = daemon.get(f"/api/agents/{answer['agent_id']}/config").json
    assert (seen["auto_terminate_enabled"], seen["terminate_wait_seconds"], seen["config_version"]) == (False, 60, 2)


def test_auto_switch_and_manual_replica_together_are_refused_with_a_clear_message(site: Site) -> None:
    answer, _ = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}/config"
    site.client.post(path, {"manual_replica_enabled": True})

    refused = site.client.post(path, {"auto_switch_enabled": True})

    assert (refused.status, refused.slug) == (409, "settings-conflict")
    assert "manual_replica_enabled" in refused.json["detail"]
    assert site.client.get(path).json["auto_switch_enabled"] is False


def test_turning_manual_replica_on_wants_one_replica_and_off_none(site: Site) -> None:
    answer, _ = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}/config"

    on = site.client.post(path, {"manual_replica_enabled": True}).json
    off = site.client.post(path, {"manual_replica_enabled": False}).json

    assert (on["replica_count"], off["replica_count"]) == (1, 0)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"terminate_wait_seconds": -1}, "terminate_wait_seconds"),
        ({"terminate_wait_seconds": "60"}, "terminate_wait_seconds"),
        ({"enabled": "yes"}, "enabled"),
        ({"colour": "green"}, "colour"),
        ({"carry": "luck"}, "carry"),
        ({"allowed_instance_types": ["m5 large"]}, "allowed_instance_types"),
        ({"traffic_handles": [{"kind": "dns"}]}, "traffic_handles"),
        ({"traffic_handles": [{"kind": "elastic_ip", "allocation_id": f"eipalloc-{n}"} for n in "12"]}, "traffic_handles"),
        ({}, ""),
        ({"auto_terminate_enabled": None}, "auto_terminate_enabled"),
    ],
)
def test_a_setting_out_of_range_or_unknown_is_refused_by_name(site: Site, change: dict[str, Any], field: str) -> None:
    answer, _ = site.register()

    refused = site.client.post(f"{site.base}/agents/{answer['agent_id']}/config", change)

    assert refused.status == 422
    assert field in refused.text


def test_an_agent_is_turned_off_and_on_again(site: Site) -> None:
    answer, _ = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}/toggle-enabled"

    first = site.client.post(path, {"enabled": False})
    second = site.client.post(path, {"enabled": False})
    third = site.client.post(path, {"enabled": True})

    assert [answer.json["enabled"] for answer in (first, second, third)] == [False, False, True]


def test_a_toggle_that_names_no_state_is_refused_and_changes_nothing(site: Site) -> None:
    answer, _ = site.register()
    agent_path = f"{site.base}/agents/{answer['agent_id']}"

    empty = site.client.post(f"{agent_path}/toggle-enabled", {})
    unset = site.client.post(f"{agent_path}/toggle-enabled", {"enabled": None})

    assert (empty.status, empty.json["detail"]) == (422, "enabled is missing")
    assert (unset.status, unset.json["detail"]) == (422, "enabled must not be null")
    assert site.client.get(f"{agent_path}/config").json["enabled"] is True


def test_a_toggle_that_comes_late_once_more_is_not_carried_out_again(site: Site) -> None:
    answer, _ = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}/toggle-enabled"
    site.client.post(path, {"enabled": False, "request_id": "request-1"})
    site.client.post(path, {"enabled": True, "request_id": "request-2"})

    again = site.client.post(path, {"enabled": False, "request_id": "request-1"})

    assert (again.status, again.json["enabled"]) == (200, True)


def test_every_change_of_settings_is_in_the_audit_log_with_before_after_and_who(site: Site) -> None:
    answer, _ = site.register()

    site.client.post(f"{site.base}/agents/{answer['agent_id']}/config", {"enabled": False, "reason": "holiday", "request_id": "r-1"})

    row = site.client.get(f"{site.base}/audit").json["items"][0]
    assert row["action"] == "agent.config_changed"
    assert (row["pre_state"], row["post_state"]) == ({"enabled": True}, {"enabled": False})
    assert (row["user_id"], row["reason"], row["request_id"]) == ("client tester", "holiday", "r-1")


def test_the_list_shows_each_agent_with_its_primary_and_counts(site: Site, clock: FakeClock) -> None:
    answer, _ = site.register()
    clock.advance(1)
    site.fleet.replica_in_place(site.fleet.agent("web-2", instance_id="i-9"), "i-10")

    page = site.client.get(f"{site.base}/agents").json

    assert [row["logical_agent_id"] for row in page["items"]] == ["web-1", "web-2"]
    assert page["items"][0]["agent_id"] == answer["agent_id"]
    assert page["items"][0]["primary"]["instance_id"] == "i-1"
    assert [row["live_replica_count"] for row in page["items"]] == [0, 1]
    assert [row["has_good_image"] for row in page["items"]] == [False, False]


def test_lists_come_in_pages(site: Site) -> None:
    for number in range(3):
        site.register(logical_agent_id=f"web-{number}", instance_id=f"i-{number}")

    first = site.client.get(f"{site.base}/agents", limit=2).json
    second = site.client.get(f"{site.base}/agents", limit=2, cursor=first["next_cursor"]).json

    assert [len(first["items"]), len(second["items"])] == [2, 1]
    assert second["next_cursor"] is None
    instances = site.client.get(f"{site.base}/instances", limit=2).json
    rest = site.client.get(f"{site.base}/instances", limit=2, cursor=instances["next_cursor"]).json
    assert [row["instance_id"] for row in instances["items"] + rest["items"]] == ["i-0", "i-1", "i-2"]


def test_a_deleted_agent_is_history_and_its_primary_is_told_to_let_go(site: Site) -> None:
    answer, daemon = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}"

    deleted = site.client.delete(path)

    assert deleted.status == 200, deleted.text
    assert site.client.get(f"{site.base}/agents").json["items"] == []
    assert site.client.get(f"{site.base}/agents/history", logical_agent_id="web-1").json["items"][0]["deleted_at"] is not None
    detail = site.client.get(path).json
    assert (detail["instances"][0]["role"], detail["instances"][0]["released_at"]) == ("ZOMBIE", "2026-01-01T00:00:00Z")
    heard = daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", HEARTBEAT).json
    assert (heard["instance_status"], heard["commands_waiting"]) == ("zombie", True)
    waiting = daemon.get(f"/api/agents/{answer['agent_id']}/pending-commands").json["commands"]
    assert [command["kind"] for command in waiting] == ["release"]


def test_deleting_again_is_fine_and_tells_nobody_twice(site: Site) -> None:
    answer, _ = site.register()
    path = f"{site.base}/agents/{answer['agent_id']}"

    first, second = site.client.delete(path), site.client.delete(path)

    assert first.json == second.json
    told = site.client.get(f"{site.base}/notifications").json["items"]
    assert [row["kind"] for row in told].count("agent_deleted") == 1


def test_another_clients_agent_is_as_unknown_as_none(site: Site, database: Database) -> None:
    answer, _ = site.register()
    other = Fleet.on(database)
    stranger = site.http.as_(create_client_token(database, other.client_id))
    paths = ["", "/config", "/events"]

    answers = [
        stranger.get(f"/api/client/{other.client_id}/agents/{agent_id}{path}")
        for path in paths
        for agent_id in (answer["agent_id"], "no-such-agent")
    ]

    assert {got.status for got in answers} == {404}
    assert stranger.delete(f"/api/client/{other.client_id}/agents/{answer['agent_id']}").status == 404
    assert stranger.get(f"{site.base}/agents").status == 404


def test_notifications_are_marked_as_read_one_by_one_or_all(site: Site) -> None:
    site.register()
    site.register(logical_agent_id="web-2", instance_id="i-2")
    path = f"{site.base}/notifications"
    first = site.client.get(path).json["items"][0]["notification_id"]

    one = site.client.post(f"{path}/read", {"notification_ids": [first, "no-such"]}).json
    rest = site.client.post(f"{path}/read", {}).json

    assert (one, rest) == ({"marked_count": 1, "unread_count": 1}, {"marked_count": 1, "unread_count": 0})
    assert site.client.get(path, unread="true").json["items"] == []


def test_a_silent_agent_is_shown_offline_and_online_again(site: Site, clock: FakeClock) -> None:
    answer, daemon = site.register()
    site.fleet.mark_offline_after(clock, 301)

    offline = site.client.get(f"{site.base}/agents").json["items"][0]["is_offline"]
    daemon.post(f"/api/agents/{answer['agent_id']}/heartbeat", HEARTBEAT)
    online = site.client.get(f"{site.base}/agents").json["items"][0]["is_offline"]

    assert (offline, online) == (True, False)
    kinds = [row["kind"] for row in site.client.get(f"{site.base}/events").json["items"]]
    assert kinds.index("agent_offline") < kinds.index("agent_online")
