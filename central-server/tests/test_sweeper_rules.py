"""What the sweeper may never end, whatever is seen and whatever the books say."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.sweeper.rules import (
    Adopt,
    Books,
    Doubt,
    KnownAgent,
    KnownInstance,
    KnownReplica,
    NotOurs,
    Owned,
    Quarantine,
    Retire,
    Sighting,
    SweepPolicy,
    TooYoung,
    epoch_ahead,
    judge_instance,
    judge_volume,
    room_left,
    while_restored,
)
from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaStatus, Role

NOW = START + timedelta(days=1)
POLICY = SweepPolicy()

ORPHAN = Sighting(
    instance_id="i-1",
    state="running",
    seen_at=NOW,
    launched_at=NOW - timedelta(seconds=700),
    client_id="client-1",
    agent_id="agent-1",
    replica_id="replica-1",
    launch_token="token-1",
    client_token="token-1",
    epoch=1,
    holds_address=False,
)
"""An instance that is to be ended; what the tests draw differs from it in some members, so that both ways are often taken."""

AGENT = KnownAgent("agent-1", epoch=1, enabled=True, has_address=True, is_primary_heard=True)
ENDED = KnownReplica("replica-1", "agent-1", ReplicaStatus.TERMINATED, None, "token-1", NOW - timedelta(seconds=300))

moments = st.none() | st.integers(0, 1200).map(lambda seconds: NOW - timedelta(seconds=seconds))
tokens = st.sampled_from([None, "token-1", "token-2"])
SIGHTING_MEMBERS: dict[str, st.SearchStrategy[object]] = {
    "state": st.sampled_from(["pending", "stopping", "stopped", "shutting-down", "terminated"]),
    "seen_at": st.integers(0, 900).map(lambda seconds: NOW - timedelta(seconds=seconds)),
    "launched_at": moments,
    "replica_id": st.none(),
    "launch_token": tokens,
    "client_token": tokens,
    "epoch": st.none() | st.integers(0, 3),
    "holds_address": st.none() | st.booleans(),
}
sightings = st.fixed_dictionaries({}, optional=SIGHTING_MEMBERS).map(lambda drawn: replace(ORPHAN, **drawn))  # type: ignore[arg-type]
rows = st.builds(
    KnownInstance, role=st.sampled_from(Role), is_stray=st.just(False), was_primary=st.booleans(), has_owner=st.booleans(), ended_at=moments
)
stray_rows = rows.map(lambda row: replace(row, is_stray=True, was_primary=False))


def replicas(
    instance_ids: st.SearchStrategy[str | None], ends: st.SearchStrategy[datetime | None] = moments
) -> st.SearchStrategy[KnownReplica]:
    return st.builds(
        KnownReplica,
        replica_id=st.just("replica-1"),
        agent_id=st.sampled_from(["agent-1", "agent-1", "agent-2"]),
        status=st.sampled_from(ReplicaStatus),
        instance_id=instance_ids,
        client_token=tokens,
        ended_at=ends,
    )


agents = st.just(AGENT) | st.builds(
    KnownAgent,
    agent_id=st.just("agent-1"),
    epoch=st.integers(1, 2),
    enabled=st.booleans(),
    has_address=st.booleans(),
    is_primary_heard=st.booleans(),
)


def books_with(
    instance: st.SearchStrategy[KnownInstance | None], holder: st.SearchStrategy[KnownReplica | None]
) -> st.SearchStrategy[Books]:
    named = st.none() | st.just(ENDED) | replicas(st.sampled_from([None, "i-2"]))
    return st.builds(Books, agent=st.none() | agents, instance=instance, named=named, holder=holder)


books = books_with(st.none() | rows | stray_rows, st.none() | replicas(st.just("i-1")))


@given(sightings, books)
def test_only_what_a_launch_of_ours_made_is_ended_and_only_without_any_doubt(seen: Sighting, known: Books) -> None:
    verdict = judge_instance(seen, known, policy=POLICY, now=NOW)

    if isinstance(verdict, Retire):
        assert known.agent is not None
        assert known.agent.enabled
        assert seen.replica_id is not None
        assert seen.client_token == seen.launch_token is not None
        assert seen.epoch is not None
        assert seen.epoch <= known.agent.epoch
        assert seen.holds_address is False or (seen.holds_address is None and not known.agent.has_address)
        assert NOW - seen.seen_at <= timedelta(seconds=600)


@given(sightings, books_with(rows, st.none() | replicas(st.just("i-1"))))
def test_an_instance_that_was_ever_let_in_is_never_ended_by_the_sweeper(seen: Sighting, known: Books) -> None:
    assert not isinstance(judge_instance(seen, known, policy=POLICY, now=NOW), Retire | Adopt)


@given(sightings, books_with(rows.map(lambda row: replace(row, role=Role.REPLICA)), st.none() | replicas(st.just("i-1"))))
def test_an_instance_that_lives_in_the_books_is_owned_and_nobody_is_told(seen: Sighting, known: Books) -> None:
    assert isinstance(judge_instance(seen, known, policy=POLICY, now=NOW), Owned | NotOurs)


@given(sightings, books_with(st.none() | rows | stray_rows, replicas(st.just("i-1"), st.none())))
def test_what_somebody_waits_for_or_ends_is_left_to_them(seen: Sighting, known: Books) -> None:
    assert not isinstance(judge_instance(seen, known, policy=POLICY, now=NOW), Retire | Adopt)


@given(sightings, books)
def test_only_a_stray_is_ended_before_the_settle_time(seen: Sighting, known: Books) -> None:
    verdict = judge_instance(seen, known, policy=POLICY, now=NOW)

    is_stray = known.instance is not None and known.instance.is_stray
    if isinstance(verdict, Retire) and not is_stray:
        assert seen.launched_at is not None
        assert NOW - seen.launched_at >= timedelta(seconds=POLICY.settle_seconds)
    if isinstance(verdict, TooYoung):
        assert not is_stray


@given(sightings, books)
def test_a_replica_that_the_books_have_lost_is_ended_only_while_the_primary_is_heard(seen: Sighting, known: Books) -> None:
    verdict = judge_instance(seen, known, policy=POLICY, now=NOW)

    if isinstance(verdict, Retire) and known.named is None and known.holder is None:
        assert known.agent is not None
        assert known.agent.is_primary_heard


@given(sightings, books)
def test_only_the_replica_whose_very_launch_it_came_of_adopts_it(seen: Sighting, known: Books) -> None:
    verdict = judge_instance(seen, known, policy=POLICY, now=NOW)

    if isinstance(verdict, Adopt):
        assert known.named is not None
        assert known.named.status in LIVE_REPLICA_STATUSES
        assert known.named.instance_id is None
        assert known.named.client_token == seen.launch_token == seen.client_token is not None


@given(sightings, books)
def test_after_a_restore_nothing_is_done(seen: Sighting, known: Books) -> None:
    verdict = while_restored(judge_instance(seen, known, policy=POLICY, now=NOW))

    assert not isinstance(verdict, Adopt | Retire)


@pytest.mark.parametrize("named", [ENDED, None])
def test_an_orphan_without_any_doubt_is_ended(named: KnownReplica | None) -> None:
    assert isinstance(judge_instance(ORPHAN, Books(AGENT, None, named, None), policy=POLICY, now=NOW), Retire)


ALONE: list[tuple[Doubt, dict[str, Any], dict[str, Any]]] = [
    (Doubt.DISABLED, {}, {"enabled": False}),
    (Doubt.HOLDS_ADDRESS, {"holds_address": True}, {}),
    (Doubt.ADDRESS_UNKNOWN, {"holds_address": None}, {}),
    (Doubt.EPOCH_UNKNOWN, {"epoch": None}, {}),
    (Doubt.EPOCH_AHEAD, {"epoch": 2}, {}),
    (Doubt.AGE_UNKNOWN, {"launched_at": None}, {}),
    (Doubt.NO_REPLICA, {"replica_id": None}, {}),
    (Doubt.COPIED_TAGS, {"client_token": "token-2"}, {}),
    (Doubt.COPIED_TAGS, {"client_token": None, "launch_token": None}, {}),
]


@pytest.mark.parametrize(("doubt", "seen", "known"), ALONE)
def test_each_doubt_alone_keeps_an_orphan(doubt: Doubt, seen: dict[str, Any], known: dict[str, Any]) -> None:
    verdict = judge_instance(replace(ORPHAN, **seen), Books(replace(AGENT, **known), None, ENDED, None), policy=POLICY, now=NOW)

    assert isinstance(verdict, Quarantine)
    assert verdict.doubt is doubt


def test_a_replica_adopts_only_what_came_of_the_launch_that_it_waits_for() -> None:
    waiting = KnownReplica("replica-1", "agent-1", ReplicaStatus.LAUNCHING, None, "token-1", None)
    elsewhere = replace(waiting, client_token="token-2")

    verdicts = [judge_instance(ORPHAN, Books(AGENT, None, named, None), policy=POLICY, now=NOW) for named in (waiting, elsewhere)]

    assert verdicts == [Adopt("replica-1"), Retire("replica replica-1 goes on with another launch")]


@given(st.sampled_from(["available", "in-use", "creating", "deleting", "error"]), st.integers(0, 900))
def test_a_volume_is_never_ended(state: str, age_seconds: int) -> None:
    verdict = judge_volume(state, NOW - timedelta(seconds=age_seconds), NOW)

    assert isinstance(verdict, Quarantine) == (state == "available" and age_seconds <= 600)
    assert isinstance(verdict, Quarantine | Owned | NotOurs)


@given(st.integers(1, 9), st.integers(0, 9), st.lists(st.none() | st.integers(0, 9)))
def test_a_database_is_behind_when_any_tag_is_ahead_of_it_and_of_what_was_confirmed(
    saved_epoch: int, confirmed_epoch: int, epochs: list[int | None]
) -> None:
    ahead = epoch_ahead(saved_epoch, confirmed_epoch, epochs)

    above = [epoch for epoch in epochs if epoch is not None and epoch > saved_epoch and epoch > confirmed_epoch]
    assert ahead == max(above, default=None)


@given(st.integers(0, 100), st.integers(0, 100))
def test_an_hour_never_has_more_room_than_its_limit(retired_count: int, limit: int) -> None:
    assert 0 <= room_left(retired_count, limit) <= limit
    assert room_left(retired_count, limit) + retired_count >= limit
