"""The resolver of the clients that ask through a record: it keeps each answer for as long as its TTL says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import floor

from spot_simulator.network.front_addresses import FrontAddresses
from spot_simulator.ports import Forwarder, ForwardingFailed, Ground, Lead

_OURS = "127."
"""No request leaves this machine, whatever address a record has."""


@dataclass(frozen=True, slots=True)
class Told:
    """What name servers answer: addresses, and for how many seconds of the region that may be kept."""

    values: tuple[str, ...]
    ttl_seconds: int


@dataclass(slots=True)
class Known:
    """What the resolver holds of one name: the answer that it keeps, since when, and what name servers would answer now."""

    front: str
    kept: Told | None = None
    asked_at: datetime | None = None
    true: Told | None = None
    turn: int = 0


class Resolver:
    """Its clients ask all the time, so it asks again the moment that an answer has expired. Called with the region's lock held."""

    def __init__(self, forwarder: Forwarder, fronts: FrontAddresses, ground: Ground) -> None:
        """Know nothing."""
        self._forwarder, self._fronts, self._ground = forwarder, fronts, ground
        self.by_name: dict[str, Known] = {}

    def front_of(self, name: str) -> str:
        """Return the address at which clients of a name ask here. Raise ``ForwardingFailed`` if it cannot be answered at."""
        known = self.by_name.get(name)
        if known is None:
            known = self.by_name[name] = Known(self._fronts.new())
            self._forwarder.listen(known.front)
        return known.front

    def hear(self, name: str, told: Told | None) -> None:
        """From now on name servers answer this (None: there is no such name); what is kept goes on until it expires."""
        self.front_of(name)
        known = self.by_name[name]
        known.true = told
        known.turn += 1
        turn = known.turn

        def ask() -> None:
            with self._ground.lock:
                if known.turn == turn:
                    self._ask(name, known)

        seconds = self._seconds_left(known)
        if seconds > 0:
            self._ground.timeline.after(seconds, ask)
        else:
            self._ask(name, known)

    def _seconds_left(self, known: Known) -> float:
        """How long the kept answer is still good: it was asked for again and again since the first time, whenever it had expired."""
        if known.kept is None or known.asked_at is None:
            return 0.0
        ttl_seconds = self._ground.delays.scaled(known.kept.ttl_seconds)
        if ttl_seconds <= 0:
            return 0.0
        since_seconds = (self._ground.clock.now() - known.asked_at).total_seconds()
        expired_seconds = (floor(since_seconds / ttl_seconds) + 1) * ttl_seconds
        return expired_seconds - since_seconds

    def _ask(self, name: str, known: Known) -> None:
        known.kept, known.asked_at = known.true, self._ground.clock.now()
        values: Sequence[str] = known.kept.values if known.kept else ()
        fronts = {one.front for one in self.by_name.values()}
        leads = [Lead(value) for value in values if value.startswith(_OURS) and value not in fronts]
        try:
            self._forwarder.route(known.front, leads, is_cut=False)
        except ForwardingFailed as error:
            self._ground.log.append("internal-error", where="forwarder", error=str(error))
            return
        self._ground.log.append("name-resolved", record_name=name, values=list(values))
