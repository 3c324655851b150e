"""What is done about a notice, a recommendation or a loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.interruptions.rules import FORCING_KINDS, InterruptionFacts, Response, choose_response, named_end
from spot_server.words import InterruptionKind, Role

scenes = st.builds(
    InterruptionFacts,
    kind=st.sampled_from(InterruptionKind),
    role=st.sampled_from(Role),
    is_enabled=st.booleans(),
    is_deleted=st.booleans(),
    has_live_replica=st.booleans(),
    has_active_switch=st.booleans(),
    is_way_back=st.booleans(),
)


@given(scenes, st.sampled_from(sorted(FORCING_KINDS)))
def test_a_notice_always_moves_the_primary_of_an_agent_that_is_enabled(scene: InterruptionFacts, kind: InterruptionKind) -> None:
    facts = replace(scene, kind=kind, role=Role.PRIMARY, is_enabled=True, is_deleted=False)

    response = choose_response(facts)

    has_something = facts.has_live_replica or facts.has_active_switch
    assert response is (Response.HANDOVER if has_something else Response.LAUNCH_REPLICA)


@given(scenes)
def test_nothing_is_moved_for_an_agent_that_is_disabled_or_deleted(facts: InterruptionFacts) -> None:
    assume(facts.is_deleted or not facts.is_enabled)

    assert choose_response(facts) is Response.OBSERVE_ONLY


@given(scenes)
def test_a_recommendation_never_moves_anything_by_itself(scene: InterruptionFacts) -> None:
    facts = replace(scene, kind=InterruptionKind.REBALANCE)

    assert choose_response(facts) in {Response.HOLD, Response.OBSERVE_ONLY}


@given(scenes)
def test_a_standby_that_is_taken_away_is_replaced_and_its_primary_left_alone(scene: InterruptionFacts) -> None:
    facts = replace(scene, role=Role.REPLICA)

    assert choose_response(facts) in {Response.REPLACE_STANDBY, Response.OBSERVE_ONLY}


@given(scenes)
def test_an_instance_that_is_no_longer_part_of_its_agent_matters_only_as_the_way_back(facts: InterruptionFacts) -> None:
    assume(facts.role in {Role.ZOMBIE, Role.TERMINATED})

    response = choose_response(facts)

    assert response is Response.OBSERVE_ONLY or (facts.role is Role.ZOMBIE and facts.is_way_back and facts.kind in FORCING_KINDS)


@given(st.sampled_from(InterruptionKind))
def test_only_what_takes_an_instance_away_has_an_end_and_hibernation_leaves_no_time(kind: InterruptionKind) -> None:
    end = named_end(kind, START)

    if kind is InterruptionKind.HIBERNATE:
        assert end == START
    elif kind in FORCING_KINDS:
        assert end == START + timedelta(seconds=120)
    else:
        assert end is None
