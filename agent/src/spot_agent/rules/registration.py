"""With what to register, and what to do after a refusal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from spot_agent.model import JsonObject

RETRY_NOT_MATCHED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Nonce:
    """What the server put into the user data of an instance that it launched."""

    nonce: str = field(repr=False)
    server_url: str | None
    logical_agent_id: str | None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One way to register."""

    server_url: str
    token: str = field(repr=False)
    logical_agent_id: str
    is_nonce: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """What the settings offer. An image carries its parent's environment, so the nonce comes first."""

    server_url: str
    logical_agent_id: str
    enrolment_token: str | None = field(repr=False)


def parse_user_data(body: str) -> Nonce | None:
    """None for user data that is not ours, which is any that is no JSON object with `spot_optimizer` in it."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    ours = document.get("spot_optimizer") if isinstance(document, dict) else None
    if not isinstance(ours, dict) or not isinstance(ours.get("nonce"), str) or not ours["nonce"]:
        return None
    return Nonce(ours["nonce"], _text(ours, "server_url"), _text(ours, "logical_agent_id"))


def enrolments(environment: Environment, nonce: Nonce | None, *, is_first: bool) -> tuple[Enrolment, ...]:
    """Ways to try, in turn. A nonce is good for the first registration only."""
    ways = []
    if nonce is not None and is_first:
        server_url = (nonce.server_url or environment.server_url).rstrip("/")
        logical_agent_id = nonce.logical_agent_id or environment.logical_agent_id
        ways.append(Enrolment(server_url, nonce.nonce, logical_agent_id, is_nonce=True))
    if environment.enrolment_token is not None:
        ways.append(Enrolment(environment.server_url, environment.enrolment_token, environment.logical_agent_id, is_nonce=False))
    return tuple(ways)


def server_url_now(journal_url: str, url_when_registered: str, url_in_environment: str) -> str:
    """The server that we registered with, until a person changes the environment's."""
    return journal_url if journal_url and url_when_registered == url_in_environment else url_in_environment


def _text(document: JsonObject, name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None
