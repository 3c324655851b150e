"""Moments that notice what they are compared with: so that one look tells until when another would see everything as it did.

What a look makes of the same rows changes only where a comparison with the present time comes out otherwise. A look is made with a moment
in place of the present time that notes each such comparison, also of what is added to it, taken from it, or left between it and another.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from typing import Any

Number = int | float


class Limits:
    """What the comparisons of one look say."""

    def __init__(self, heard: Collection[datetime] = ()) -> None:
        """`heard`: moments that are taken to go on with the time; to be later than these by more or less is no limit."""
        self._heard = frozenset(heard)
        self.next_seconds = inf
        """How long from the look on every comparison comes out as it did."""
        self.has_leaked = False
        """Whether the time was also used for something whose limits are not seen."""
        self.texts: set[str] = set()
        """The moments that were given to the database, as it has them."""

    def moment(self, now: datetime) -> WatchedMoment:
        """Return the present time, watched. `now` is aware, UTC."""
        return WatchedMoment.of(now, self)

    def goes_on(self, moment: datetime) -> bool:
        """Tell whether this moment will be later as well."""
        return moment in self._heard

    def meet(self, left_seconds: float) -> None:
        """Note a comparison that comes out otherwise in `left_seconds`; one that did so before now does it no more."""
        if 0 <= left_seconds < self.next_seconds:
            self.next_seconds = left_seconds

    def leak(self) -> None:
        """Note that something is done with the time of which no comparison is seen."""
        self.has_leaked = True


class WatchedMoment(datetime):
    """The present time, or so much before or after it."""

    limits: Limits

    @classmethod
    def of(cls, moment: datetime, limits: Limits) -> WatchedMoment:
        """Watch an aware moment."""
        made = cls.combine(moment.date(), moment.time(), moment.tzinfo)
        made.limits = limits
        return made

    def _plain(self) -> datetime:
        return datetime.combine(super().date(), super().time(), self.tzinfo)

    def _compared_with(self, other: object) -> None:
        if isinstance(other, datetime) and not isinstance(other, WatchedMoment) and not self.limits.goes_on(other):
            self.limits.meet((other - self._plain()).total_seconds())

    def __lt__(self, other: datetime) -> bool:  # type: ignore[override]  # typeshed has dates
        self._compared_with(other)
        return super().__lt__(other)

    def __le__(self, other: datetime) -> bool:  # type: ignore[override]  # typeshed has dates
        self._compared_with(other)
        return super().__le__(other)

    def __gt__(self, other: datetime) -> bool:  # type: ignore[override]  # typeshed has dates
        self._compared_with(other)
        return super().__gt__(other)

    def __ge__(self, other: datetime) -> bool:  # type: ignore[override]  # typeshed has dates
        self._compared_with(other)
        return super().__ge__(other)

    def __add__(self, other: timedelta) -> datetime:  # type: ignore[override]  # typeshed's own class
        if isinstance(other, WatchedLength):
            self.limits.leak()
            return self._plain() + other.plain()
        return WatchedMoment.of(self._plain() + other, self.limits)

    __radd__ = __add__  # type: ignore[assignment]

    def __sub__(self, other: Any) -> Any:  # noqa: ANN401 - as datetime has it: a moment or a length
        if isinstance(other, timedelta):
            return self + (-other)
        if isinstance(other, WatchedMoment):
            return self._plain() - other._plain()
        length = self._plain() - other
        return length if self.limits.goes_on(other) else WatchedLength.of(length, 1, self.limits)

    def __rsub__(self, other: datetime) -> timedelta:
        length = other - self._plain()
        return length if self.limits.goes_on(other) else WatchedLength.of(length, -1, self.limits)

    def astimezone(self, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # typeshed's own class
        """As any moment's; in UTC it is still watched."""
        if tz is UTC and self.tzinfo is UTC:
            return self
        self.limits.leak()
        return self._plain().astimezone(tz)

    def replace(self, *arguments: Any, **named: Any) -> datetime:  # type: ignore[override]  # noqa: ANN401 - as datetime has it
        """As any moment's. Without its zone it is given to the database, which compares it on its own."""
        if not arguments and named == {"tzinfo": None}:
            bare = self._plain().replace(tzinfo=None)
            self.limits.texts.add(bare.isoformat(" ", "microseconds"))
            return bare
        self.limits.leak()
        return self._plain().replace(*arguments, **named)

    def isoformat(self, *arguments: Any, **named: Any) -> str:  # noqa: ANN401 - as datetime has it
        """As any moment's; nobody sees what the text is compared with."""
        self.limits.leak()
        return super().isoformat(*arguments, **named)

    def timestamp(self) -> float:
        """As any moment's; nobody sees what the number is compared with."""
        self.limits.leak()
        return super().timestamp()


