"""open_receiver: a private SSH server on the new side, for the holder of one key, for one move."""

from __future__ import annotations

from spot_agent.commands.handling import Handled, Succeeded, Tools, bad_payload, seconds, text
from spot_agent.commands.make_sync_key import SESSION_SECONDS, move_id
from spot_agent.errors import ActFailed, ErrorClass
from spot_agent.model import Command, Role
from spot_agent.rules.rsync import is_public_key

_RECEIVERS = frozenset({Role.REPLICA, Role.ZOMBIE})
"""A ZOMBIE may be what the workload goes back to; neither may serve."""


def handle(command: Command, tools: Tools) -> Handled:
    """Repeating it finds the same door open. Never where the workload may serve: what comes in would be written under it."""
    public_key = text(command, "public_key")
    if not is_public_key(public_key):
        raise bad_payload("public_key", "an Ed25519 key")
    contents = tools.journal.read()
    if contents.may_serve or contents.role not in _RECEIVERS:
        raise ActFailed(ErrorClass.REFUSED, "not_a_replica", "state is received on replicas, and on an instance that is gone back to")
    session_seconds = seconds(command, "session_seconds", SESSION_SECONDS)
    door = tools.carrier.open_receiver(move_id(command), public_key, tools.identity.private_ip, session_seconds)
    return Succeeded({"host": door.host, "port": door.port, "user": door.user, "host_key": door.host_key})
