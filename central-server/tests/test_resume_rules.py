"""What may become of a rescue that gave up, whatever is known of its primary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.recoveries.resume_rules import (
    LOST_STATES,
    Drop,
    GivenUpFacts,
    LookAtPrimary,
    Postpone,
    Rescue,
    StrickenPrimary,
    TellPrimary,
    decide_given_up,
)
from spot_server.features.switches.succession import MOST_RESCUES, resume_pause_seconds
from spot_server.policy import MovePolicy

NOW = START + timedelta(days=1)
POLICY = MovePolicy()
STATES = sorted(LOST_STATES | {"pending", "running"})

primaries = st.builds(
    StrickenPrimary,
    is_reachable=st.booleans(),
    quiesced=st.sampled_from([True, False, None]),
    end_at=st.none() | st.integers(-5000, 5000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    state=st.none() | st.sampled_from(STATES),
    is_looked_at=st.booleans(),
    can_be_looked_at=st.booleans(),
    has_served=st.booleans(),
    is_start_refused=st.booleans(),
)
all_facts = st.builds(
    GivenUpFacts,
    primary=st.none() | primaries,
    is_way_open=st.booleans(),
    held_because=st.sampled_from([None, "another may be the primary"]),
    now=st.just(NOW),
)


@given(facts=all_facts)
def test_a_primary_is_left_only_on_ec2_s_word_or_before_its_end_or_if_it_never_served(facts: GivenUpFacts) -> None:
    decision = decide_given_up(facts)

    primary = facts.primary
    if isinstance(decision, Rescue) and primary is not None:
        is_doomed = primary.end_at is not None and primary.end_at > NOW
        is_going = not primary.is_reachable and primary.state in LOST_STATES
        is_fruitless = primary.is_reachable and not primary.has_served and primary.is_start_refused
        assert is_doomed or is_going or is_fruitless


@given(facts=all_facts)
def test_no_rescue_takes_an_end_along_that_lies_in_the_past(facts: GivenUpFacts) -> None:
    decision = decide_given_up(facts)

    if isinstance(decision, Rescue) and decision.deadline_at is not None:
        assert decision.deadline_at > NOW


@given(facts=all_facts)
def test_nothing_begins_without_anything_to_move_to(facts: GivenUpFacts) -> None:
    assert not isinstance(decide_given_up(replace(facts, is_way_open=False)), Rescue)


@given(facts=all_facts)
def test_while_another_instance_may_be_the_primary_only_a_notice_of_its_end_begins_anything(facts: GivenUpFacts) -> None:
    decision = decide_given_up(replace(facts, held_because="another may be the primary"))

    if isinstance(decision, Rescue):
        assert decision.deadline_at is not None


@given(facts=all_facts)
def test_only_a_primary_that_is_heard_is_told_or_makes_the_rescue_needless(facts: GivenUpFacts) -> None:
    decision = decide_given_up(facts)

    if isinstance(decision, Drop | TellPrimary):
        assert facts.primary is not None
        assert facts.primary.is_reachable
        assert facts.primary.quiesced is (False if isinstance(decision, Drop) else None)


@given(facts=all_facts)
def test_ec2_is_asked_about_a_silent_primary_by_whoever_can(facts: GivenUpFacts) -> None:
    decision = decide_given_up(facts)

    if isinstance(decision, LookAtPrimary):
        assert facts.primary is not None
        assert not facts.primary.is_reachable
        assert facts.primary.is_looked_at or facts.primary.can_be_looked_at


@given(primary=primaries)
def test_a_person_hears_of_everything_that_only_a_person_can_mend(primary: StrickenPrimary) -> None:
    decision = decide_given_up(GivenUpFacts(primary, is_way_open=False, held_because=None, now=NOW))

    if isinstance(decision, Postpone) and not decision.is_told:
        # The sweep over workloads that stand still tells it, and tells a person if that does not help.
        assert primary.is_reachable
        assert primary.quiesced


@given(number=st.integers(1, 10_000))
def test_the_pause_before_a_further_rescue_grows_from_a_minute_to_a_quarter_of_an_hour(number: int) -> None:
    pause_seconds = resume_pause_seconds(number, POLICY)

    assert 60 <= pause_seconds <= resume_pause_seconds(number + 1, POLICY) <= 900
    assert number > MOST_RESCUES or pause_seconds == 60
