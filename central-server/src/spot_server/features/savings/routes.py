"""The savings account: reports, a day down to its prices, and how days are counted and compared."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import ValidationError

from spot_server.errors import FieldInvalid
from spot_server.features.savings import service, settings_service
from spot_server.features.savings.csv_report import report_csv
from spot_server.features.savings.pricing import tariff_of
from spot_server.features.savings.reckoning import Pricing
from spot_server.features.savings.schemas import (
    ReportFormat,
    ReportQuery,
    SavingsDayAnswer,
    SavingsReportAnswer,
    SavingsSettingsAnswer,
    SavingsSettingsSchema,
)
from spot_server.features.savings.service import DayShown, Report, ReportQuestion
from spot_server.features.savings.settings_service import SavingsSettings
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.fields import DateText
from spot_server.words import TokenKind

blueprint = Blueprint("savings", __name__, url_prefix="/api/client/<client_id>", description="What was paid, against on demand.")
protect(blueprint, TokenKind.CLIENT)


def _pricing() -> Pricing:
    context = current_context()
    return Pricing(context.on_demand, tariff_of(context.settings))


@blueprint.route("/savings", methods=["GET"])
@blueprint.arguments(ReportQuery, location="query")
@blueprint.response(200, SavingsReportAnswer)
def get_report(query: tuple[ReportQuestion, ReportFormat], client_id: str) -> Report | Response:
    """Report what was paid and saved, by day, month or year, of the client or of each agent; as JSON or CSV."""
    asked, written = query
    context = current_context()
    report = context.database.read(lambda tx: service.read_report(tx, client_id, asked, _pricing(), context.today_totals))
    if written is ReportFormat.CSV:
        name = f"savings-{report.days.first}-{report.days.last}.csv"
        return Response(report_csv(report), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})
    return report


@blueprint.route("/agents/<agent_id>/savings/<day>", methods=["GET"])
@blueprint.response(200, SavingsDayAnswer)
def get_day(client_id: str, agent_id: str, day: str) -> DayShown:
    """Show one agent's day down to the price of each hour, with who saw that price and when."""
    try:
        asked = DateText().deserialize(day)
    except ValidationError:
        raise FieldInvalid("day", day, "a date such as 2026-01-05") from None
    return current_context().database.read(lambda tx: service.read_day(tx, client_id, agent_id, asked, _pricing()))


@blueprint.route("/savings/settings", methods=["GET"])
@blueprint.response(200, SavingsSettingsAnswer)
def get_settings(client_id: str) -> SavingsSettings:
    """Show how the client's days are counted and compared."""
    return current_context().database.read(lambda tx: settings_service.read_settings(tx, client_id))


@blueprint.route("/savings/settings", methods=["POST"])
@blueprint.arguments(SavingsSettingsSchema)
@blueprint.response(200, SavingsSettingsAnswer)
def change_settings(body: dict[str, Any], client_id: str) -> SavingsSettings:
    """Change how the client's days are counted and compared."""
    user_id = current_principal().user_id
    return current_context().database.write(lambda tx: settings_service.change_settings(tx, client_id, user_id=user_id, **body))
