"""Price reports from daemons; prices for clients."""

from __future__ import annotations

from typing import Any

from flask import Response

from spot_server.features.instances.rules import require_own_instance
from spot_server.features.pricing import service
from spot_server.features.pricing.answers import HistoryAnswer, HistoryQuery, PricingAnswer, show_pricing, tag_of
from spot_server.features.pricing.chart_rules import choose_window
from spot_server.features.pricing.chart_text import write_history
from spot_server.features.pricing.history import Choice, read_history
from spot_server.features.pricing.schemas import PriceReportSchema, ReportAnswer
from spot_server.features.pricing.service import PriceReport, ReportOutcome
from spot_server.http.auth import current_instance_id, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.caching import allow_caching
from spot_server.http.context import current_context
from spot_server.words import TokenKind

CURRENT_SECONDS = 30
"""For how long a caller may keep current prices: a tenth of the time in which daemons report anew."""

HISTORY_SECONDS = 60
"""The same of a chart, whose last point is the present five minutes."""

daemon_blueprint = Blueprint("price_reports", __name__, url_prefix="/api/agents", description="What daemons see of prices.")
protect(daemon_blueprint, TokenKind.AGENT)

client_blueprint = Blueprint(
    "pricing", __name__, url_prefix="/api/client/<client_id>/instances/<instance_id>", description="Prices of an instance's markets."
)
protect(client_blueprint, TokenKind.CLIENT)


@daemon_blueprint.route("/<agent_id>/pricing-report", methods=["POST"])
@daemon_blueprint.arguments(PriceReportSchema)
@daemon_blueprint.response(202, ReportAnswer)
def report_prices(said: tuple[str, PriceReport], agent_id: str) -> ReportOutcome:
    """Store prices; bad rows are named, good rows are kept."""
    instance_id, report = said
    require_own_instance(instance_id, current_instance_id())
    context = current_context()
    with context.report_turn():
        return context.database.write(lambda tx: service.report_prices(tx, agent_id, instance_id, report))


@client_blueprint.route("/pricing", methods=["GET"])
@client_blueprint.response(200, PricingAnswer)
def get_pricing(client_id: str, instance_id: str) -> dict[str, Any]:
    """Return what the instance's markets cost now, each price with its source and age."""
    context = current_context()
    pricing = context.database.read(lambda tx: service.read_pricing(tx, client_id, instance_id, context.on_demand))
    allow_caching(CURRENT_SECONDS, tag=tag_of(pricing))
    return show_pricing(pricing)


@client_blueprint.route("/price-history", methods=["GET"])
@client_blueprint.arguments(HistoryQuery, location="query")
@client_blueprint.response(200, HistoryAnswer)
def get_history(query: dict[str, Any], client_id: str, instance_id: str) -> Response:
    """Return what the instance's markets cost over a window, what nobody saw marked, and on demand beside it."""
    context = current_context()
    window = choose_window(query["since"], query["until"], query["bucket_seconds"], context.clock.now())
    choice = Choice(query["instance_type"], query["az_id"])
    found = context.database.read(lambda tx: read_history(tx, client_id, instance_id, window, choice, context.on_demand))
    allow_caching(HISTORY_SECONDS)
    return Response(write_history(found), mimetype="application/json")
