"""The demo's three books: every check holds for a good day, and fails for a doctored one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.demo.books import (
    CHECK_SLACK_SECONDS,
    FIVE_TIMES,
    PROBE_SLACK_SECONDS,
    AgentBooks,
    Move,
    Stillness,
    decision_disagreements,
    disagreements,
    move_disagreements,
    serving_overlaps,
    stillness_disagreements,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat()


def instance(instance_id: str, state: str, *serving: tuple[float, float | None]) -> dict[str, Any]:
    intervals = [{"from": at(start), "to": None if end is None else at(end)} for start, end in serving]
    return {"instance_id": instance_id, "state": state, "serving": intervals}


GOOD_BOOKS = AgentBooks(
    name="web",
    carry="stateless",
    server_primary_id="i-2",
    server_epoch=2,
    server_promotion_count=1,
    holder_instance_id="i-2",
    region_instances=(instance("i-1", "terminated", (0, 10)), instance("i-2", "running", (11, None))),
    last_answering_id="i-2",
    overlap_count=0,
)
TWO_RUN = (instance("i-1", "running", (0, 10)), instance("i-2", "running", (11, None)))
BOTH_SERVED = (instance("i-1", "terminated", (0, 12)), instance("i-2", "running", (11, None)))

GOOD_SWITCH = {
    "status": "completed",
    "trigger": "manual",
    "downtime_seconds": 3.0,
    "steps": [],
    **dict.fromkeys(FIVE_TIMES, at(0)),
}


def a_move(lost_writes: int | None = 0, seen_seconds: float = 3.0, **switch: Any) -> Move:
    return Move("web", "a scene", GOOD_SWITCH | switch, seen_seconds, lost_writes)


def test_books_that_agree_have_nothing_to_say() -> None:
    assert disagreements(GOOD_BOOKS) == []


@pytest.mark.parametrize(
    ("doctored", "word"),
    [
        ({"region_instances": TWO_RUN}, "EC2 runs"),
        ({"region_instances": (instance("i-1", "terminated", (0, 10)),)}, "EC2 runs"),
        ({"holder_instance_id": "i-1"}, "the address is at"),
        ({"holder_instance_id": None}, "the address is at"),
        ({"last_answering_id": "i-1"}, "the prober is answered by"),
        ({"last_answering_id": None}, "the prober is answered by"),
        ({"server_epoch": 3}, "epoch 3 after 1"),
        ({"server_promotion_count": 2}, "epoch 2 after 2"),
        ({"overlap_count": 1}, "two instances serve at once"),
        ({"region_instances": BOTH_SERVED}, "both served"),
    ],
)
def test_each_book_that_is_doctored_is_found_out(doctored: dict[str, Any], word: str) -> None:
    found = disagreements(replace(GOOD_BOOKS, **doctored))

    assert len(found) == 1
    assert word in found[0]


def test_a_server_with_another_primary_is_contradicted_by_all_three() -> None:
    found = disagreements(replace(GOOD_BOOKS, server_primary_id="i-3"))

    assert len(found) == 3


def test_one_instance_that_stops_and_starts_again_overlaps_with_nobody() -> None:
    assert serving_overlaps("web", [instance("i-1", "running", (0, 10), (5, 20))]) == []


def test_an_overlap_names_both_and_how_long_it_lasted() -> None:
    (found,) = serving_overlaps("web", [instance("i-1", "running", (0, 12.5)), instance("i-2", "running", (10, None))])

    assert "i-1 and i-2" in found
    assert "2.500 s" in found


@given(gaps=st.lists(st.floats(0, 100), min_size=1, max_size=8), lengths=st.lists(st.floats(0.001, 100), min_size=8, max_size=8))
def test_whoever_serves_one_after_the_other_never_overlaps(gaps: list[float], lengths: list[float]) -> None:
    moment, turns = 0.0, []
    for number, (gap, length) in enumerate(zip(gaps, lengths, strict=False)):
        turns.append(instance(f"i-{number}", "terminated", (moment + gap, moment + gap + length)))
        moment += gap + length

    assert serving_overlaps("web", turns) == []


@given(start=st.floats(0, 100), length=st.floats(0.01, 100), inside=st.floats(0, 0.9))
def test_whoever_starts_while_another_serves_is_found(start: float, length: float, inside: float) -> None:
    first = instance("i-1", "running", (start, start + length))
    second = instance("i-2", "running", (start + length * inside, None))

    assert len(serving_overlaps("web", [second, first])) == 1


def test_a_good_move_has_nothing_to_say() -> None:
    assert move_disagreements(a_move(), "image_after_quiesce") == []


def test_what_the_old_side_took_to_stop_is_an_outage_that_its_daemon_does_not_tell() -> None:
    stop = {"name": "quiesce", "status": "done", "intent_at": at(0), "finished_at": at(4)}

    assert move_disagreements(a_move(seen_seconds=6.9 + PROBE_SLACK_SECONDS, steps=[stop]), "stateless") == []
    assert len(move_disagreements(a_move(seen_seconds=7.1 + PROBE_SLACK_SECONDS, steps=[stop]), "stateless")) == 1
    assert len(move_disagreements(a_move(seen_seconds=3.1 + PROBE_SLACK_SECONDS, steps=[stop | {"status": "skipped"}]), "stateless")) == 1


@pytest.mark.parametrize(
    ("move", "word"),
    [
        (a_move(seen_seconds=3.1 + PROBE_SLACK_SECONDS), f"the prober saw {3.1 + PROBE_SLACK_SECONDS:.2f} s"),
        (a_move(downtime_seconds=3.1 + CHECK_SLACK_SECONDS), "the prober saw only 3.00 s"),
        (a_move(lost_writes=1), "1 acknowledged writes are lost"),
        (a_move(lost_writes=1, status="rolled_back"), "1 acknowledged writes are lost"),
        (a_move(trigger="automatic", lost_writes=7), "7 acknowledged writes are lost"),
        *[(Move("web", "a scene", GOOD_SWITCH | {name: None}, 3.0, 0), name) for name in FIVE_TIMES],
    ],
)
def test_each_move_that_is_doctored_is_found_out(move: Move, word: str) -> None:
    found = move_disagreements(move, "image_after_quiesce")

    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    ("move", "carry"),
    [
        (a_move(lost_writes=9), "stateless"),
        (a_move(lost_writes=9, trigger="notice"), "image_after_quiesce"),
        (a_move(lost_writes=None), "image_after_quiesce"),
        (Move("web", "a scene", GOOD_SWITCH | dict.fromkeys(FIVE_TIMES) | {"status": "rolled_back"}, 3.0, 0), "stateless"),
    ],
)
def test_a_loss_that_was_chosen_or_forced_is_no_disagreement(move: Move, carry: str) -> None:
    assert move_disagreements(move, carry) == []


def test_a_stateless_move_that_was_taken_back_may_lose_nothing() -> None:
    assert move_disagreements(a_move(lost_writes=1, status="rolled_back"), "stateless")


STILL = Stillness("orders", "daemon alone dies", 15.0, "i-1", "i-1", 0, 0.0, frozenset({"i-1"}), 41, 41)


def test_a_scene_that_moved_nothing_has_nothing_to_say() -> None:
    assert stillness_disagreements(STILL) == []


@pytest.mark.parametrize(
    ("doctored", "word"),
    [
        ({"switches_begun": 1}, "1 moves were begun"),
        ({"primary_after": "i-2"}, "the primary was i-1 and is i-2"),
        ({"prober_downtime_seconds": 3.2}, "3.20 s of outage"),
        ({"prober_answering_ids": frozenset({"i-1", "i-2"})}, "answered by i-1, i-2"),
        ({"prober_answering_ids": frozenset()}, "answered by nobody"),
        ({"workload_pid_after": 57}, "process was 41 and is 57"),
        ({"workload_pid_after": None}, "process was 41 and is None"),
        ({"workload_pid_before": None, "workload_pid_after": None}, "process was None"),
    ],
)
def test_whatever_moved_though_nothing_should_have_is_found_out(doctored: dict[str, Any], word: str) -> None:
    [found] = stillness_disagreements(replace(STILL, **doctored))

    assert word in found


CHEAP = "spot/m5a.large/use1-az2"
GOOD_DECISION = {
    "action": "SWITCH",
    "target": CHEAP,
    "reasoning": f"{CHEAP} costs 0.0200 USD an hour with its losses (price 0.0190), 79% less than staying at 0.0960",
    "rejected": {"spot/m5.large/use1-az1": f"0.0400 USD an hour with its losses, 58% less than staying; {CHEAP} is better"},
}
DECIDED_SWITCH = {
    "trigger": "automatic",
    "from_mode": "on_demand",
    "from_instance_type": "m5.large",
    "from_az_id": "use1-az1",
    "to_mode": "spot",
    "to_instance_type": "m5a.large",
    "to_az_id": "use1-az2",
}


def test_a_decision_that_a_person_can_follow_has_nothing_to_say() -> None:
    assert decision_disagreements("orders", GOOD_DECISION, DECIDED_SWITCH, CHEAP) == []


@pytest.mark.parametrize(
    ("decision", "switch", "word"),
    [
        ({"action": "STAY"}, {}, "it was decided to STAY"),
        ({}, {"trigger": "manual"}, "a move of kind manual"),
        ({"target": "spot/m5.large/use1-az1"}, {}, "spot/m5.large/use1-az1 was chosen"),
        ({}, {"to_az_id": "use1-az3"}, "it went to spot/m5a.large/use1-az3"),
        ({"reasoning": "it is better"}, {}, "does not say what is better"),
        ({"rejected": {}}, {}, "the other places"),
        ({"rejected": {"spot/m5.large/use1-az1": ""}}, {}, "the other places"),
        ({"rejected": {CHEAP: "it is dear"}}, {}, "the other places"),
        ({"rejected": {"on_demand/m5.large/use1-az1": "it runs there"}}, {}, "the other places"),
    ],
)
def test_each_decision_that_is_doctored_is_found_out(decision: dict[str, Any], switch: dict[str, Any], word: str) -> None:
    [found] = decision_disagreements("orders", GOOD_DECISION | decision, DECIDED_SWITCH | switch, CHEAP)

    assert word in found
