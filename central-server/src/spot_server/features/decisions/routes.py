"""Pages for decisions, for clients; and for the models that make them, for admins."""

from __future__ import annotations

from typing import Any

from spot_server.features.decisions import registry, service
from spot_server.features.decisions.model_queries import Activation, ModelRow
from spot_server.features.decisions.queries import StoredDecision
from spot_server.features.decisions.registry import NewActivation, NewModel, Registry
from spot_server.features.decisions.schemas import (
    ActivationAnswer,
    ComparisonAnswer,
    DecisionPage,
    DecisionQuery,
    ExplanationAnswer,
    ModelAnswer,
    NewActivationSchema,
    NewModelSchema,
    RegistryAnswer,
    ReportQuery,
    RollBackSchema,
)
from spot_server.features.decisions.service import Explanation
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import QuerySchema
from spot_server.paging import Page
from spot_server.words import TokenKind

client_blueprint = Blueprint(
    "decisions", __name__, url_prefix="/api/client/<client_id>/agents/<agent_id>", description="What was decided about agents"
)
protect(client_blueprint, TokenKind.CLIENT)

admin_blueprint = Blueprint("models", __name__, url_prefix="/api/admin/models", description="Decision models")
protect(admin_blueprint, TokenKind.ADMIN)


@client_blueprint.route("/decisions", methods=["GET"])
@client_blueprint.arguments(DecisionQuery, location="query")
@client_blueprint.response(200, DecisionPage)
def list_decisions(query: dict[str, Any], client_id: str, agent_id: str) -> Page[StoredDecision]:
    """List what was decided about the agent, newest first, each with its reasoning and every place that was rejected."""
    wanted = {"limit": query["limit"], "cursor": query["cursor"], "with_shadows": query["shadows"]}
    return current_context().database.read(lambda tx: service.list_decisions(tx, client_id, agent_id, **wanted))


@client_blueprint.route("/why-on-demand", methods=["GET"])
@client_blueprint.arguments(QuerySchema, location="query")
@client_blueprint.response(200, ExplanationAnswer)
def why_on_demand(_query: dict[str, Any], client_id: str, agent_id: str) -> Explanation:
    """Say why the agent runs where it does, and what would bring it back to spot: asked of the acting model now, and not stored."""
    context = current_context()
    period_seconds = context.settings.decision_period_seconds
    scene = context.database.read(lambda tx: service.read_scene(tx, client_id, agent_id, period_seconds))
    return service.explain(scene, context.models, context.clock)


@admin_blueprint.route("", methods=["GET"])
@admin_blueprint.response(200, RegistryAnswer)
def list_models() -> Registry:
    """List every version, and which of them decide: the first activation holds."""
    return current_context().database.read(registry.read_registry)


@admin_blueprint.route("", methods=["POST"])
@admin_blueprint.arguments(NewModelSchema)
@admin_blueprint.response(201, ModelAnswer)
def register_model(body: NewModel) -> ModelRow:
    """Register a version: a plug-in with parameters. It decides nothing before it is activated; the same one again changes nothing."""
    by, context = current_principal().user_id, current_context()
    # Other people's code runs here: before the transaction, which it could keep open.
    registry.check_model(context.models, body, context.clock)
    return context.database.write(lambda tx: registry.register_model(tx, body, by=by))


@admin_blueprint.route("/<model_id>/activate", methods=["POST"])
@admin_blueprint.arguments(NewActivationSchema)
@admin_blueprint.response(200, ActivationAnswer)
def activate_model(body: dict[str, Any], model_id: str) -> Activation:
    """Let this version decide from the next tick on, alone or beside a challenger."""
    by = current_principal().user_id
    return current_context().database.write(lambda tx: registry.activate(tx, NewActivation(model_id, **body), by=by))


@admin_blueprint.route("/roll-back", methods=["POST"])
@admin_blueprint.arguments(RollBackSchema)
@admin_blueprint.response(200, ActivationAnswer)
def roll_back_models(body: dict[str, Any]) -> Activation:
    """Let those versions decide that did before the last change."""
    by = current_principal().user_id
    return current_context().database.write(lambda tx: registry.roll_back(tx, reason=body["reason"], by=by))


@admin_blueprint.route("/comparison", methods=["GET"])
@admin_blueprint.arguments(ReportQuery, location="query")
@admin_blueprint.response(200, ComparisonAnswer)
def compare_models(query: dict[str, Any]) -> dict[str, Any]:
    """Compare what each model did over the last days, acting or as a shadow."""
    days = query["days"]
    return {"days": days, "models": current_context().database.read(lambda tx: registry.compare_models(tx, days))}
