"""Reading a client's events from a place on."""

from __future__ import annotations

from dataclasses import dataclass

from spot_server.db.runner import Transaction
from spot_server.errors import EventsGone
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


def read_events(tx: Transaction, client_id: str, after_sequence: int | None, *, most: int) -> EventPage:
    """Return what follows `after_sequence`; None: from the oldest that is kept; FROM_NOW: an empty page that tells where now is.

    Raises EventsGone when the very next event is no longer kept, or the log ends before that number: nothing is left out in silence.
    """
    if after_sequence == FROM_NOW:
        return EventPage([], queries.last_sequence(tx, client_id))
    found = queries.events_after(tx, client_id, after_sequence or 0, most=most)
    # Numbers have no holes, so the next event is the one with the next number, or there is none yet.
    follows = found[0].sequence if found else queries.last_sequence(tx, client_id) + 1
    if after_sequence is not None and follows != after_sequence + 1:
        raise _gone(tx, client_id, after_sequence)
    return EventPage(found, found[-1].sequence if found else follows - 1)


def _gone(tx: Transaction, client_id: str, after_sequence: int) -> EventsGone:
    last = queries.last_sequence(tx, client_id)
    oldest = queries.oldest_sequence(tx, client_id) or last + 1
    if after_sequence > last:
        said = f"this log ends at {last}: it is not the one in which {after_sequence} was read. Begin anew without `after`"
    else:
        said = f"the events from {after_sequence + 1} to {oldest - 1} are no longer kept: go on with after={oldest - 1}, or begin anew"
    return EventsGone(said, after=after_sequence, oldest_sequence=oldest, last_sequence=last)


def read_agent_events(tx: Transaction, client_id: str, agent_id: str, *, before_sequence: int | None, most: int) -> list[Event]:
    """Return one agent's events, newest first; NotFound for another client's agent."""
    find_agent_of_client(tx, client_id, agent_id)
    return queries.events_of_agent(tx, agent_id, before_sequence=before_sequence, most=most)
