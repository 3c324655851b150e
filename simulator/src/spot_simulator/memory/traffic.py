"""Where the traffic of addresses goes, who accepts writes, and the probers that write through the addresses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from spot_simulator.clock import Clock
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.probe_figures import ProbeFigures, Stretch, Ticks, figures
from spot_simulator.probe_rules import DEFAULT_INTERVAL_SECONDS, DEFAULT_THRESHOLD_SECONDS


class Acceptor(Protocol):
    """A workload that accepts writes."""

    @property
    def instance_id(self) -> str:
        """On which instance."""
        ...

    def hold(self, public_ip: str, first: int, last: int) -> None:
        """Keep the numbered writes from ``first`` to ``last`` that came through an address."""
        ...


@dataclass(slots=True)
class Holding:
    """From ``since`` until ``until`` (None: still) the traffic of an address went to ``private_ip`` (None: nowhere)."""

    private_ip: str | None
    since: datetime
    until: datetime | None = None


class Prober:
    """Writes through one address at a fixed interval. Nothing runs: what was acknowledged is worked out whenever something changes."""

    def __init__(self, public_ip: str, ticks: Ticks) -> None:
        """Send from the first tick on."""
        self.public_ip, self.ticks = public_ip, ticks
        self.stretches: list[Stretch] = []
        self.sent = 0
        self._ended_at: datetime | None = None

    def settle(self, acceptor: Acceptor | None, now: datetime) -> None:
        """Account for the writes that were sent before ``now`` and not yet accounted for: ``acceptor`` answered them all, or nobody did."""
        first, last = self.sent + 1, self.ticks.sent_before(min(now, self._ended_at or now))
        if last < first:
            return
        self.sent = last
        if acceptor is None:
            return
        acceptor.hold(self.public_ip, first, last)
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
        """Start with no addresses."""
        self._clock = clock
        self._probers: dict[str, Prober] = {}
        self._acceptors: dict[str, Acceptor] = {}
        self.holdings: dict[str, list[Holding]] = {}

    def listen(self, public_ip: str) -> None:
        """Answer on an address; nobody holds it yet."""
        self.holdings[public_ip] = [Holding(None, self._clock.now())]

    def route(self, public_ip: str, private_ip: str | None) -> int:
        """Send traffic elsewhere, or nowhere."""
        now = self._clock.now()
        self._settle(public_ip, now)
        self.holdings[public_ip][-1].until = now
        self.holdings[public_ip].append(Holding(private_ip, now))
        return 0

    def close(self, public_ip: str) -> None:
        """Answer no more; a prober of the address ends."""
        now = self._clock.now()
        self._settle(public_ip, now)
        self.holdings[public_ip][-1].until = now
        if public_ip in self._probers:
            self._probers[public_ip].end(now)

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

    def probe(self, public_ip: str, interval_seconds: float = DEFAULT_INTERVAL_SECONDS) -> Prober:
        """Begin to write through an address, now; an address has one prober."""
        if public_ip in self._probers:
            raise ValueError(f"{public_ip} has a prober already")
        prober = Prober(public_ip, Ticks(self._clock.now(), timedelta(seconds=interval_seconds)))
        self._probers[public_ip] = prober
        return prober

    def figures(self, public_ip: str, threshold_seconds: float = DEFAULT_THRESHOLD_SECONDS) -> ProbeFigures:
        """Return what the prober of an address saw before now. Raise ``KeyError`` if it has none."""
        prober = self._probers[public_ip]
        self._settle(public_ip, self._clock.now())
        return figures(prober.ticks, prober.stretches, prober.sent, threshold_seconds)

    def lost(self, public_ip: str, held: NumberRanges) -> NumberRanges:
        """Return the acknowledged writes of an address that ``held`` lacks."""
        return self.figures(public_ip).acknowledged.minus(held)

    def acceptor(self, private_ip: str) -> Acceptor | None:
        """Return who answers at a private address now."""
        return self._acceptors.get(private_ip)

    def acceptor_behind(self, public_ip: str) -> Acceptor | None:
        """Return who answers through an address now."""
        private_ip = self.holdings[public_ip][-1].private_ip if public_ip in self.holdings else None
        return self._acceptors.get(private_ip) if private_ip is not None else None

    def accepting(self) -> dict[str, str]:
        """Return {private address: instance id} of all that accept writes now."""
        return {private_ip: acceptor.instance_id for private_ip, acceptor in self._acceptors.items()}

    def _settle(self, public_ip: str, now: datetime) -> None:
        prober = self._probers.get(public_ip)
        if prober is not None:
            prober.settle(self.acceptor_behind(public_ip), now)

    def _settle_at(self, private_ip: str) -> None:
        now = self._clock.now()
        for public_ip, holdings in self.holdings.items():
            if holdings[-1].private_ip == private_ip:
                self._settle(public_ip, now)
