"""Registration: the one page that an enrolment token or a launch nonce opens."""

from __future__ import annotations

from spot_server.features.agent_config.service import intervals_of
from spot_server.features.registration import service
from spot_server.features.registration.arrivals import NewRegistration
from spot_server.features.registration.schemas import RegisteredAnswer, RegistrationSchema
from spot_server.features.registration.service import Registered
from spot_server.http.auth import bearer_token, leave_open
from spot_server.http.blueprint import Blueprint
from spot_server.http.context import current_context

blueprint = Blueprint("registration", __name__, url_prefix="/api/agents", description="How instances become known")
leave_open(blueprint, reason="the page itself checks enrolment tokens and launch nonces, which open nothing else", needs_bearer=True)


@blueprint.route("/register", methods=["POST"])
@blueprint.arguments(RegistrationSchema)
@blueprint.alt_response(200, schema=RegisteredAnswer, description="The same instance again.")
@blueprint.response(201, RegisteredAnswer)
def register(request: NewRegistration) -> tuple[Registered, int]:
    """Take an instance in, or say why not."""
    context = current_context()
    secret = bearer_token()
    intervals = intervals_of(context.settings)
    outcome = context.database.write(lambda tx: service.register(tx, secret, request, intervals))
    registered = service.accept_or_raise(outcome)
    return registered, 201 if registered.is_new else 200
