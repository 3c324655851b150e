"""The daemon's installation, for instances that have no clone of the repository: docs/install.md."""

from __future__ import annotations

from flask import Response

from spot_server.features.install import bundle
from spot_server.http.auth import leave_open
from spot_server.http.blueprint import Blueprint

blueprint = Blueprint("install", __name__, url_prefix="/install", description="The daemon's installation.")
leave_open(blueprint, reason="an instance has no token before it is installed; the files are the same for everybody and hold no secret")


@blueprint.route("/setup.sh", methods=["GET"])
@blueprint.response(200, content_type="text/x-shellscript")
def setup_script() -> Response:
    """Return the script that installs or upgrades the daemon on the instance where it is run."""
    return Response(bundle.fetching_script(), content_type="text/x-shellscript; charset=utf-8")


@blueprint.route("/spot-agent.tar.gz", methods=["GET"])
@blueprint.response(200, content_type="application/gzip")
def archive() -> Response:
    """Return what that script fetches: the daemon of this release, with everything that installs it and takes it off again."""
    return Response(bundle.archive(), content_type="application/gzip")
