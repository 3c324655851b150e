"""What requests cost in SQL, as the metrics tell it."""

from __future__ import annotations

from server_support.http import Http
from server_support.site import HEARTBEAT, Site
from spot_server.db.runner import Database
from spot_server.db.statement_count import begin_count
from spot_server.http.context import AppContext

ENDPOINT = "heartbeats.record_heartbeat"


def statements_of_heartbeats(context: AppContext) -> float:
    return context.metrics.registry.get_sample_value("spot_http_sql_statements_total", {"endpoint": ENDPOINT}) or 0.0


def test_a_heartbeat_with_a_known_token_costs_two_statements(database: Database, http: Http, context: AppContext) -> None:
    answer, daemon = Site(database, http).register()
    path = f"/api/agents/{answer['agent_id']}/heartbeat"
    daemon.post(path, HEARTBEAT)
    before = statements_of_heartbeats(context)

    daemon.post(path, HEARTBEAT)

    assert statements_of_heartbeats(context) - before == 2


def test_a_page_without_the_database_costs_none(http: Http, context: AppContext) -> None:
    http.get("/healthz")

    assert context.metrics.registry.get_sample_value("spot_http_sql_statements_total", {"endpoint": "health.healthz"}) == 0


def test_a_new_count_begins_at_zero_and_leaves_the_old_one_alone(database: Database) -> None:
    first = begin_count()
    database.read(lambda tx: tx.connection.exec_driver_sql("SELECT 1").scalar_one())

    second = begin_count()
    database.read(lambda tx: tx.connection.exec_driver_sql("SELECT 1").scalar_one())

    assert (first.statements, second.statements) == (1, 1)
