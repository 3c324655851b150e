"""Which standbys are kept, made and retired."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.replicas.standby_rules import (
    SeenStandby,
    StandbyFacts,
    StandbyNeed,
    StandbyScene,
    pause_end,
    plan_standbys,
    standby_need,
    standby_pause_seconds,
)
from spot_server.words import LIVE_REPLICA_STATUSES, ReplicaKind, ReplicaStatus


def named(facts: list[StandbyFacts]) -> list[StandbyFacts]:
    """Each under its own id; at most one is in a handover, as there is at most one switch."""
    is_taken = False
    result = []
    for number, one in enumerate(facts):
        is_in_handover = one.is_in_handover and not is_taken
        is_taken = is_taken or is_in_handover
        result.append(replace(one, replica_id=f"replica-{number}", is_in_handover=is_in_handover))
    return result


standbys = st.lists(
    st.builds(
        StandbyFacts,
        replica_id=st.just(""),
        kind=st.sampled_from(ReplicaKind),
        status=st.sampled_from(ReplicaStatus),
        created_at=st.integers(0, 5).map(lambda minutes: START + timedelta(minutes=minutes)),
        is_in_handover=st.booleans(),
        is_misplaced=st.booleans(),
        is_asked_for=st.booleans(),
    ),
    max_size=8,
).map(named)
counts = st.integers(0, 2)


def live_manual(facts: list[StandbyFacts]) -> list[StandbyFacts]:
    return [one for one in facts if one.kind is ReplicaKind.MANUAL and one.status in LIVE_REPLICA_STATUSES]


@given(counts, standbys)
def test_only_live_manual_replicas_outside_a_handover_are_retired(wanted: int, facts: list[StandbyFacts]) -> None:
    plan = plan_standbys(wanted_count=wanted, replicas=facts)

    allowed = {one.replica_id for one in live_manual(facts) if not one.is_in_handover}
    assert set(plan.retire) <= allowed
    assert len(plan.retire) == len(set(plan.retire))


@given(st.integers(1, 2), standbys)
def test_the_last_ready_one_is_never_retired_while_one_is_wanted(wanted: int, facts: list[StandbyFacts]) -> None:
    plan = plan_standbys(wanted_count=wanted, replicas=facts)

    ready = [one for one in live_manual(facts) if one.status is ReplicaStatus.READY and not one.is_in_handover]
    assert not ready or any(one.replica_id not in plan.retire for one in ready)


@given(counts, standbys)
def test_doing_what_the_plan_says_leaves_nothing_more_to_do(wanted: int, facts: list[StandbyFacts]) -> None:
    plan = plan_standbys(wanted_count=wanted, replicas=facts)
    after = [one for one in facts if one.replica_id not in plan.retire]
    after += [
        StandbyFacts(f"new-{number}", ReplicaKind.MANUAL, ReplicaStatus.LAUNCHING, START + timedelta(hours=1), is_in_handover=False)
        for number in range(plan.create_count)
    ]

    again = plan_standbys(wanted_count=wanted, replicas=after)

    assert (again.create_count, again.retire) == (0, ())


@given(st.integers(1, 2), standbys)
def test_once_everything_is_ready_as_many_are_left_as_are_wanted(wanted: int, facts: list[StandbyFacts]) -> None:
    settled = [replace(one, is_in_handover=False, is_misplaced=False) for one in facts]

    plan = plan_standbys(wanted_count=wanted, replicas=settled)

    kept = [one for one in live_manual(settled) if one.replica_id not in plan.retire]
    is_sparing = len(kept) + plan.create_count == wanted
    assert is_sparing


@given(standbys)
def test_with_none_wanted_those_that_a_person_asked_for_stay(facts: list[StandbyFacts]) -> None:
    plan = plan_standbys(wanted_count=0, replicas=facts)

    kept = {one.replica_id for one in live_manual(facts)} - set(plan.retire)
    assert plan.create_count == 0
    assert kept == {one.replica_id for one in live_manual(facts) if one.is_asked_for or one.is_in_handover}


@given(st.integers(1, 2), standbys)
def test_a_misplaced_standby_is_replaced_before_it_is_retired(wanted: int, facts: list[StandbyFacts]) -> None:
    plan = plan_standbys(wanted_count=wanted, replicas=facts)

    well_placed = [one for one in live_manual(facts) if not one.is_misplaced or one.is_in_handover]
    assert plan.create_count == max(0, wanted - len(well_placed))


def test_a_ready_one_is_kept_over_a_syncing_over_a_launching_and_the_newest_among_equals() -> None:
    order = [
        (ReplicaStatus.LAUNCHING, 5),
        (ReplicaStatus.SYNCING, 4),
        (ReplicaStatus.READY, 1),
        (ReplicaStatus.READY, 2),
    ]
    facts = [
        StandbyFacts(f"{status}-{age}", ReplicaKind.MANUAL, status, START + timedelta(minutes=age), is_in_handover=False)
        for status, age in order
    ]

    plan = plan_standbys(wanted_count=1, replicas=facts)

    assert set(plan.retire) == {"launching-5", "syncing-4", "ready-1"}


@given(st.integers(0, 200))
def test_the_pause_after_failures_grows_up_to_a_quarter_of_an_hour(failures: int) -> None:
    pause, longer = standby_pause_seconds(failures), standby_pause_seconds(failures + 1)

    assert 0 <= pause <= longer <= 900
    assert (pause == 0) == (failures == 0)


scenes = st.builds(
    StandbyScene,
    agent_id=st.just("agent-1"),
    wanted_count=counts,
    is_moving=st.booleans(),
    standbys=standbys.flatmap(
        lambda facts: st.tuples(
            *[
                st.builds(
                    SeenStandby,
                    facts=st.just(replace(one, is_misplaced=False)),
                    shares_fate=st.booleans(),
                    hold_until=st.none() | st.integers(-5, 5).map(lambda minutes: START + timedelta(minutes=minutes)),
                )
                for one in facts
            ]
        )
    ),
)


@given(scenes, st.data())
def test_an_agent_that_is_left_alone_needs_nothing_wherever_its_standbys_could_be_instead(scene: StandbyScene, data: st.DataObject) -> None:
    need = standby_need(scene, START)
    misplaced = [replace(one.facts, is_misplaced=one.shares_fate and data.draw(st.booleans())) for one in scene.standbys]

    plan = plan_standbys(wanted_count=scene.wanted_count, replicas=misplaced)

    is_held_too_long = any(one.hold_until and one.hold_until <= START and not one.facts.is_in_handover for one in scene.standbys)
    if need is not StandbyNeed.CHANGE:
        assert (plan.retire, is_held_too_long) == ((), False)
    if need is StandbyNeed.NOTHING:
        assert plan.create_count == 0 or scene.is_moving


@given(counts, st.integers(0, 3))
def test_an_agent_with_as_many_ready_standbys_as_it_wants_is_left_alone(wanted: int, others: int) -> None:
    later = START + timedelta(seconds=1)
    kinds = [ReplicaKind.MANUAL] * wanted + [ReplicaKind.EMERGENCY] * others
    seen = [
        SeenStandby(
            StandbyFacts(f"replica-{number}", kind, ReplicaStatus.READY, START, is_in_handover=False),
            shares_fate=kind is ReplicaKind.EMERGENCY,
            hold_until=later if kind is ReplicaKind.EMERGENCY else None,
        )
        for number, kind in enumerate(kinds)
    ]

    need = standby_need(StandbyScene("agent-1", wanted, is_moving=False, standbys=tuple(seen)), START)

    assert need is StandbyNeed.NOTHING


@given(st.lists(st.sampled_from(ReplicaStatus), max_size=12))
def test_a_pause_begins_with_the_newest_of_the_failures_in_a_row(statuses: list[ReplicaStatus]) -> None:
    newest_first = [(status, START - timedelta(hours=number)) for number, status in enumerate(statuses)]

    end = pause_end(newest_first)

    in_a_row = next((number for number, status in enumerate(statuses) if status is not ReplicaStatus.FAILED), len(statuses))
    assert end == (START + timedelta(seconds=standby_pause_seconds(in_a_row)) if in_a_row else None)
