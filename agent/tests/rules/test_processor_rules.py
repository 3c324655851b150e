"""How busy an instance was, by what its kernel counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.processor import ProcessorTimes, busy_ratio, parse_processor_times

TICKS = st.integers(min_value=0, max_value=2**63)
TIMES = st.builds(ProcessorTimes, TICKS, TICKS)
STAT = "cpu  100 10 40 700 50 5 15 90 30 0\ncpu0 100 10 40 700 50 5 15 90 30 0\nintr 12345 0\n"


def test_waiting_for_a_disk_is_idle_and_what_the_host_took_is_neither() -> None:
    assert parse_processor_times(STAT) == ProcessorTimes(busy_ticks=170, idle_ticks=750)


@pytest.mark.parametrize(
    "text", ["", "\n", "cpu\n", "cpu0 1 2 3 4 5 6 7 8\n", "cpu 1 2 3 4 5 6 7\n", "cpu 1 2 3 4 5 6 7 x\n", "cpu 1 2 3 -4 5 6 7 8\n"]
)
def test_what_is_no_such_file_is_not_known(text: str) -> None:
    assert parse_processor_times(text) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_processor_times(text)


@given(before=TIMES, after=TIMES)
def test_the_share_is_between_none_and_all_whichever_way_counts_went(before: ProcessorTimes, after: ProcessorTimes) -> None:
    ratio = busy_ratio(before, after)

    assert ratio is None or 0.0 <= ratio <= 1.0


@given(before=TIMES, busy_ticks=st.integers(0, 10**9), idle_ticks=st.integers(1, 10**9))
def test_only_what_passed_between_the_readings_counts(before: ProcessorTimes, busy_ticks: int, idle_ticks: int) -> None:
    after = ProcessorTimes(before.busy_ticks + busy_ticks, before.idle_ticks + idle_ticks)

    assert busy_ratio(before, after) == pytest.approx(busy_ticks / (busy_ticks + idle_ticks), abs=1e-4)


@given(times=TIMES)
def test_one_reading_or_one_that_stands_still_says_nothing(times: ProcessorTimes) -> None:
    assert [busy_ratio(None, times), busy_ratio(times, None), busy_ratio(times, times)] == [None, None, None]
