"""Who may hand over, and who may take over, without the server."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_agent.journal_contents import ClaimRecord, HandoverRecord, JournalContents
from spot_agent.model import Role
from spot_agent.rules.plans import (
    CLAIM_WINDOW_SECONDS,
    MARK_VALID_SECONDS,
    WITNESS_SECONDS,
    Ended,
    Hold,
    Plan,
    Watched,
    acknowledged_config_version,
    decide_end,
    handed_over_at,
    hold_of,
    is_overtaken,
    is_stale,
    mark_value,
    plan_of,
    why_not_hand_over,
    with_claim,
    with_claimed,
    with_commit_taken_back,
    with_committed,
    with_handover,
    without_claim,
    without_handover,
)

NOW = datetime(2026, 1, 1, 0, 10, tzinfo=timezone.utc)
TOLD = {
    "plan_id": "plan-1",
    "epoch": 4,
    "predecessor_instance_id": "i-own",
    "successor_instance_id": "i-next",
    "successor_replica_id": "r-1",
    "allocation_id": "eipalloc-1",
    "valid_seconds": 600,
}
PLAN = Plan("plan-1", 4, "i-own", "i-next", "r-1", "eipalloc-1", 600.0)
PRIMARY = JournalContents(
    instance_id="i-own",
    role=Role.PRIMARY,
    epoch=3,
    quiesced=False,
    config={"config_version": 7, "plan": TOLD},
    plan_seen_at="2026-01-01T00:09:00Z",
)
STANDBY = replace(PRIMARY, instance_id="i-next", role=Role.REPLICA, quiesced=True)
ENDED = Ended(NOW)


def test_a_plan_is_read_from_the_configuration_that_it_came_with() -> None:
    assert plan_of(PRIMARY) == PLAN


@pytest.mark.parametrize("name", sorted(TOLD))
def test_a_plan_that_lacks_anything_is_none(name: str) -> None:
    rest = {key: value for key, value in TOLD.items() if key != name}

    assert plan_of(replace(PRIMARY, config={"plan": rest})) is None


@pytest.mark.parametrize("config", [None, {}, {"plan": None}, {"plan": "i-next"}])
def test_without_a_plan_there_is_none(config: dict[str, object] | None) -> None:
    assert plan_of(replace(PRIMARY, config=config)) is None


@pytest.mark.parametrize(
    ("contents", "word"),
    [
        (replace(PRIMARY, config={}), "named"),
        (replace(PRIMARY, quiesced=True), "told to stop"),
        (replace(PRIMARY, epoch=4), "told to stop"),
        (replace(PRIMARY, plan_seen_at=None), "too old"),
        (replace(PRIMARY, plan_seen_at="2025-12-31T00:00:00Z"), "too old"),
    ],
)
def test_who_may_not_hand_over_hears_why(contents: JournalContents, word: str) -> None:
    assert word in (why_not_hand_over(contents, plan_of(contents), "i-own", NOW, NOW + timedelta(seconds=60)) or "")


def test_with_no_time_left_nothing_is_begun() -> None:
    assert why_not_hand_over(PRIMARY, PLAN, "i-own", NOW, NOW + timedelta(seconds=9)) is not None
    assert why_not_hand_over(PRIMARY, PLAN, "i-own", NOW, NOW + timedelta(seconds=60)) is None


ACTS = st.lists(st.sampled_from(["begin", "commit", "call_off", "take_back", "server_quiesces", "server_starts", "released"]), max_size=14)


@given(ACTS)
def test_what_the_server_was_told_is_silent_is_never_given_to_a_successor_as_well(acts: list[str]) -> None:
    """Once a quiesce was confirmed the server may move elsewhere: until it starts this instance again, no mark goes out."""
    contents, is_confirmed = PRIMARY, False
    for act in acts:
        if act == "begin":
            contents = with_handover(contents, PLAN, NOW, "eipassoc-1")
        elif act == "commit":
            contents = with_committed(contents, "plan-1", NOW)
        elif act == "call_off":
            contents = without_handover(contents, "plan-1")
        elif act == "take_back" and contents.handover is not None and not contents.handover.is_released:
            contents = with_commit_taken_back(contents, "plan-1")
        elif act == "server_quiesces" and contents.epoch == 3:
            contents, is_confirmed = replace(contents, quiesced=True, handover=None), True
        elif act == "server_starts" and contents.epoch == 3:
            contents, is_confirmed = replace(contents, quiesced=False, handover=None), False
        is_given = contents.handover is not None and contents.handover.handed_over_at is not None
        assert not (is_given and is_confirmed)
        assert not (is_given and contents.may_serve)
        assert is_given == (contents.epoch == 4)


def test_a_commit_is_for_the_handover_that_was_begun_and_no_other() -> None:
    begun = with_handover(PRIMARY, PLAN, NOW, "eipassoc-1")

    assert with_committed(begun, "plan-2", NOW) == begun
    assert with_committed(PRIMARY, "plan-1", NOW) == PRIMARY
    assert with_committed(begun, "plan-1", NOW).role is Role.ZOMBIE


def test_a_handover_that_is_called_off_lets_the_workload_serve_again_unless_the_role_is_gone() -> None:
    begun = with_handover(PRIMARY, PLAN, NOW, "eipassoc-1")

    assert without_handover(begun, "plan-1") == PRIMARY
    assert without_handover(replace(begun, epoch=5), "plan-1").quiesced
    assert without_handover(replace(begun, role=Role.ZOMBIE), "plan-1").quiesced


@given(plan_id=st.sampled_from(["plan-1", "plan-2"]), is_over=st.booleans())
def test_a_mark_is_read_by_the_successor_of_the_same_plan_only(plan_id: str, *, is_over: bool) -> None:
    record = HandoverRecord(plan_id, 4, "i-next", "eipassoc-1", "2026-01-01T00:10:00Z", "2026-01-01T00:10:00Z" if is_over else None)

    assert handed_over_at(mark_value(record), PLAN) == (NOW if is_over and plan_id == "plan-1" else None)


@given(
    state=st.sampled_from([None, "pending", "running", "shutting-down", "stopping", "stopped", "terminated"]),
    mark=st.sampled_from([None, "", "plan-1 begun", "plan-2 2026-01-01T00:10:00Z", "plan-1 nonsense", "plan-1 2026-01-01T00:10:00Z"]),
    late_seconds=st.floats(-2000, 2000),
    unseen_seconds=st.one_of(st.none(), st.floats(0, 1000)),
)
def test_only_a_mark_of_now_or_an_end_that_was_witnessed_is_an_end(
    state: str | None, mark: str | None, late_seconds: float, unseen_seconds: float | None
) -> None:
    seen_seconds = None if unseen_seconds is None else 5000 - unseen_seconds
    ended = decide_end(PLAN, Watched(state, mark, NOW + timedelta(seconds=late_seconds), 5000, seen_seconds))

    is_marked = mark == "plan-1 2026-01-01T00:10:00Z" and abs(late_seconds) <= MARK_VALID_SECONDS
    is_witnessed = state == "terminated" and unseen_seconds is not None and 5000 - (5000 - unseen_seconds) <= WITNESS_SECONDS
    assert ended == (Ended(NOW) if is_marked else Ended(None) if is_witnessed else None)


@given(st.dictionaries(st.sampled_from(["i-own", "i-next", "i-3"]), st.sampled_from(["", "1", "3", "4", "9", "x"])))
def test_who_finds_a_primary_of_its_epoch_or_a_later_one_is_overtaken(epochs: dict[str, str]) -> None:
    tags = {instance_id: {"spot-optimizer:epoch": epoch} for instance_id, epoch in epochs.items()}

    others = [epoch for instance_id, epoch in epochs.items() if instance_id != "i-next"]
    assert is_overtaken(PLAN, "i-next", tags) == any(epoch in {"4", "9"} for epoch in others)


def test_an_address_is_free_ones_own_or_anothers() -> None:
    assert [hold_of(holder, "i-next") for holder in (None, "i-next", "i-own")] == [Hold.FREE, Hold.OWN, Hold.OTHERS]


@pytest.mark.parametrize(
    "contents",
    [
        replace(STANDBY, role=Role.ZOMBIE),
        replace(STANDBY, role=Role.PRIMARY),
        replace(STANDBY, epoch=4),
        replace(STANDBY, config={"config_version": 8, "plan": None}),
        replace(STANDBY, config={"config_version": 8, "plan": {**TOLD, "plan_id": "plan-2"}}),
    ],
)
def test_a_claim_begins_only_under_the_plan_in_force(contents: JournalContents) -> None:
    assert with_claim(contents, PLAN, NOW, ENDED) == contents
    assert with_claim(STANDBY, PLAN, NOW, ENDED).claim is not None


@given(st.lists(st.sampled_from(["claim", "claimed", "close", "new_config", "demoted"]), max_size=10))
def test_a_configuration_without_the_plan_is_acknowledged_only_when_no_claim_can_follow(acts: list[str]) -> None:
    contents, is_acknowledged = STANDBY, False
    for act in acts:
        if act == "claim":
            contents = with_claim(contents, PLAN, NOW, ENDED)
        elif act == "claimed":
            contents = with_claimed(contents, "plan-1", NOW)
        elif act == "close":
            contents = without_claim(contents, "plan-1")
        elif act == "new_config":
            contents = replace(contents, config={"config_version": 8, "plan": None})
        else:
            contents = replace(contents, role=Role.ZOMBIE)
        assert not (is_acknowledged and contents.claim is not None)
        is_acknowledged = is_acknowledged or acknowledged_config_version(contents) == 8


def test_a_claim_is_noted_as_got_by_a_standby_of_the_old_epoch_only() -> None:
    begun = with_claim(STANDBY, PLAN, NOW, ENDED)

    assert with_claimed(begun, "plan-1", NOW).claim == replace(_claim_of(begun), claimed_at="2026-01-01T00:10:00Z")
    for other in (replace(begun, role=Role.ZOMBIE), replace(begun, epoch=4)):
        assert with_claimed(other, "plan-1", NOW) == other


def test_a_plan_is_stale_when_the_server_was_last_heard_too_long_ago() -> None:
    assert not is_stale(PLAN, PRIMARY, NOW)
    assert is_stale(PLAN, PRIMARY, NOW + timedelta(seconds=600))


def test_a_claim_is_tried_for_less_long_than_a_mark_is_believed() -> None:
    assert CLAIM_WINDOW_SECONDS < MARK_VALID_SECONDS


def _claim_of(contents: JournalContents) -> ClaimRecord:
    assert contents.claim is not None
    return contents.claim
