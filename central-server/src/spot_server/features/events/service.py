"""Reading a client's events from a place on."""

from __future__ import annotations

from dataclasses import dataclass

from spot_server.db.runner import Transaction
from spot_server.features.agents.queries import find_agent_of_client
from spot_server.features.events import queries
from spot_server.features.events.queries import Event

FROM_NOW = -1
"""Instead of a number: only what happens from now on."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in order, and the number to go on after."""

    items: list[Event]
    next_after: int


def read_events(tx: Transaction, client_id: str, after_sequence: int, *, most: int) -> EventPage:
    """Return what follows `after_sequence`; FROM_NOW gives an empty page that tells where now is."""
    if after_sequence == FROM_NOW:
        return EventPage([], queries.last_sequence(tx, client_id))
    found = queries.events_after(tx, client_id, after_sequence, most=most)
    return EventPage(found, found[-1].sequence if found else after_sequence)


def read_agent_events(tx: Transaction, client_id: str, agent_id: str, *, before_sequence: int | None, most: int) -> list[Event]:
    """Return one agent's events, newest first; NotFound for another client's agent."""
    find_agent_of_client(tx, client_id, agent_id)
    return queries.events_of_agent(tx, agent_id, before_sequence=before_sequence, most=most)
