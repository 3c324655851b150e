"""Mistakes that were made once in products like this one. Each test is named after what must never happen again."""

from __future__ import annotations

from typing import Any

import pytest

from server_support.builders import create_agent_token, create_client_token
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.bootstrap import build_app
from spot_server.db.runner import Database, Transaction
from spot_server.features.instances.service import promote
from spot_server.http.context import AppContext
from spot_server.words import Role


@pytest.fixture
def fleet(database: Database) -> Fleet:
    return Fleet.on(database)


@pytest.fixture
def client(fleet: Fleet, http: Http) -> Http:
    return http.as_(create_client_token(fleet.database, fleet.client_id))


def hand_over(fleet: Fleet, logical_agent_id: str, new_instance_id: str) -> None:
    agent = fleet.live(logical_agent_id)

    def act(tx: Transaction) -> int | None:
        return promote(tx, agent=agent, new_instance_id=new_instance_id, expected_epoch=agent.epoch, by="test", reason="a switch")

    assert fleet.database.write(act) is not None


def test_the_price_page_of_an_instance_with_data_answers_200(fleet: Fleet, client: Http, http: Http) -> None:
    agent = fleet.agent()
    row: dict[str, Any] = {
        "region": "us-east-1",
        "az_id": "use1-az1",
        "az_name": "us-east-1a",
        "instance_type": "m5.large",
        "product": "Linux/UNIX",
        "spot_usd_per_hour": "0.0351",
        "effective_at": "2026-01-01T00:00:00Z",
    }
    body = {"report_id": "r-1", "instance_id": "i-1", "observed_at": "2026-01-01T00:00:00Z", "prices": [row]}
    daemon = http.as_(create_agent_token(fleet.database, fleet.client_id, agent.agent_id))
    daemon.post(f"/api/agents/{agent.agent_id}/pricing-report", body)

    answer = client.get(f"/api/client/{fleet.client_id}/instances/i-1/pricing")

    assert answer.status == 200, answer.text
    assert answer.json["current"]["usd_per_hour"] == "0.0351"


def test_the_manual_replica_toggle_is_still_there_after_the_server_started_anew(
    fleet: Fleet, client: Http, context: AppContext
) -> None:
    agent = fleet.agent()
    path = f"/api/client/{fleet.client_id}/agents/{agent.agent_id}/config"
    client.post(path, {"manual_replica_enabled": True})

    restarted = Http.to(build_app(context)).as_(create_client_token(fleet.database, fleet.client_id))

    saved = restarted.get(path).json
    assert (saved["manual_replica_enabled"], saved["replica_count"]) == (True, 1)


def test_an_agent_can_be_deleted_and_installed_again_as_a_new_one(fleet: Fleet, client: Http) -> None:
    agent = fleet.agent()
    deleted = client.delete(f"/api/client/{fleet.client_id}/agents/{agent.agent_id}")

    again = fleet.register()

    assert deleted.status == 200, deleted.text
    assert again.is_new
    assert again.config.agent.agent_id != agent.agent_id
    assert again.config.is_primary
    history = client.get(f"/api/client/{fleet.client_id}/agents/history", logical_agent_id="web-1").json["items"]
    assert {row["agent_id"] for row in history} == {agent.agent_id, again.config.agent.agent_id}


def test_a_switch_makes_no_second_agent_in_the_list(fleet: Fleet, client: Http) -> None:
    agent = fleet.agent()
    for number in range(2, 5):
        fleet.replica_in_place(fleet.live("web-1"), f"i-{number}")
        hand_over(fleet, "web-1", f"i-{number}")

    listed = client.get(f"/api/client/{fleet.client_id}/agents").json["items"]

    assert [row["agent_id"] for row in listed] == [agent.agent_id]
    assert listed[0]["primary"]["instance_id"] == "i-4"
    assert fleet.roles(agent) == {"i-1": Role.ZOMBIE, "i-2": Role.ZOMBIE, "i-3": Role.ZOMBIE, "i-4": Role.PRIMARY}


def test_a_reinstalled_daemon_makes_no_second_agent_in_the_list(fleet: Fleet, client: Http) -> None:
    agent = fleet.agent()

    fleet.register()

    listed = client.get(f"/api/client/{fleet.client_id}/agents").json["items"]
    assert [row["agent_id"] for row in listed] == [agent.agent_id]
