"""The same request again is answered and not done again; another request under the same id is refused, and nothing of it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select

from server_support.at_once import at_once
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.http import Http
from server_support.site import Site
from spot_server.clock import SystemClock
from spot_server.db.runner import Database
from spot_server.db.tables import agent_images, replica_instances
from spot_server.errors import RequestIdReused
from spot_server.features.agent_config.service import change_settings
from spot_server.features.agents.queries import Agent
from spot_server.features.requests.rules import request_digest

PAGES = st.sampled_from(["config", "replicas"])
BODIES = st.dictionaries(st.sampled_from(["enabled", "reason", "mode"]), st.none() | st.booleans() | st.sampled_from(["", "spot"]))


@pytest.fixture
def site(database: Database, http: Http) -> Site:
    return Site(database, http)


@pytest.fixture
def agent_path(site: Site) -> str:
    answer, _ = site.register()
    return f"{site.base}/agents/{answer['agent_id']}"


@given(PAGES, PAGES, BODIES, BODIES)
def test_two_requests_are_the_same_if_page_and_body_are(page: str, other_page: str, body: dict[str, Any], other: dict[str, Any]) -> None:
    backwards = dict(reversed(list(body.items())))

    assert request_digest(page, body) == request_digest(page, backwards)
    assert (request_digest(page, body) == request_digest(other_page, other)) == ((page, body) == (other_page, other))


def test_settings_that_are_sent_again_are_not_saved_over_what_another_saved_meanwhile(site: Site, agent_path: str) -> None:
    mine = {"terminate_wait_seconds": 60, "request_id": "request-1"}
    site.client.post(f"{agent_path}/config", mine)
    site.client.post(f"{agent_path}/config", {"terminate_wait_seconds": 900})

    again = site.client.post(f"{agent_path}/config", mine)

    assert (again.status, again.json["terminate_wait_seconds"]) == (200, 900)


@pytest.mark.parametrize(
    "other",
    [{"enabled": True}, {"terminate_wait_seconds": 61}, {"terminate_wait_seconds": 60, "reason": "another"}],
    ids=["other setting", "other value", "other reason"],
)
def test_other_settings_under_the_same_request_id_are_refused_and_not_saved(site: Site, agent_path: str, other: dict[str, Any]) -> None:
    site.client.post(f"{agent_path}/config", {"terminate_wait_seconds": 60, "request_id": "request-1"})
    before = site.client.get(f"{agent_path}/config").json

    refused = site.client.post(f"{agent_path}/config", {**other, "request_id": "request-1"})

    assert (refused.status, refused.json["type"], refused.json["field"]) == (409, "/problems/request-id-reused", "request_id")
    assert "request-1" in refused.json["detail"]
    assert site.client.get(f"{agent_path}/config").json == before


def test_a_request_that_changed_nothing_has_used_its_id_all_the_same(site: Site, agent_path: str) -> None:
    same = site.client.post(f"{agent_path}/config", {"enabled": True, "request_id": "request-1"})

    refused = site.client.post(f"{agent_path}/config", {"enabled": False, "request_id": "request-1"})

    assert (same.status, refused.status) == (200, 409)


def test_a_request_that_was_refused_may_be_mended_under_its_id(site: Site, agent_path: str) -> None:
    both = {"auto_switch_enabled": True, "manual_replica_enabled": True, "request_id": "request-1"}

    refused = site.client.post(f"{agent_path}/config", both)
    mended = site.client.post(f"{agent_path}/config", {**both, "manual_replica_enabled": False})

    assert (refused.status, mended.status, mended.json["auto_switch_enabled"]) == (409, 200, True)


def test_an_id_that_one_page_took_is_refused_by_another(site: Site, agent_path: str) -> None:
    site.client.post(f"{agent_path}/toggle-enabled", {"enabled": False, "request_id": "request-1"})

    config = site.client.post(f"{agent_path}/config", {"enabled": True, "request_id": "request-1"})
    toggle = site.client.post(f"{agent_path}/toggle-enabled", {"enabled": True, "request_id": "request-1"})

    assert (config.status, toggle.status) == (409, 409)
    assert site.client.get(f"{agent_path}/config").json["enabled"] is False


def test_without_an_id_every_request_is_one_of_its_own(site: Site, agent_path: str) -> None:
    first = site.client.post(f"{agent_path}/config", {"terminate_wait_seconds": 60})
    second = site.client.post(f"{agent_path}/config", {"terminate_wait_seconds": 61})

    assert (first.status, second.status, second.json["terminate_wait_seconds"]) == (200, 200, 61)


def with_image(site: Site, agent_path: str, clock: FakeClock) -> str:
    """The page for standbys of an agent that has an image to launch them from."""
    values = {"agent_id": agent_path.rpartition("/")[2], "client_id": site.fleet.client_id, "image_id": "ami-good", "image_name": "good"}
    times = {"started_at": clock.now(), "available_at": clock.now()}
    site.fleet.execute(insert(agent_images).values(**values, **times, snapshot_ids=[], has_booted=True))
    return f"{agent_path}/replicas"


def replica_ids(site: Site) -> list[str]:
    return site.fleet.scalars(select(replica_instances.c.replica_id))


def test_the_same_standby_asked_for_twice_is_one(site: Site, agent_path: str, clock: FakeClock) -> None:
    path = with_image(site, agent_path, clock)
    wish = {"request_id": "request-1", "target": {"mode": "on_demand"}}

    first, second = site.client.post(path, wish), site.client.post(path, wish)

    assert (first.status, second.status) == (202, 202)
    assert first.json["replica_id"] == second.json["replica_id"] == replica_ids(site)[0]


@pytest.mark.parametrize("target", [{}, {"mode": "spot"}, {"mode": "on_demand", "az_id": "use1-az2"}], ids=str)
def test_another_standby_under_the_same_request_id_is_refused_and_not_made(
    site: Site, agent_path: str, clock: FakeClock, target: Mapping[str, str]
) -> None:
    path = with_image(site, agent_path, clock)
    site.client.post(path, {"request_id": "request-1", "target": {"mode": "on_demand"}})

    refused = site.client.post(path, {"request_id": "request-1", "target": target})

    assert (refused.status, refused.json["type"]) == (409, "/problems/request-id-reused")
    assert len(replica_ids(site)) == 1


def test_a_standby_that_was_refused_may_be_asked_for_again_under_its_id(
    site: Site, agent_path: str, clock: FakeClock, database: Database
) -> None:
    keep_state = {"carry": "image_after_quiesce"}
    site.client.post(f"{agent_path}/config", keep_state)
    asked = {"request_id": "request-1", "target": {"mode": "on_demand"}}

    refused = site.client.post(f"{agent_path}/replicas", asked)
    mended = site.client.post(with_image(site, agent_path, clock), {**asked, "target": {}})

    assert (refused.status, refused.json["type"], mended.status) == (409, "/problems/no-image", 202)


def test_the_id_of_a_replica_that_nobody_asked_for_is_not_a_person_s_to_use(site: Site, agent_path: str, clock: FakeClock) -> None:
    path = with_image(site, agent_path, clock)
    agent = site.fleet.live("web-1")
    made = site.fleet.launched_replica(agent)

    refused = site.client.post(path, {"request_id": made.replica_id})

    assert (refused.status, refused.json["type"]) == (409, "/problems/request-id-reused")
    assert replica_ids(site) == [made.replica_id]


def test_of_two_bodies_sent_at_once_under_one_id_one_is_saved_and_the_other_refused(engine: Engine, clock: FakeClock) -> None:
    fleet = Fleet.on(Database(engine, clock=clock, sleeper=SystemClock()))
    agent = fleet.agent()

    def save(wait_seconds: int) -> Agent:
        requested = {"terminate_wait_seconds": wait_seconds}
        act = {"by": "tester", "request_id": "request-1"}
        return fleet.database.write(lambda tx: change_settings(tx, fleet.client_id, agent.agent_id, requested, **act))

    results = at_once([lambda: save(61), lambda: save(62), lambda: save(61), lambda: save(62)])

    refused = [result for result in results if isinstance(result, RequestIdReused)]
    saved = {result.terminate_wait_seconds for result in results if isinstance(result, Agent)}
    assert len(refused) == 2
    assert saved == {fleet.reload(agent).terminate_wait_seconds}
