"""What a client must be told."""

from __future__ import annotations

from typing import Any

from spot_server.features.notifications import service
from spot_server.features.notifications.queries import Notification, list_notifications
from spot_server.features.notifications.schemas import MarkedAnswer, MarkReadSchema, NotificationPage, NotificationsQuery
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import TokenKind

blueprint = Blueprint(
    "notifications", __name__, url_prefix="/api/client/<client_id>/notifications", description="What a client must be told."
)
protect(blueprint, TokenKind.CLIENT)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(NotificationsQuery, location="query")
@blueprint.response(200, NotificationPage)
def list_all(query: dict[str, Any], client_id: str) -> Page[Notification]:
    """List notifications, newest first."""
    before = read_moment_cursor(query["cursor"])
    chosen = {"is_unread": query["unread"], "agent_id": query["agent_id"], "most": query["limit"] + 1}
    rows = current_context().database.read(lambda tx: list_notifications(tx, client_id, before=before, **chosen))
    return page_of(rows, limit=query["limit"], position=lambda row: moment_position(row.created_at, row.notification_id))


@blueprint.route("/read", methods=["POST"])
@blueprint.arguments(MarkReadSchema)
@blueprint.response(200, MarkedAnswer)
def mark_read(body: dict[str, Any], client_id: str) -> service.Marked:
    """Mark notifications as read; the first time counts."""
    return current_context().database.write(lambda tx: service.mark_read(tx, client_id, body["notification_ids"]))
