"""Sets of numbers as ranges."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.memory.number_ranges import NumberRanges

NUMBERS = st.sets(st.integers(1, 60))
RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)))


@given(RANGES)
def test_ranges_hold_what_was_added_in_as_few_pairs_as_can_be(added: list[tuple[int, int]]) -> None:
    ranges, members = NumberRanges(), set[int]()
    for first, length in added:
        ranges = ranges.with_range(first, first + length - 1)
        members.update(range(first, first + length))

    assert list(ranges) == sorted(members)
    assert len(ranges) == len(members)
    assert all(first <= last for first, last in ranges.pairs)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges.pairs))


@given(NUMBERS, NUMBERS)
def test_a_difference_is_the_difference_of_the_sets(one: set[int], other: set[int]) -> None:
    left = NumberRanges.of(one).minus(NumberRanges.of(other))

    assert list(left) == sorted(one - other)
    assert left == NumberRanges.of(one - other)


@given(NUMBERS, st.integers(0, 61))
def test_a_member_is_found(members: set[int], number: int) -> None:
    assert (number in NumberRanges.of(members)) == (number in members)
