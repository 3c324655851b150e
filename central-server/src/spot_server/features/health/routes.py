"""Pages that tell whether the server is well: for load balancers, for Prometheus, for admins."""

from __future__ import annotations

from typing import Any

from flask import Response

from spot_server.features.health.readiness import Readiness
from spot_server.features.health.schemas import PartAnswer, ReadinessAnswer, SystemHealthAnswer
from spot_server.features.health.service import system_health
from spot_server.http.auth import leave_open, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.openapi import current_document, write_json
from spot_server.metrics import expose
from spot_server.words import TokenKind

blueprint = Blueprint("health", __name__, description="Whether the server is well, and what it can do.")
leave_open(blueprint, reason="load balancers and Prometheus carry no token; nothing here tells of clients")

admin_blueprint = Blueprint("system_health", __name__, url_prefix="/api/admin", description="The state of the whole server.")
protect(admin_blueprint, TokenKind.ADMIN)


@blueprint.route("/healthz", methods=["GET"])
@blueprint.response(200, PartAnswer)
def healthz() -> dict[str, str]:
    """Tell that this process answers; nothing else is looked at."""
    return {"status": "ok"}


@blueprint.route("/readyz", methods=["GET"])
@blueprint.response(200, ReadinessAnswer)
@blueprint.alt_response(503, schema=ReadinessAnswer)
def readyz() -> tuple[dict[str, str], int]:
    """Tell whether this process can serve: the database is there and has the right schema."""
    readiness: Readiness = current_context().readiness.ask()
    return {"status": "ok" if readiness.is_ready else "failing", "detail": readiness.detail}, 200 if readiness.is_ready else 503


@blueprint.route("/metrics", methods=["GET"])
@blueprint.response(200, content_type="text/plain")
def metrics() -> Response:
    """Return the metrics of all web processes for Prometheus."""
    body, content_type = expose(current_context().metrics)
    return Response(body, content_type=content_type)


@blueprint.route("/api/openapi.json", methods=["GET"])
@blueprint.response(200)
def openapi() -> Response:
    """Return the description of this interface."""
    return Response(write_json(current_document()), mimetype="application/json")


@admin_blueprint.route("/system-health", methods=["GET"])
@admin_blueprint.response(200, SystemHealthAnswer)
def system() -> dict[str, Any]:
    """Show the state of every part of the server."""
    context = current_context()
    return system_health(context.database, context.clock, context.settings, context.waiting_room)
