"""Figures for operators."""

from __future__ import annotations

from typing import Any

from spot_server.features.analytics import service
from spot_server.features.analytics.queries import AgentHealth
from spot_server.features.analytics.schemas import (
    AgentHealthPage,
    DaysQuery,
    EmergencyDaysAnswer,
    InterruptionHistoryAnswer,
    PerformanceAnswer,
)
from spot_server.features.analytics.service import EmergencyDays, InterruptionHistory, Performance
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page
from spot_server.words import TokenKind

blueprint = Blueprint("analytics", __name__, url_prefix="/api/client/<client_id>", description="Figures for operators.")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("/analytics/agent-health", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AgentHealthPage)
def agent_health(query: dict[str, Any], client_id: str) -> Page[AgentHealth]:
    """Show how each agent did in the last 30 days: uptime, moves, interruptions, standbys (v_agent_health_summary)."""
    return current_context().database.read(lambda tx: service.read_health(tx, client_id, **query))


@blueprint.route("/analytics/switch-performance", methods=["GET"])
@blueprint.response(200, PerformanceAnswer)
def switch_performance(client_id: str) -> Performance:
    """Show the moves of the last 24 hours: their downtime, and what each step took (v_switch_performance_24h)."""
    return current_context().database.read(lambda tx: service.read_performance(tx, client_id))


@blueprint.route("/analytics/emergency-events", methods=["GET"])
@blueprint.arguments(DaysQuery, location="query")
@blueprint.response(200, EmergencyDaysAnswer)
def emergency_events(query: dict[str, Any], client_id: str) -> EmergencyDays:
    """Count interruptions by day and kind (v_emergency_events_daily)."""
    return current_context().database.read(lambda tx: service.read_emergency_days(tx, client_id, **query))


@blueprint.route("/interruptions/history", methods=["GET"])
@blueprint.arguments(DaysQuery, location="query")
@blueprint.response(200, InterruptionHistoryAnswer)
def interruption_history(query: dict[str, Any], client_id: str) -> InterruptionHistory:
    """Count when instances were taken, by pool, weekday and hour."""
    return current_context().database.read(lambda tx: service.read_history(tx, client_id, **query))
