"""Pages for the risk of pools: a client sees chances that all losses went into, and of the inputs its own alone."""

from __future__ import annotations

import pytest
import structlog
from sqlalchemy import update

from server_support.builders import create_admin_token, create_client_token
from server_support.clock import FakeClock
from server_support.fleet import Fleet
from server_support.http import Http
from spot_server.db.runner import Database
from spot_server.db.tables import agents
from spot_server.features.pricing.queries import ensure_pools
from spot_server.features.risk.jobs import RiskAnalysis
from spot_server.features.risk.model import load_model
from spot_server.jobs.registry import JobContext
from spot_server.metrics import Metrics
from spot_server.settings import Settings
from spot_server.words import InterruptionKind
from test_pool_risks import PRODUCT, REGION, bands, lose

POOLS = [
    (REGION, az_id, kind, product) for az_id in ("use1-az1", "use1-az2") for kind in ("m5.large", "m5a.large") for product in (PRODUCT,)
]


@pytest.fixture
def fleet(database: Database) -> Fleet:
    database.write(
        lambda tx: ensure_pools(tx, [*POOLS, (REGION, "use1-az1", "m5.large", "Windows"), (REGION, "use1-az1", "c5.large", PRODUCT)])
    )
    return Fleet.on(database)


def analyse(database: Database, clock: FakeClock) -> None:
    RiskAnalysis(load_model())(JobContext(database, clock, Settings(), Metrics(), structlog.get_logger()))


def test_a_client_sees_the_pools_that_its_agent_may_use(fleet: Fleet, database: Database, clock: FakeClock, http: Http) -> None:
    agent = fleet.agent()
    fleet.execute(update(agents).values(allowed_instance_types=["m5a.large"]))
    bands(fleet, 1)
    analyse(database, clock)
    clock.advance(60)

    answer = http.as_(create_client_token(database, fleet.client_id)).get(
        f"/api/client/{fleet.client_id}/agents/{agent.agent_id}/pool-risks"
    )

    assert answer.status == 200
    items = answer.json["items"]
    assert [(one["instance_type"], one["az_id"], one["product"]) for one in items] == [
        ("m5.large", "use1-az1", PRODUCT),
        ("m5.large", "use1-az2", PRODUCT),
        ("m5a.large", "use1-az1", PRODUCT),
        ("m5a.large", "use1-az2", PRODUCT),
    ]
    first = items[0]
    assert first["next_hour"]["low"] <= first["next_hour"]["chance"] <= first["next_hour"]["high"]
    assert first["next_day"]["chance"] > first["next_hour"]["chance"]
    assert 60 <= first["age_seconds"] < 960
    assert (first["advisor"]["band"], items[2]["advisor"]) == (1, None)
    assert first["advisor"]["age_seconds"] > 0
    assert [one["age_hours"] for one in first["by_age"]] == [0, 1, 4, 16, 64]


def test_another_clients_loss_raises_the_chance_and_is_not_shown(fleet: Fleet, database: Database, clock: FakeClock, http: Http) -> None:
    agent = fleet.agent()
    token = create_client_token(database, fleet.client_id)
    path = f"/api/client/{fleet.client_id}/agents/{agent.agent_id}/pool-risks"
    analyse(database, clock)
    before = http.as_(token).get(path).json["items"][0]

    other = Fleet.on(database)
    lose(other, other.agent("db-1", instance_id="i-other"), "i-other", kind=InterruptionKind.LOSS)
    clock.advance(900)
    analyse(database, clock)

    after = http.as_(token).get(path).json["items"][0]
    assert after["next_hour"]["chance"] > before["next_hour"]["chance"]
    assert (after["inputs"]["own_losses"], after["inputs"]["newest_own_loss_age_seconds"]) == (0, None)
    assert after["inputs"]["own_instance_hours"] == 0.25


def test_a_clients_own_loss_is_shown_with_its_age(fleet: Fleet, database: Database, clock: FakeClock, http: Http) -> None:
    agent = fleet.agent()
    lose(fleet, agent, "i-1")
    analyse(database, clock)
    clock.advance(1800)

    answer = http.as_(create_client_token(database, fleet.client_id)).get(
        f"/api/client/{fleet.client_id}/agents/{agent.agent_id}/pool-risks"
    )

    inputs = answer.json["items"][0]["inputs"]
    assert (inputs["own_losses"], inputs["newest_own_loss_age_seconds"], inputs["lookback_days"]) == (1, 1800, 28)


def test_another_clients_agent_is_as_unknown_as_one_that_there_is_not(fleet: Fleet, database: Database, http: Http) -> None:
    theirs = Fleet.on(database).agent("db-1", instance_id="i-other")
    token = create_client_token(database, fleet.client_id)

    answers = [http.as_(token).get(f"/api/client/{fleet.client_id}/agents/{one}/pool-risks") for one in (theirs.agent_id, "nobody")]

    assert [answer.status for answer in answers] == [404, 404]


def test_before_anything_is_computed_there_is_nothing_to_see(fleet: Fleet, database: Database, http: Http) -> None:
    agent = fleet.agent()

    answer = http.as_(create_client_token(database, fleet.client_id)).get(
        f"/api/client/{fleet.client_id}/agents/{agent.agent_id}/pool-risks"
    )

    assert (answer.status, answer.json) == (200, {"agent_id": agent.agent_id, "items": []})


def test_an_admin_pages_through_all_pools_and_sees_what_went_into_them(
    fleet: Fleet, database: Database, clock: FakeClock, http: Http
) -> None:
    lose(fleet, fleet.agent(), "i-1")
    analyse(database, clock)
    clock.advance(600)
    token = create_admin_token(database)

    first = http.as_(token).get("/api/admin/pool-risks", limit=4).json
    second = http.as_(token).get("/api/admin/pool-risks", limit=4, cursor=first["next_cursor"]).json

    items = [*first["items"], *second["items"]]
    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (4, 2, None)
    lost = [one["inputs"] for one in items if one["inputs"]["losses"]]
    # Both products draw on the same machines.
    assert [one["losses"] for one in lost] == [1, 1]
    assert {one["newest_loss_age_seconds"] >= 600 for one in lost} == {True}


def test_a_cursor_that_is_none_is_refused(database: Database, http: Http) -> None:
    answer = http.as_(create_admin_token(database)).get("/api/admin/pool-risks", cursor="abc")

    assert answer.status == 422
