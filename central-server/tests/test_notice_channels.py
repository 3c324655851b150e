"""Which words of two channels are about one notice, and what the later one adds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.clock import START, FakeClock
from server_support.story import Story
from spot_server.db.runner import Database
from spot_server.features.interruptions.reports import Report
from spot_server.features.interruptions.rules import FORCING_KINDS, SAME_NOTICE_SECONDS, KnownNotice, choose_confirmed
from spot_server.features.interruptions.service import take_report
from spot_server.words import InterruptionKind, NoticeChannel

DAEMON, ROLE = NoticeChannel.DAEMON, NoticeChannel.CONTROL_ROLE


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story.on(database, clock, has_image=True)


def test_the_end_that_a_later_channel_names_is_the_deadline_of_the_move(story: Story) -> None:
    """The spot request does not say when the instance goes; the daemon's metadata do."""
    now = story.clock.now()
    report = Report("spot-request/1", "i-1", InterruptionKind.TERMINATE, None, now, channel=ROLE, announced_at=now)
    first = story.database.write(lambda tx: take_report(tx, story.agent_id, report))
    deadlines = [story.switches()[0].deadline_at]

    second = story.notice(lead_seconds=90)

    deadlines.append(story.switches()[0].deadline_at)
    assert deadlines == [now + timedelta(seconds=120), now + timedelta(seconds=90)]
    assert second.event.event_id == first.event.event_id
    assert len(story.switches()) == 1


@pytest.mark.parametrize(
    ("kind", "channel", "apart_seconds", "is_same"),
    [
        ("terminate", ROLE, 0, True),
        ("stop", ROLE, 600, True),
        ("hibernate", ROLE, -600, True),
        ("terminate", ROLE, 601, False),
        ("terminate", DAEMON, 0, False),
        ("rebalance", ROLE, 0, False),
        ("scheduled", ROLE, 0, False),
    ],
)
def test_another_channels_word_is_the_same_notice_when_it_names_a_like_end_at_about_that_time(
    kind: str, channel: NoticeChannel, apart_seconds: float, is_same: bool
) -> None:
    known = KnownNotice("event-1", InterruptionKind.TERMINATE, START, START, frozenset({DAEMON}))

    end_at = START + timedelta(seconds=apart_seconds)
    chosen = choose_confirmed([known], InterruptionKind(kind), channel, end_at=end_at, detected_at=START)

    assert (chosen == known) is is_same


@given(st.lists(st.tuples(st.sampled_from(InterruptionKind), st.integers(-2000, 2000), st.frozensets(st.sampled_from(NoticeChannel)))))
def test_the_nearest_unconfirmed_notice_is_chosen_or_none(notices: list[tuple[InterruptionKind, int, frozenset[NoticeChannel]]]) -> None:
    known = [KnownNotice(str(n), kind, START + timedelta(seconds=at), START, told) for n, (kind, at, told) in enumerate(notices)]

    chosen = choose_confirmed(known, InterruptionKind.STOP, ROLE, end_at=START, detected_at=START)

    fitting = [one for one in known if one.kind in FORCING_KINDS and ROLE not in one.channels and one.end_at]
    distances = [abs((one.end_at - START).total_seconds()) for one in fitting if one.end_at]
    if chosen is None:
        assert all(distance > SAME_NOTICE_SECONDS for distance in distances)
    else:
        assert chosen in fitting
        assert chosen.end_at is not None
        assert abs((chosen.end_at - START).total_seconds()) == min(distances)
