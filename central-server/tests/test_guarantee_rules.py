"""What an agent's present guarantee is, by what is known and measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START
from spot_server.features.agents.guarantee_rules import (
    CARRIES_UNDER_NOTICE,
    NOTICE_SECONDS,
    FailoverFrom,
    GuaranteeFacts,
    StateImage,
    judge_guarantee,
)
from spot_server.words import Carry

AGES = st.none() | st.integers(0, 100_000).map(lambda seconds: START - timedelta(seconds=seconds))
IMAGES = st.none() | st.builds(
    StateImage,
    image_id=st.just("ami-1"),
    state_at=st.integers(0, 100_000).map(lambda seconds: START - timedelta(seconds=seconds)),
    has_booted=st.booleans(),
)
DURATIONS = st.lists(st.floats(0, 10_000), max_size=20).map(tuple)

facts = st.builds(
    GuaranteeFacts,
    now=st.just(START),
    carry=st.sampled_from(Carry),
    agent_created_at=st.just(START - timedelta(days=30)),
    standby_state_at=AGES,
    image=IMAGES,
    newest_image=IMAGES,
    has_base_image=st.booleans(),
    handover_seconds=DURATIONS,
    launch_seconds=DURATIONS,
    has_control_role=st.booleans(),
    why_no_successor=st.one_of(st.none(), st.just("no standby is ready that could take over")),
)


@given(facts)
def test_nothing_is_promised_that_was_not_measured(seen: GuaranteeFacts) -> None:
    guarantee = judge_guarantee(seen)

    assert guarantee.can_launch_without_daemons == (seen.has_control_role and guarantee.failover_from is not FailoverFrom.NOTHING)

    by_source: dict[FailoverFrom, list[tuple[float, ...]]] = {
        FailoverFrom.STANDBY: [seen.handover_seconds],
        FailoverFrom.LAUNCH: [seen.handover_seconds, seen.launch_seconds],
        FailoverFrom.NOTHING: [()],
    }
    needs = by_source[guarantee.failover_from]
    if not all(needs):
        assert guarantee.failover_seconds is guarantee.failover_median_seconds is None
    else:
        assert guarantee.failover_seconds == pytest.approx(sum(max(part) for part in needs), abs=0.001)
        assert guarantee.failover_seconds is not None
        assert guarantee.failover_median_seconds is not None
        assert guarantee.failover_median_seconds <= guarantee.failover_seconds + 0.001


@given(facts)
def test_no_loss_is_promised_only_where_nothing_can_be_lost(seen: GuaranteeFacts) -> None:
    guarantee = judge_guarantee(seen)

    if guarantee.failover_from is FailoverFrom.NOTHING:
        assert (guarantee.lost_if_gone_seconds, guarantee.lost_under_notice_seconds) == (None, None)
        assert guarantee.lost_if_gone_since is None
        return
    if seen.carry is Carry.STATELESS:
        assert (guarantee.lost_if_gone_since, guarantee.lost_if_gone_seconds) == (None, 0.0)
    else:
        image_state_at = None if seen.image is None else seen.image.state_at
        state_at: datetime = seen.standby_state_at or image_state_at or seen.agent_created_at
        if seen.carry is Carry.VOLUME:
            # An image holds none of what is on the data volumes, which go with their instance here.
            state_at = seen.agent_created_at
        assert guarantee.lost_if_gone_since == state_at
        assert guarantee.lost_if_gone_seconds == (START - state_at).total_seconds()
    if guarantee.lost_under_notice_seconds != guarantee.lost_if_gone_seconds:
        # Better than a loss, or not known: only where all that is needed came along in time whenever it was measured.
        assert seen.carry in CARRIES_UNDER_NOTICE
        fits = None if guarantee.failover_seconds is None else guarantee.failover_seconds <= NOTICE_SECONDS
        assert guarantee.lost_under_notice_seconds == (None if fits is None else 0.0)
        assert fits is not False


def test_what_takes_longer_than_a_notice_promises_nothing_under_one() -> None:
    state_at = START - timedelta(hours=1)
    image = StateImage("ami-1", state_at, has_booted=True)
    seen = GuaranteeFacts(START, Carry.RSYNC, START, None, image, image, False, (30.0,), (89.0,), False, None)

    quick, slow = judge_guarantee(seen), judge_guarantee(replace(seen, launch_seconds=(89.0, 91.0)))
    with_standby = judge_guarantee(replace(seen, launch_seconds=(91.0,), standby_state_at=state_at))

    assert (quick.lost_under_notice_seconds, slow.lost_under_notice_seconds) == (0.0, 3600.0)
    assert (with_standby.lost_under_notice_seconds, with_standby.lost_if_gone_seconds) == (0.0, 3600.0)


@given(facts)
def test_a_standby_is_what_is_taken_before_anything_is_launched(seen: GuaranteeFacts) -> None:
    source = judge_guarantee(seen).failover_from

    assert (source is FailoverFrom.STANDBY) == (seen.standby_state_at is not None)
    without = judge_guarantee(replace(seen, standby_state_at=None, image=None, has_base_image=False)).failover_from
    assert without is FailoverFrom.NOTHING


@given(facts)
def test_an_image_is_as_old_as_the_state_in_it(seen: GuaranteeFacts) -> None:
    guarantee = judge_guarantee(seen)

    for image, aged in ((seen.image, guarantee.image), (seen.newest_image, guarantee.newest_image)):
        assert (image is None) == (aged is None)
        if image is not None and aged is not None:
            assert aged.age_seconds == (START - image.state_at).total_seconds()
            assert aged.has_booted == image.has_booted
