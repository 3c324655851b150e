"""Which image something is launched from, and when another is made, by what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server_support.builders import an_image
from server_support.clock import START
from spot_server.features.images.rules import (
    JITTER_RATIO,
    Newest,
    Schedule,
    Surroundings,
    due_at,
    image_name,
    may_be_due,
    why_not_now,
)
from spot_server.features.replicas.image_rules import AgentImage, Purpose, images_to_keep, pick_image
from spot_server.words import Carry

FREE = Surroundings(
    is_enabled=True,
    is_primary_heard=True,
    is_quiesced=False,
    is_moving=False,
    waits_for_rescue=False,
    is_noticed=False,
    has_image=True,
)


@st.composite
def _images(draw: st.DrawFn) -> list[AgentImage]:
    count = draw(st.integers(0, 6))
    return [
        an_image(
            f"ami-{number}",
            START - timedelta(hours=draw(st.integers(0, 200))),
            has_booted=draw(st.booleans()),
            has_failed=draw(st.booleans()),
        )
        for number in range(count)
    ]


@given(_images())
def test_an_emergency_takes_the_newest_that_has_booted_once(images: list[AgentImage]) -> None:
    chosen = pick_image(images, Purpose.EMERGENCY)

    assert (chosen is None) == (not images)
    booted = [one for one in images if one.has_booted]
    if chosen is not None and booted:
        assert chosen.has_booted
        assert all(one.started_at <= chosen.started_at for one in booted if one.has_failed == chosen.has_failed)


@given(_images())
def test_where_none_has_booted_an_emergency_takes_the_newest_of_which_nothing_bad_is_known(images: list[AgentImage]) -> None:
    never_booted = [replace(one, has_booted=False) for one in images]
    chosen = pick_image(never_booted, Purpose.EMERGENCY)

    if chosen is not None:
        rivals = [one for one in never_booted if one.has_failed == chosen.has_failed]
        assert chosen.started_at == max(one.started_at for one in rivals)
        assert not chosen.has_failed or all(one.has_failed for one in never_booted)


@given(_images())
def test_what_has_time_takes_the_newest_unless_it_never_came_up(images: list[AgentImage]) -> None:
    assume(images)
    chosen = pick_image(images, Purpose.PLANNED)
    sound = [one for one in images if one.has_booted or not one.has_failed]

    assert chosen is not None
    assert chosen.started_at == max(one.started_at for one in sound or images)


@given(_images())
def test_no_cleanup_may_take_what_a_launch_would_be_made_from(images: list[AgentImage]) -> None:
    kept = images_to_keep(images)

    for purpose in Purpose:
        chosen = pick_image(images, purpose)
        assert chosen is None or chosen.image_id in kept
    assert len(kept) <= 3


schedules = st.builds(
    Schedule,
    agent_id=st.uuids().map(str),
    carry=st.sampled_from(Carry),
    refresh_hours=st.integers(0, 720),
    registered_at=st.just(START),
    newest=st.none() | st.builds(Newest, image_id=st.uuids().map(str), state_at=st.just(START)),
    first_after_seconds=st.just(60.0),
)


@given(schedules)
def test_an_image_is_due_within_its_interval_and_never_much_before(schedule: Schedule) -> None:
    wanted_at = due_at(schedule)

    if schedule.carry is Carry.STATELESS or schedule.refresh_hours == 0:
        assert wanted_at is None
    elif schedule.newest is None:
        assert START + timedelta(seconds=60) <= (wanted_at or START) <= START + timedelta(seconds=120)
    else:
        whole = timedelta(hours=schedule.refresh_hours)
        assert START + whole * (1 - JITTER_RATIO) <= (wanted_at or START) <= START + whole


@given(schedules, st.integers(0, 800 * 3600))
def test_nothing_that_is_due_is_overlooked_from_afar(schedule: Schedule, passed_seconds: int) -> None:
    now = START + timedelta(seconds=passed_seconds)
    wanted_at = due_at(schedule)

    if wanted_at is not None and now >= wanted_at:
        assert may_be_due(schedule.refresh_hours, None if schedule.newest is None else schedule.newest.state_at, now)


def test_agents_that_were_set_up_together_do_not_make_their_images_together() -> None:
    times = {due_at(Schedule(f"agent-{number}", Carry.RSYNC, 24, START, Newest("ami-1", START), 60.0)) for number in range(200)}

    assert len(times) == 200


@given(st.sampled_from(["is_enabled", "is_primary_heard", "is_quiesced", "is_moving", "waits_for_rescue", "is_noticed"]))
def test_anything_in_the_way_is_reason_enough_to_wait(name: str) -> None:
    disturbed = replace(FREE, **{name: not getattr(FREE, name)})

    assert why_not_now(FREE) is None
    assert why_not_now(disturbed)


@pytest.mark.parametrize("cause", ["is_noticed", "waits_for_rescue"])
def test_with_nothing_to_launch_from_a_notice_is_a_reason_for_an_image(cause: str) -> None:
    last = replace(FREE, has_image=False, is_quiesced=True, **{cause: True})

    assert why_not_now(last) is None
    assert why_not_now(replace(last, is_primary_heard=False))
    assert why_not_now(replace(last, is_moving=True))
    assert why_not_now(replace(last, is_enabled=False))
    assert why_not_now(replace(FREE, has_image=False)) is None


@given(st.text("abc-_.0", min_size=1, max_size=128), st.integers(0, 20))
def test_a_name_fits_ec2_and_a_failed_one_is_not_used_again(logical_agent_id: str, failed_count: int) -> None:
    agent_id, anchor = "0" * 36, "ami-" + "0" * 17
    names = {image_name(logical_agent_id, agent_id, anchor, number) for number in range(failed_count + 1)}

    assert len(names) == failed_count + 1
    assert all(3 <= len(name) <= 128 for name in names)
