"""Where fronts lead, who accepts writes, and the probers that write through the fronts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spot_simulator.clock import Clock
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.probe_figures import ProbeFigures, Stretch, Ticks, figures
from spot_simulator.ports import WORKLOAD_PORT, Checked, Lead
from spot_simulator.probe_rules import DEFAULT_INTERVAL_SECONDS, DEFAULT_THRESHOLD_SECONDS

HEALTH_PATH = "/health"
"""Of the pretend workload."""


class Acceptor(Protocol):
    """A workload that accepts writes."""

    @property
    def instance_id(self) -> str:
        """On which instance."""
        ...

    def hold(self, front: str, first: int, last: int) -> None:
        """Keep the numbered writes from ``first`` to ``last`` that came through a front."""
        ...


@dataclass(slots=True)
class Holding:
    """From ``since`` until ``until`` (None: still) a front sent requests to ``leads`` in turn (none: nowhere)."""

    leads: tuple[Lead, ...]
    since: datetime
    until: datetime | None = None


class Prober:
    """Writes through one front at a fixed interval. Nothing runs: what was acknowledged is worked out whenever something changes."""

    def __init__(self, front: str, ticks: Ticks) -> None:
        """Send from the first tick on."""
        self.front, self.ticks = front, ticks
        self.stretches: list[Stretch] = []
        self.sent = 0
        self._ended_at: datetime | None = None

    def settle(self, acceptors: Sequence[Acceptor | None], now: datetime) -> None:
        """Account for the writes that were sent before ``now`` and not yet accounted for: these answered them in turn (None: nobody)."""
        first, last = self.sent + 1, self.ticks.sent_before(min(now, self._ended_at or now))
        if last < first:
            return
        self.sent = last
        if len(set(acceptors)) <= 1:
            self._account(next(iter(acceptors), None), first, last)
            return
        for number in range(first, last + 1):
            self._account(acceptors[number % len(acceptors)], number, number)

    def _account(self, acceptor: Acceptor | None, first: int, last: int) -> None:
        if acceptor is None:
            return
        acceptor.hold(self.front, first, last)
        before = self.stretches[-1] if self.stretches else None
        if before is not None and before.instance_id == acceptor.instance_id and before.last == first - 1:
            self.stretches[-1] = Stretch(before.instance_id, before.first, last)
        else:
            self.stretches.append(Stretch(acceptor.instance_id, first, last))

    def end(self, now: datetime) -> None:
        """Send nothing more."""
        self._ended_at = self._ended_at or now


class Traffic:
    """The forwarder of a region in memory. Connections are never kept open, so a move cuts none."""

    def __init__(self, clock: Clock) -> None:
        """Start with no fronts."""
        self._clock = clock
        self._probers: dict[str, Prober] = {}
        self._acceptors: dict[str, Acceptor] = {}
        self.holdings: dict[str, list[Holding]] = {}

    def listen(self, front: str) -> None:
        """Answer on an address; it leads nowhere yet."""
        self.holdings[front] = [Holding((), self._clock.now())]

    def route(self, front: str, leads: Sequence[Lead], *, is_cut: bool = True) -> int:
        """Send requests to each lead in turn, or nowhere."""
        del is_cut
        now = self._clock.now()
        self._settle_at(front)
        self._settle(front, now)
        self.holdings[front][-1].until = now
        self.holdings[front].append(Holding(tuple(leads), now))
        return 0

    def close(self, front: str) -> None:
        """Answer no more; a prober of the front ends."""
        now = self._clock.now()
        self._settle_at(front)
        self._settle(front, now)
        self.holdings[front][-1].until = now
        if front in self._probers:
            self._probers[front].end(now)

    def check(self, lead: Lead, path: str, timeout_seconds: float, told: Callable[[Checked], None]) -> None:
        """Ask a workload how it is: it answers at once, 200 on its health page and 404 elsewhere, or nobody does."""
        del timeout_seconds
        status = None if not self._answers(lead) else 200 if path == HEALTH_PATH else 404
        told(Checked(status))

    def begin_accepting(self, private_ip: str, acceptor: Acceptor) -> None:
        """From now on ``acceptor`` answers at a private address."""
        self._settle_at(private_ip)
        self._acceptors[private_ip] = acceptor

    def end_accepting(self, private_ip: str) -> None:
        """From now on nobody answers at a private address."""
        self._settle_at(private_ip)
        self._acceptors.pop(private_ip, None)

    def settle_at(self, private_ip: str) -> None:
        """Hand the workload at a private address everything that it accepted until now."""
        self._settle_at(private_ip)

    def probe(self, front: str, interval_seconds: float = DEFAULT_INTERVAL_SECONDS) -> Prober:
        """Begin to write through a front, now; a front has one prober."""
        if front in self._probers:
            raise ValueError(f"{front} has a prober already")
        prober = Prober(front, Ticks(self._clock.now(), timedelta(seconds=interval_seconds)))
        self._probers[front] = prober
        return prober

    def is_probed(self, front: str) -> bool:
        """Whether a front has a prober."""
        return front in self._probers

    def figures(self, front: str, threshold_seconds: float = DEFAULT_THRESHOLD_SECONDS) -> ProbeFigures:
        """Return what the prober of a front saw before now. Raise ``KeyError`` if it has none."""
        prober = self._probers[front]
        self._settle(front, self._clock.now())
        return figures(prober.ticks, prober.stretches, prober.sent, threshold_seconds)

    def lost(self, front: str, held: NumberRanges) -> NumberRanges:
        """Return the acknowledged writes of a front that ``held`` lacks."""
        return self.figures(front).acknowledged.minus(held)

    def sent_at(self, front: str, number: int) -> datetime:
        """Return when the prober of a front sent a write."""
        return self._probers[front].ticks.at(number)

    def sent_between(self, front: str, since: datetime, until: datetime) -> NumberRanges:
        """Return the writes that the prober of a front sends from ``since`` on and before ``until``."""
        ticks = self._probers[front].ticks
        return NumberRanges().with_range(ticks.sent_before(since) + 1, ticks.sent_before(until))

    def acceptor(self, private_ip: str) -> Acceptor | None:
        """Return who answers at a private address now."""
        return self._acceptors.get(private_ip)

    def acceptor_behind(self, front: str) -> Acceptor | None:
        """Return who answers through a front now; of several the first."""
        return next((acceptor for acceptor in self._acceptors_behind(front) if acceptor is not None), None)

    def accepting(self) -> dict[str, str]:
        """Return {private address: instance id} of all that accept writes now."""
        return {private_ip: acceptor.instance_id for private_ip, acceptor in self._acceptors.items()}

    def _acceptors_behind(self, front: str) -> list[Acceptor | None]:
        """Return who answers at each of the leads of a front, in turn."""
        leads = self.holdings[front][-1].leads if front in self.holdings else ()
        return [self._acceptor_at(lead) for lead in leads]

    def _acceptor_at(self, lead: Lead) -> Acceptor | None:
        if lead.port != WORKLOAD_PORT:
            return None
        return self._acceptors.get(lead.address) or self.acceptor_behind(lead.address)

    def _answers(self, lead: Lead) -> bool:
        return self._acceptor_at(lead) is not None

    def _settle(self, front: str, now: datetime) -> None:
        prober = self._probers.get(front)
        if prober is not None:
            prober.settle(self._acceptors_behind(front), now)

    def _settle_at(self, address: str) -> None:
        """Settle every front that leads to an address, be it by way of another front."""
        now = self._clock.now()
        for front, holdings in self.holdings.items():
            if any(lead.address == address for lead in holdings[-1].leads):
                self._settle(front, now)
                self._settle_at(front)
