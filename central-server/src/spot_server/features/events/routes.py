"""What happened to a client's agents: as pages, and as a stream."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from spot_server.features.events import service
from spot_server.features.events.queries import Event
from spot_server.features.events.schemas import AgentEventPage, EventsAnswer, EventsQuery, StreamHeaders
from spot_server.features.events.stream import await_page, stream_events
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.request_log import IS_WAIT
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page, page_of, read_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("events", __name__, url_prefix="/api/client/<client_id>", description="What happened.")
protect(blueprint, TokenKind.CLIENT)

EVENT_STREAM = "text/event-stream"
STREAM_CONTENT = {
    EVENT_STREAM: {
        "schema": {
            "type": "string",
            "description": "Server-sent events: `id` is the sequence, `event` the kind, `data` the event as JSON; asked for by `Accept`.",
        }
    }
}


@blueprint.route("/events", methods=["GET"])
@blueprint.arguments(EventsQuery, location="query")
@blueprint.arguments(StreamHeaders, location="headers")
@blueprint.response(200, EventsAnswer)
@blueprint.doc(responses={200: {"content": STREAM_CONTENT}})
def list_events(query: dict[str, Any], headers: dict[str, Any], client_id: str) -> service.EventPage | Response:
    """List events in order, waiting for the first if asked to. With `Accept: text/event-stream`: a stream without end."""
    context = current_context()

    def read(after: int | None, most: int = query["limit"]) -> service.EventPage:
        return context.database.read(lambda tx: service.read_events(tx, client_id, after, most=most))

    waiting = (read, context.waiting_room, context.clock, client_id)
    if EVENT_STREAM in request.headers.get("Accept", ""):
        setattr(g, IS_WAIT, True)
        after = headers.get("last_event_id", query.get("after"))
        # A stream that has begun cannot refuse any more.
        read(after, 1)
        return Response(stream_events(*waiting, after), mimetype=EVENT_STREAM, headers={"X-Accel-Buffering": "no"})
    setattr(g, IS_WAIT, query["wait"] > 0)
    return await_page(*waiting, query.get("after"), query["wait"])


@blueprint.route("/agents/<agent_id>/events", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AgentEventPage)
def list_agent_events(query: dict[str, Any], client_id: str, agent_id: str) -> Page[Event]:
    """List what happened to one agent, newest first."""
    (before,) = read_cursor(query["cursor"], int) or [None]
    most = query["limit"] + 1
    rows = current_context().database.read(lambda tx: service.read_agent_events(tx, client_id, agent_id, before_sequence=before, most=most))
    return page_of(rows, limit=query["limit"], position=lambda event: (event.sequence,))
