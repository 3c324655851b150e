"""What the daemon counts and times. Nothing is kept until somebody may read it: a library that keeps it is loaded only then."""

from __future__ import annotations

from typing import Protocol


class Kept(Protocol):
    """Where a measure's values go: as prometheus_client's metrics take them."""

    def labels(self, *values: str) -> Kept:
        """The one with these labels."""

    def inc(self, amount: float = 1) -> None:
        """Count `amount` more (>= 0)."""

    def set(self, value: float) -> None:
        """This is the value now."""

    def observe(self, amount: float) -> None:
        """One more was this large."""


class Measure:
    """A counter, a gauge or a histogram: by what it is asked. The unit is in its name, labels have few values."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> None:
        self.name, self.meaning, self.label_names = name, meaning, labels
        self._kept: Kept | None = None

    def keep_in(self, kept: Kept) -> None:
        """From now on values go there. Called once, before the workers run."""
        self._kept = kept

    def _of(self, labels: tuple[str, ...]) -> Kept | None:
        return self._kept.labels(*labels) if self._kept is not None and labels else self._kept


class Counter(Measure):
    """Only grows."""

    def add(self, *labels: str, amount: float = 1) -> None:
        """Count `amount` more (>= 0)."""
        kept = self._of(labels)
        if kept is not None:
            kept.inc(amount)


class Gauge(Measure):
    """Goes up and down."""

    def set(self, value: float) -> None:
        """This is the value now."""
        kept = self._of(())
        if kept is not None:
            kept.set(value)


class Histogram(Measure):
    """How often a value was at most each of `buckets`, ascending."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...] = (), *, buckets: tuple[float, ...]) -> None:
        super().__init__(name, meaning, labels)
        self.buckets = buckets

    def observe(self, amount: float, *labels: str) -> None:
        """One more was this large."""
        kept = self._of(labels)
        if kept is not None:
            kept.observe(amount)
