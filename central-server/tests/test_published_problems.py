"""Guard: what is really answered when something is wrong is what the published description says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from server_support.http import Answer, Http
from server_support.site import Site
from spot_server.db.runner import Database

ROOT = Path(__file__).parents[2]
DESCRIPTION: dict[str, Any] = json.loads((ROOT / "docs/api/openapi.json").read_text(encoding="utf-8"))
PROBLEM: dict[str, Any] = DESCRIPTION["components"]["schemas"]["Problem"]

CLIENT_PATH = "/api/client/{client_id}"
SWITCH = CLIENT_PATH + "/agents/{agent_id}/switch"


def as_json_schema(node: Any) -> Any:
    """Return a part of an OpenAPI 3.0 document as JSON Schema: what is nullable may also be null."""
    if isinstance(node, list):
        return [as_json_schema(part) for part in node]
    if not isinstance(node, dict):
        return node
    schema = {key: as_json_schema(part) for key, part in node.items() if key != "nullable"}
    if node.get("nullable") is True and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


VALIDATOR = Draft202012Validator(as_json_schema({**PROBLEM, "components": DESCRIPTION["components"]}))


def check(answer: Answer, method: str, rule: str) -> dict[str, Any]:
    """AssertionError unless this answer is a problem as the description has it, under a status that the page names."""
    problem: dict[str, Any] = answer.json
    assert str(answer.status) in DESCRIPTION["paths"][rule][method]["responses"]
    assert [error.message for error in VALIDATOR.iter_errors(problem)] == []
    assert problem.keys() <= PROBLEM["properties"].keys()
    return problem


@pytest.fixture
def site(database: Database, http: Http) -> Site:
    return Site(database, http)


@pytest.fixture
def agent_path(site: Site) -> str:
    answer, _ = site.register()
    return f"{site.base}/agents/{answer['agent_id']}"


@pytest.mark.parametrize(
    ("target", "detail"),
    [
        ({"az_id": "us-east-1a"}, "an AZ id such as use1-az1 is expected"),
        ({"instance_type": "m9.huge"}, "instance_type 'm9.huge' is not in allowed_instance_types"),
    ],
)
def test_a_move_to_nowhere_lists_every_place_whole(site: Site, agent_path: str, target: dict[str, str], detail: str) -> None:
    answer = site.client.post(f"{agent_path}/switch", {"request_id": "r-1", "target": target})

    problem = check(answer, "post", SWITCH)
    assert problem["type"] == "/problems/move-refused"
    assert detail in problem["detail"]
    assert all(detail in place["reason"] for place in problem["refused"])
    assert {place["mode"] for place in problem["refused"]} == {"spot", "on_demand"}


@pytest.mark.parametrize("cursor", ["!", "W10"])
def test_a_bad_cursor_is_told_as_a_bad_limit_is(site: Site, cursor: str) -> None:
    answers = [site.client.get(f"{site.base}/agents", limit=0), site.client.get(f"{site.base}/agents", cursor=cursor)]

    problems = [check(answer, "get", CLIENT_PATH + "/agents") for answer in answers]
    assert [(problem["errors"][0]["field"], problem["errors"][0]["value"]) for problem in problems] == [("limit", "0"), ("cursor", cursor)]
    assert problems[0].keys() == problems[1].keys()


def test_settings_that_exclude_each_other_are_named(site: Site, agent_path: str) -> None:
    answer = site.client.post(f"{agent_path}/config", {"auto_switch_enabled": True, "manual_replica_enabled": True})

    problem = check(answer, "post", CLIENT_PATH + "/agents/{agent_id}/config")
    assert problem["fields"] == ["auto_switch_enabled", "manual_replica_enabled"]


def test_who_is_not_let_in_reads_how_a_token_is_sent(site: Site) -> None:
    answer = site.http.send("GET", f"{site.base}/agents", headers={"Authorization": "Token abc"})

    assert check(answer, "get", CLIENT_PATH + "/agents")["detail"] == "expected the header Authorization: Bearer <token>"


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("switch", {}, "request_id is missing"),
        ("switch", {"request_id": "r", "dry_run": 1, "colour": "red", "x": 1}, "and 2 more"),
        ("switch", {"request_id": None}, "request_id must not be null"),
        ("switch", [], "the body is not a JSON object"),
        ("config", {}, "the body names no setting; expected one or more of enabled, auto_switch_enabled"),
        ("config", {"colour": "red"}, "colour is not known"),
        ("config", {"carry": "magic"}, "carry: 'magic' cannot be used; expected one of "),
    ],
)
def test_what_is_wrong_with_a_body_is_said_in_plain_words(site: Site, agent_path: str, path: str, body: Any, detail: str) -> None:
    answer = site.client.post(f"{agent_path}/{path}", body)

    assert detail in check(answer, "post", CLIENT_PATH + "/agents/{agent_id}/" + path)["detail"]


@pytest.mark.parametrize(
    ("page", "query", "detail"),
    [
        ("/events", {"after": "x"}, "after: 'x' is not an integer"),
        ("/events", {"since": "1"}, "since is not known"),
        ("/agents", {"limits": "1"}, "limits is not known"),
        ("/switch-history", {"agent": "a"}, "agent is not known"),
    ],
)
def test_what_is_wrong_with_a_query_is_said_in_plain_words(site: Site, page: str, query: dict[str, str], detail: str) -> None:
    answer = site.client.get(site.base + page, **query)

    assert check(answer, "get", CLIENT_PATH + page)["detail"] == detail


def test_a_daemons_unknown_parameter_is_ignored(site: Site) -> None:
    answer, daemon = site.register()

    assert daemon.get(f"/api/agents/{answer['agent_id']}/pending-commands", instance="later").status == 200
