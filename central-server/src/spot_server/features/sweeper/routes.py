"""Restore holds: seen and confirmed by a person."""

from __future__ import annotations

from typing import Any

from spot_server.features.sweeper import holds
from spot_server.features.sweeper.holds import RestoreHold
from spot_server.features.sweeper.schemas import ConfirmRestoreSchema, RestoreHoldAnswer, RestoreHoldsAnswer
from spot_server.http.auth import current_principal, protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.words import TokenKind

blueprint = Blueprint("restore_holds", __name__, url_prefix="/api/client/<client_id>", description="What holds the sweeper back.")
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("/restore-holds", methods=["GET"])
@blueprint.response(200, RestoreHoldsAnswer)
def list_restore_holds(client_id: str) -> dict[str, list[RestoreHold]]:
    """List what says that the database was restored, confirmed or not."""
    return {"items": current_context().database.read(lambda tx: holds.list_holds(tx, client_id))}


@blueprint.route("/agents/<agent_id>/confirm-restore", methods=["POST"])
@blueprint.arguments(ConfirmRestoreSchema)
@blueprint.response(200, RestoreHoldAnswer)
def confirm_restore(body: dict[str, Any], client_id: str, agent_id: str) -> RestoreHold:
    """Let the sweeper act again; 409 for another epoch than the one that was seen."""
    user_id = current_principal().user_id
    return current_context().database.write(lambda tx: holds.confirm_restore(tx, client_id, agent_id, user_id=user_id, **body))