class WatchedLength(timedelta):
    """What lies between the present time and another: it grows as time passes, or shrinks."""

    limits: Limits
    slope: int

    @classmethod
    def of(cls, length: timedelta, slope: int, limits: Limits) -> WatchedLength:
        """Watch a length; `slope` is 1 where it grows, -1 where it shrinks."""
        made = cls(length.days, length.seconds, length.microseconds)
        made.limits, made.slope = limits, slope
        return made

    def plain(self) -> timedelta:
        """Return the length as it is now."""
        return timedelta(self.days, self.seconds, self.microseconds)

    def _compared_with(self, other: object) -> None:
        if isinstance(other, WatchedLength):
            self.limits.leak()
        elif isinstance(other, timedelta):
            self.limits.meet(self.slope * (other - self.plain()).total_seconds())

    def __lt__(self, other: timedelta) -> bool:
        self._compared_with(other)
        return super().__lt__(other)

    def __le__(self, other: timedelta) -> bool:
        self._compared_with(other)
        return super().__le__(other)

    def __gt__(self, other: timedelta) -> bool:
        self._compared_with(other)
        return super().__gt__(other)

    def __ge__(self, other: timedelta) -> bool:
        self._compared_with(other)
        return super().__ge__(other)

    def __add__(self, other: timedelta) -> timedelta:
        if isinstance(other, WatchedLength):
            self.limits.leak()
            return self.plain() + other.plain()
        return WatchedLength.of(self.plain() + other, self.slope, self.limits)

    __radd__ = __add__

    def __sub__(self, other: timedelta) -> timedelta:
        return self + (-other)

    def __rsub__(self, other: timedelta) -> timedelta:
        return -self + other

    def __neg__(self) -> timedelta:
        return WatchedLength.of(-self.plain(), -self.slope, self.limits)

    def __truediv__(self, other: Any) -> Any:  # noqa: ANN401 - as timedelta has it: a number or a length
        if isinstance(other, timedelta):
            return WatchedSeconds.of(self.plain() / other, self.slope / other.total_seconds(), self.limits)
        self.limits.leak()
        return self.plain() / other

    def total_seconds(self) -> float:
        """As any length's, still watched."""
        return WatchedSeconds.of(super().total_seconds(), float(self.slope), self.limits)


class WatchedSeconds(float):
    """A number that was counted from the present time: it changes by `slope` a second."""

    limits: Limits
    slope: float

    @classmethod
    def of(cls, value: float, slope: float, limits: Limits) -> WatchedSeconds:
        """Watch a number."""
        made = cls(value)
        made.limits, made.slope = limits, slope
        return made

    def _compared_with(self, other: object) -> None:
        if isinstance(other, WatchedSeconds):
            self.limits.leak()
        elif isinstance(other, int | float) and self.slope:
            self.limits.meet((float(other) - float.__float__(self)) / self.slope)

    def __lt__(self, other: float) -> bool:
        self._compared_with(other)
        return super().__lt__(other)

    def __le__(self, other: float) -> bool:
        self._compared_with(other)
        return super().__le__(other)

    def __gt__(self, other: float) -> bool:
        self._compared_with(other)
        return super().__gt__(other)

    def __ge__(self, other: float) -> bool:
        self._compared_with(other)
        return super().__ge__(other)

    def __add__(self, other: Number) -> float:
        return self._moved(super().__add__(other), 1, other)

    __radd__ = __add__

    def __sub__(self, other: Number) -> float:
        return self._moved(super().__sub__(other), 1, other)

    def __rsub__(self, other: Number) -> float:
        return self._moved(super().__rsub__(other), -1, other)

    def __mul__(self, other: Number) -> float:
        return self._moved(super().__mul__(other), float(other), other)

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> float:
        return self._moved(super().__truediv__(other), 1 / float(other), other)

    def __neg__(self) -> float:
        return WatchedSeconds.of(super().__neg__(), -self.slope, self.limits)

    def __int__(self) -> int:
        self.limits.leak()
        return super().__int__()

    def _moved(self, value: float, factor: float, other: object) -> float:
        if isinstance(other, WatchedSeconds):
            self.limits.leak()
            return value
        return WatchedSeconds.of(value, self.slope * factor, self.limits)
