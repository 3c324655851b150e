"""Sets of whole numbers as ranges: hours of numbered writes in a few pairs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NumberRanges:
    """A set of numbers: pairs (first, last), both in it, in order, with a number missing between any two."""

    pairs: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> NumberRanges:
        """Build a set from its members, in any order."""
        ranges = cls()
        for number in sorted(set(numbers)):
            ranges = ranges.with_range(number, number)
        return ranges

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.pairs)

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.pairs, number, key=lambda pair: pair[0]) - 1
        return index >= 0 and number <= self.pairs[index][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.pairs:
            yield from range(first, last + 1)

    def with_range(self, first: int, last: int) -> NumberRanges:
        """Add the numbers from ``first`` to ``last``; none if ``last`` is below."""
        if last < first:
            return self
        before = [pair for pair in self.pairs if pair[1] < first - 1]
        after = [pair for pair in self.pairs if pair[0] > last + 1]
        touching = self.pairs[len(before) : len(self.pairs) - len(after)]
        low = min([first, *(pair[0] for pair in touching)])
        high = max([last, *(pair[1] for pair in touching)])
        return NumberRanges((*before, (low, high), *after))

    def minus(self, other: NumberRanges) -> NumberRanges:
        """Return the numbers that ``other`` lacks."""
        left: list[tuple[int, int]] = []
        for pair in self.pairs:
            first, last = pair
            for other_first, other_last in other.pairs:
                if other_last < first or other_first > last:
                    continue
                if other_first > first:
                    left.append((first, other_first - 1))
                first = other_last + 1
            if first <= last:
                left.append((first, last))
        return NumberRanges(tuple(left))
