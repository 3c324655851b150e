"""What is done about scheduled maintenance, and what a daemon's list of it may look like."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.maintenance.rules import (
    LEAD_SECONDS,
    MOST_TRIES,
    OVERDUE_SECONDS,
    TRY_PAUSE_SECONDS,
    MaintenanceFacts,
    Move,
    Scheduled,
    Tell,
    Wait,
    decide_maintenance,
    read_scheduled,
)

LISTED = {
    "NotBefore": "21 Jan 2019 09:00:43 GMT",
    "Code": "system-reboot",
    "Description": "scheduled reboot",
    "EventId": "instance-event-0d59937288b749b32",
    "NotAfter": "21 Jan 2019 09:17:23 GMT",
    "State": "active",
}
"""As the EC2 user guide shows it."""

FACTS = MaintenanceFacts(START, is_enabled=True, allows_move=True, is_moving=False, tries=0, tried_at=None, now=START)

facts = st.builds(
    MaintenanceFacts,
    not_before=st.just(START),
    is_enabled=st.booleans(),
    allows_move=st.booleans(),
    is_moving=st.booleans(),
    tries=st.integers(0, MOST_TRIES + 1),
    tried_at=st.none() | st.floats(-7200, 0).map(lambda seconds: START + timedelta(seconds=seconds)),
    now=st.floats(-2 * LEAD_SECONDS, 2 * OVERDUE_SECONDS).map(lambda seconds: START + timedelta(seconds=seconds)),
)


@given(facts)
def test_only_an_enabled_agent_that_decisions_may_move_is_moved_and_only_within_its_day(seen: MaintenanceFacts) -> None:
    decision = decide_maintenance(seen)

    if isinstance(decision, Move):
        assert seen.is_enabled
        assert seen.allows_move
        assert not seen.is_moving
        assert decision.number == seen.tries + 1 <= MOST_TRIES
        assert abs((seen.now - seen.not_before).total_seconds()) <= max(LEAD_SECONDS, OVERDUE_SECONDS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Move(1)),
        ({"now": START - timedelta(seconds=LEAD_SECONDS + 1)}, Wait()),
        ({"now": START + timedelta(seconds=OVERDUE_SECONDS)}, Wait()),
        ({"is_enabled": False}, Tell("it is not moved: the agent is disabled")),
        ({"allows_move": False}, Tell("it is not moved: auto_switch_enabled is off")),
        ({"is_moving": True}, Wait()),
        ({"tries": 1, "tried_at": START - timedelta(seconds=TRY_PAUSE_SECONDS - 1)}, Wait()),
        ({"tries": 1, "tried_at": START - timedelta(seconds=TRY_PAUSE_SECONDS)}, Move(2)),
        ({"tries": MOST_TRIES}, Tell(f"it was not moved: {MOST_TRIES} moves failed", is_urgent=True)),
    ],
)
def test_an_event_is_answered_so(changes: dict[str, Any], expected: object) -> None:
    assert decide_maintenance(replace(FACTS, **changes)) == expected


def test_an_event_is_read_as_metadata_words_it() -> None:
    assert read_scheduled([LISTED]) == [
        Scheduled("instance-event-0d59937288b749b32", "system-reboot", datetime(2019, 1, 21, 9, 0, 43, tzinfo=UTC))
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"State": "completed"},
        {"State": "canceled"},
        {"NotBefore": "soon"},
        {"NotBefore": None},
        {"NotBefore": "21 Jan 2019 09:00:43 +9999999999999999999"},
        {"NotBefore": "31 Dec 9999 23:59:59 GMT"},
        {"EventId": ""},
        {"EventId": 7},
        {"Code": []},
    ],
)
def test_what_is_over_or_not_shaped_so_is_left_out_and_hides_nothing(broken: dict[str, Any]) -> None:
    assert [one.event_id for one in read_scheduled([{**LISTED, **broken}, LISTED, {}])] == [LISTED["EventId"]]


@given(st.lists(st.dictionaries(st.sampled_from(sorted(LISTED)), st.none() | st.text() | st.integers() | st.lists(st.text())), max_size=4))
def test_nothing_that_a_daemon_may_list_breaks_the_reading(listed: list[dict[str, Any]]) -> None:
    assert all(one.not_before.tzinfo is not None for one in read_scheduled(listed))
