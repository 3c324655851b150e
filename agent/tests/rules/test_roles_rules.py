"""What an instance becomes when the server says something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.model import Role, ServerView
from spot_agent.rules.roles import Turn, follow_server, is_first_start

ROLES = st.none() | st.sampled_from(Role)
VIEWS = st.builds(ServerView, ROLES, st.booleans(), st.integers(0, 5))


@given(ROLES, st.integers(0, 5), VIEWS)
def test_an_epoch_never_goes_back(role: Role | None, epoch: int, view: ServerView) -> None:
    assert follow_server(role, epoch, view).epoch >= epoch


@given(ROLES, st.integers(1, 5), VIEWS)
def test_news_from_the_past_changes_nothing(role: Role | None, epoch: int, view: ServerView) -> None:
    change = follow_server(role, epoch, view)

    if view.epoch < epoch:
        assert (change.turn, change.role, change.epoch) == (Turn.NOTHING, role, epoch)


@given(st.integers(0, 5), VIEWS)
def test_a_primary_is_demoted_exactly_when_a_newer_epoch_has_another_primary(epoch: int, view: ServerView) -> None:
    change = follow_server(Role.PRIMARY, epoch, view)

    is_expected = view.epoch > epoch and not view.is_primary and view.role is not None
    assert (change.turn is Turn.DEMOTE) == is_expected
    assert (change.role is Role.PRIMARY) != is_expected


@given(st.integers(0, 5), VIEWS)
def test_a_zombie_becomes_primary_again_only_with_a_newer_epoch(epoch: int, view: ServerView) -> None:
    change = follow_server(Role.ZOMBIE, epoch, view)

    if change.role is Role.PRIMARY:
        assert view.is_primary
        assert view.epoch > epoch


@given(ROLES, st.integers(0, 5), VIEWS)
def test_following_the_same_view_twice_is_following_it_once(role: Role | None, epoch: int, view: ServerView) -> None:
    once = follow_server(role, epoch, view)
    twice = follow_server(once.role, once.epoch, view)

    assert (twice.turn, twice.role, twice.epoch) == (Turn.NOTHING, once.role, once.epoch)


@given(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 5))
def test_an_instance_that_had_a_role_is_never_started_by_a_registration(
    is_primary: bool, is_new: bool, was_attempted: bool, epoch: int
) -> None:
    assert not is_first_start(is_primary=is_primary, had_role=True, is_new=is_new, was_attempted=was_attempted, epoch=epoch)


def test_a_primary_that_lost_its_journal_waits_to_be_told() -> None:
    assert not is_first_start(is_primary=True, had_role=False, is_new=False, was_attempted=False, epoch=1)
    assert not is_first_start(is_primary=True, had_role=False, is_new=False, was_attempted=True, epoch=2)


def test_a_new_agent_starts_also_if_the_first_answer_was_lost() -> None:
    assert is_first_start(is_primary=True, had_role=False, is_new=True, was_attempted=False, epoch=1)
    assert is_first_start(is_primary=True, had_role=False, is_new=False, was_attempted=True, epoch=1)
