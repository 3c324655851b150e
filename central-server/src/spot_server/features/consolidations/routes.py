"""Consolidations of prices, for admins."""

from __future__ import annotations

from typing import Any

from spot_server.features.consolidations.queries import Consolidation, list_jobs
from spot_server.features.consolidations.schemas import ConsolidationPage
from spot_server.http.auth import protect
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context
from spot_server.http.schemas import PageQuery
from spot_server.paging import Page, moment_position, page_of, read_moment_cursor
from spot_server.words import TokenKind

blueprint = Blueprint("consolidations", __name__, url_prefix="/api/admin/consolidations", description="Consolidations of prices.")
protect(blueprint, TokenKind.ADMIN)


@blueprint.route("", methods=["GET"])
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, ConsolidationPage)
def list_consolidations(query: dict[str, Any]) -> Page[Consolidation]:
    """List consolidations, newest first: how many rows came in, were merged, interpolated and refused, and how long it took."""
    after = read_moment_cursor(query["cursor"])
    rows = current_context().database.read(lambda tx: list_jobs(tx, after=after, most=query["limit"] + 1))
    return page_of(rows, limit=query["limit"], position=lambda row: moment_position(row.started_at, row.job_id))
