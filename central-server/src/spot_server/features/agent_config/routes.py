"""Settings: read by daemons, read and saved by clients."""

from __future__ import annotations

from typing import Any

from spot_server.features.agent_config import service
from spot_server.features.agent_config.schemas import (
    AdoptionSchema,
    ConfigChangeSchema,
    DaemonConfigAnswer,
    SettingsAnswer,
    ToggleSchema,
)
from spot_server.features.agent_config.service import DaemonConfig
from spot_server.features.agents.queries import Agent, find_agent_of_client
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.words import TokenKind

daemon_blueprint = Blueprint("daemon_config", __name__, url_prefix="/api/agents", description="Settings for daemons")
protect(daemon_blueprint, TokenKind.AGENT)

client_blueprint = Blueprint(
    "agent_config", __name__, url_prefix="/api/client/<client_id>/agents/<agent_id>", description="Settings of agents"
)
protect(client_blueprint, TokenKind.CLIENT)


@daemon_blueprint.route("/<agent_id>/config", methods=["GET"])
@daemon_blueprint.response(200, DaemonConfigAnswer)
def get_daemon_config(agent_id: str) -> DaemonConfig:
    """Return what this instance's daemon is to work by."""
    context = current_context()
    instance_id = current_principal().instance_id or ""
    intervals = service.intervals_of(context.settings)
    return context.database.read(lambda tx: service.read_daemon_config(tx, agent_id, instance_id, intervals))


@client_blueprint.route("/config", methods=["GET"])
@client_blueprint.response(200, SettingsAnswer)
def get_config(client_id: str, agent_id: str) -> Agent:
    """Return every setting of the agent."""
    return current_context().database.read(lambda tx: find_agent_of_client(tx, client_id, agent_id))


@client_blueprint.route("/config", methods=["POST"])
@client_blueprint.arguments(ConfigChangeSchema)
@client_blueprint.response(200, SettingsAnswer)
def save_config(body: dict[str, Any], client_id: str, agent_id: str) -> Agent:
    """Save settings; what is left out stays."""
    extra = {"by": current_principal().user_id, "reason": body.pop("reason"), "request_id": body.pop("request_id")}
    return current_context().database.write(lambda tx: service.change_settings(tx, client_id, agent_id, body, **extra))


@client_blueprint.route("/toggle-enabled", methods=["POST"])
@client_blueprint.arguments(ToggleSchema)
@client_blueprint.response(200, SettingsAnswer)
def toggle_enabled(body: dict[str, Any], client_id: str, agent_id: str) -> Agent:
    """Turn the agent on or off. Off: it is only observed."""
    by = current_principal().user_id
    return current_context().database.write(lambda tx: service.toggle_enabled(tx, client_id, agent_id, by=by, **body))


@client_blueprint.route("/adopt-configuration", methods=["POST"])
@client_blueprint.arguments(AdoptionSchema)
@client_blueprint.response(200, SettingsAnswer)
def adopt_configuration(body: dict[str, Any], client_id: str, agent_id: str) -> Agent:
    """Take what the primary is now (groups, profile, key, metadata options, tags) over as what new instances are launched with."""
    by = current_principal().user_id
    return current_context().database.write(lambda tx: service.adopt_configuration(tx, client_id, agent_id, by=by, **body))
