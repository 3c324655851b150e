"""The prober that is worked out, against a log of every single write."""

from datetime import timedelta
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from in_memory.place import START
from spot_simulator.memory.number_ranges import NumberRanges
from spot_simulator.memory.probe_figures import Stretch, Ticks, figures
from spot_simulator.probe_rules import Probe, downtime_seconds, good_answers, lost_writes, outages, overlaps

TICKS = Ticks(START, timedelta(milliseconds=50))
RUNS = st.lists(st.tuples(st.sampled_from("ABC.."), st.integers(1, 60)), max_size=12)
"""Who answered how many writes in a row; a dot: nobody."""


def plan_of(runs: list[tuple[str, int]]) -> str:
    return "".join(letter * count for letter, count in runs)


def log_of(plan: str) -> list[Probe]:
    """Write the log that a prober of every write would have written."""
    probes = []
    for number, letter in enumerate(plan, start=1):
        at = TICKS.at(number)
        is_good = letter != "."
        probes.append(Probe(number, at, at if is_good else None, is_good, letter if is_good else None))
    return probes


def stretches_of(plan: str) -> list[Stretch]:
    """Write the same as stretches."""
    found = []
    for letter, group in groupby(enumerate(plan, start=1), key=lambda pair: pair[1]):
        numbers = [number for number, _ in group]
        if letter != ".":
            found.append(Stretch(letter, numbers[0], numbers[-1]))
    return found


@given(RUNS, st.sampled_from([0.05, 0.2, 1.0]))
def test_the_figures_are_those_of_a_log_of_every_write(runs: list[tuple[str, int]], threshold_seconds: float) -> None:
    plan = plan_of(runs)
    log, good = log_of(plan), good_answers(log_of(plan))

    found = figures(TICKS, stretches_of(plan), len(plan), threshold_seconds)

    end = log[-1].sent_at if log else START
    assert list(found.outages) == outages(log, threshold_seconds)
    assert list(found.overlaps) == overlaps(log)
    assert found.downtime_seconds == pytest.approx(downtime_seconds(log, threshold_seconds, START, end))
    assert list(found.acknowledged) == sorted(answer.number for answer in good)
    assert (found.first_good_at, found.last_good_at) == ((good[0].answered_at, good[-1].answered_at) if good else (None, None))


@given(RUNS, st.sets(st.integers(1, 400)))
def test_lost_writes_are_those_of_a_log_of_every_write(runs: list[tuple[str, int]], held: set[int]) -> None:
    plan = plan_of(runs)

    found = figures(TICKS, stretches_of(plan), len(plan))

    assert list(found.acknowledged.minus(NumberRanges.of(held))) == lost_writes(log_of(plan), held)


@given(st.integers(0, 10_000_000))
def test_a_write_is_sent_before_a_moment_or_not(microseconds: int) -> None:
    moment = START + timedelta(microseconds=microseconds)

    count = TICKS.sent_before(moment)

    assert TICKS.at(count + 1) >= moment
    assert count == 0 or TICKS.at(count) < moment


def test_a_threshold_below_the_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        figures(TICKS, [], 0, threshold_seconds=0.01)
