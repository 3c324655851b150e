"""Who carries out an act."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.commands.actors import (
    CONTROL_ROLE_INSTANCE_ID,
    DAEMON_FIRST,
    HANDLE_ACTS,
    Act,
    Assignment,
    DaemonFacts,
    choose_actor,
)
from spot_server.words import Actor, Role

NAMES = ("i-1", "i-2", "i-3", "i-4")


def fleet_of(roles: list[Role], reachable: list[bool]) -> list[DaemonFacts]:
    """At most one PRIMARY, as the database sees to."""
    seen = False
    daemons = []
    for name, role, is_reachable in zip(NAMES, roles, reachable, strict=True):
        actual = Role.ZOMBIE if role is Role.PRIMARY and seen else role
        seen = seen or actual is Role.PRIMARY
        daemons.append(DaemonFacts(name, actual, is_reachable))
    return daemons


fleets = st.builds(
    fleet_of,
    st.lists(st.sampled_from(Role), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
acts = st.sampled_from(Act)
targets = st.sampled_from([*NAMES, "i-unknown"])


@given(acts, fleets, targets, st.booleans())
def test_whoever_is_chosen_can_be_reached_and_exists(act: Act, daemons: list[DaemonFacts], target: str, has_role: bool) -> None:
    chosen = choose_actor(act, has_control_role=has_role, daemons=daemons, target_instance_id=target)

    if chosen is not None and chosen.actor is Actor.DAEMON:
        found = next(daemon for daemon in daemons if daemon.instance_id == chosen.instance_id)
        assert found.is_reachable
        assert found.role is not Role.TERMINATED


@given(st.sampled_from([Act.TERMINATE, Act.DESCRIBE]), fleets, targets, st.booleans())
def test_no_instance_terminates_or_testifies_about_itself(act: Act, daemons: list[DaemonFacts], target: str, has_role: bool) -> None:
    chosen = choose_actor(act, has_control_role=has_role, daemons=daemons, target_instance_id=target)

    assert chosen is None or chosen.instance_id != target


@given(st.sampled_from(sorted(HANDLE_ACTS.values())), fleets, targets, st.booleans())
def test_a_handle_is_moved_by_the_side_that_it_moves_to_or_by_the_control_role(
    act: Act, daemons: list[DaemonFacts], target: str, has_role: bool
) -> None:
    chosen = choose_actor(act, has_control_role=has_role, daemons=daemons, target_instance_id=target)

    assert chosen is None or chosen.instance_id == target or chosen.actor is Actor.CONTROL_ROLE


@given(acts, fleets, targets)
def test_with_a_control_role_somebody_can_always_be_asked(act: Act, daemons: list[DaemonFacts], target: str) -> None:
    chosen = choose_actor(act, has_control_role=True, daemons=daemons, target_instance_id=target)

    if act is Act.TRAFFIC_HOOK:
        assert chosen is None or chosen.instance_id == target
        return
    assert chosen is not None
    assert act in DAEMON_FIRST or chosen.actor is Actor.CONTROL_ROLE


@given(st.sampled_from([Act.LAUNCH_IN_EMERGENCY, Act.DESCRIBE, Act.TERMINATE]), fleets, targets)
def test_in_need_any_daemon_that_can_be_reached_will_do(act: Act, daemons: list[DaemonFacts], target: str) -> None:
    others = [d for d in daemons if d.is_reachable and d.role is not Role.TERMINATED and d.instance_id != target]

    chosen = choose_actor(act, has_control_role=False, daemons=daemons, target_instance_id=target)

    assert chosen is not None or not others


@given(st.sampled_from([Act.LAUNCH, Act.CREATE_IMAGE]), fleets, targets)
def test_an_ordinary_launch_or_image_is_only_the_primary_s(act: Act, daemons: list[DaemonFacts], target: str) -> None:
    chosen = choose_actor(act, has_control_role=False, daemons=daemons, target_instance_id=target)

    primary = next((d for d in daemons if d.role is Role.PRIMARY and d.is_reachable), None)
    assert chosen == (None if primary is None else Assignment(Actor.DAEMON, primary.instance_id))


@given(acts, fleets, targets, st.booleans(), st.permutations(range(4)))
def test_the_order_in_which_daemons_are_known_does_not_matter(
    act: Act, daemons: list[DaemonFacts], target: str, has_role: bool, order: list[int]
) -> None:
    first = choose_actor(act, has_control_role=has_role, daemons=daemons, target_instance_id=target)
    second = choose_actor(act, has_control_role=has_role, daemons=[daemons[index] for index in order], target_instance_id=target)

    assert first == second


@given(acts, fleets, targets)
def test_a_role_of_another_account_is_asked_about_an_instance_only_where_no_daemon_can_be(
    act: Act, daemons: list[DaemonFacts], target: str
) -> None:
    within, without = (
        choose_actor(act, has_control_role=has_role, is_control_role_elsewhere=has_role, daemons=daemons, target_instance_id=target)
        for has_role in (True, False)
    )

    if act in {Act.DESCRIBE, Act.TERMINATE, Act.STOP}:
        assert within == (without or Assignment(Actor.CONTROL_ROLE, CONTROL_ROLE_INSTANCE_ID))
    else:
        assert within == choose_actor(act, has_control_role=True, daemons=daemons, target_instance_id=target)
