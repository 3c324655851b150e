"""Who is named to take over without the server, when a plan is spent, and whether a claim stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.autonomy.rules import (
    Adopt,
    Adopted,
    Claim,
    ClaimFacts,
    NoPlan,
    Plan,
    PlanFacts,
    Refuse,
    Successor,
    Wanted,
    claimable_address,
    decide_claim,
    decide_plan,
    is_same,
    is_spent,
)
from spot_server.features.switches.rivals import guard_claim, rivals_of, why_not_promoted
from spot_server.words import Carry, Role

ADDRESS = {"kind": "elastic_ip", "allocation_id": "eipalloc-1"}
PLAN = Plan("plan-1", "client-1", "agent-1", 4, "i-1", "i-2", "r-2", "eipalloc-1", None)
SECOND, THIRD = Successor("i-2", "r-2", can_act=True), Successor("i-3", "r-3", can_act=True)
FACTS = PlanFacts(
    enabled=True,
    is_deleted=False,
    carry=Carry.STATELESS,
    traffic_handles=[ADDRESS],
    epoch=3,
    primary_instance_id="i-1",
    can_primary_act=True,
    ready=[SECOND],
    is_moving=False,
    moving_to=None,
    in_force=None,
)
CLAIM = Claim("plan-1", "i-2", "r-2", 4, "eipalloc-1")
CLAIM_FACTS = ClaimFacts(PLAN, is_deleted=False, epoch=3, primary_instance_id="i-1", claimant_role=Role.REPLICA)


def test_the_ready_standby_is_named_under_the_next_epoch() -> None:
    assert decide_plan(FACTS) == Wanted(4, "i-1", "i-2", "r-2", "eipalloc-1")
    assert is_same(PLAN, Wanted(4, "i-1", "i-2", "r-2", "eipalloc-1"))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"enabled": False}, "disabled"),
        ({"is_deleted": True}, "deleted"),
        ({"carry": Carry.RSYNC}, "rsync"),
        ({"carry": Carry.IMAGE_AFTER_QUIESCE}, "latest writes"),
        ({"traffic_handles": []}, "Elastic IP"),
        ({"traffic_handles": [ADDRESS, {"kind": "target_group"}]}, "Elastic IP"),
        ({"traffic_handles": [{"kind": "target_group"}]}, "Elastic IP"),
        ({"primary_instance_id": None}, "no primary"),
        ({"can_primary_act": False}, "not heard"),
        ({"ready": []}, "no standby"),
        ({"ready": [replace(SECOND, can_act=False)]}, "no standby"),
        ({"is_moving": True, "moving_to": "r-9"}, "elsewhere"),
        ({"is_moving": True, "moving_to": None}, "elsewhere"),
    ],
)
def test_nobody_is_named_where_it_could_not_be_made_safe_or_whole(changes: dict[str, Any], word: str) -> None:
    decided = decide_plan(replace(FACTS, **changes))

    assert isinstance(decided, NoPlan)
    assert word in decided.reason


@pytest.mark.parametrize("changes", [{"can_primary_act": False}, {"ready": [THIRD, replace(SECOND, can_act=False)]}])
def test_a_plan_in_force_stays_while_its_parties_are_only_silent(changes: dict[str, Any]) -> None:
    decided = decide_plan(replace(FACTS, in_force=PLAN, **changes))

    assert isinstance(decided, Wanted)
    assert is_same(PLAN, decided)


@pytest.mark.parametrize(
    "changes",
    [{"primary_instance_id": "i-5", "epoch": 4}, {"ready": [THIRD]}, {"traffic_handles": [{**ADDRESS, "allocation_id": "eipalloc-2"}]}],
)
def test_what_is_not_so_any_more_makes_another_plan(changes: dict[str, Any]) -> None:
    decided = decide_plan(replace(FACTS, in_force=PLAN, **changes))

    assert isinstance(decided, Wanted)
    assert not is_same(PLAN, decided)


def test_a_move_to_the_named_successor_itself_leaves_the_plan_in_force() -> None:
    decided = decide_plan(replace(FACTS, in_force=PLAN, is_moving=True, moving_to="r-2"))

    assert isinstance(decided, Wanted)
    assert is_same(PLAN, decided)


@given(
    withdrawn=st.one_of(st.none(), st.integers(1, 9)),
    acknowledged=st.one_of(st.none(), st.integers(0, 9)),
    role=st.one_of(st.none(), st.sampled_from(Role)),
)
def test_a_plan_is_spent_only_when_its_successor_says_so_or_is_gone(
    withdrawn: int | None, acknowledged: int | None, role: Role | None
) -> None:
    spent = is_spent(replace(PLAN, withdrawn_config_version=withdrawn), role, acknowledged)

    is_gone = role in {None, Role.TERMINATED}
    assert spent == (withdrawn is not None and (is_gone or (acknowledged is not None and acknowledged >= withdrawn)))


def test_a_claim_under_the_plan_is_adopted() -> None:
    assert decide_claim(CLAIM, CLAIM_FACTS) == Adopt(PLAN)
    assert decide_claim(CLAIM, replace(CLAIM_FACTS, primary_instance_id=None)) == Adopt(PLAN)


def test_a_withdrawn_plan_may_have_been_acted_on_before_it_was_heard() -> None:
    withdrawn = replace(PLAN, withdrawn_config_version=9)

    assert decide_claim(CLAIM, replace(CLAIM_FACTS, plan=withdrawn)) == Adopt(withdrawn)


def test_a_claim_told_again_is_adopted_already() -> None:
    assert decide_claim(CLAIM, replace(CLAIM_FACTS, epoch=4, primary_instance_id="i-2", plan=None)) == Adopted()


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": None},
        {"plan": replace(PLAN, successor_instance_id="i-3")},
        {"plan": replace(PLAN, successor_replica_id="r-3")},
        {"plan": replace(PLAN, allocation_id="eipalloc-2")},
        {"plan": replace(PLAN, epoch=5)},
        {"is_deleted": True},
        {"epoch": 4},
        {"epoch": 9, "primary_instance_id": "i-2"},
        {"epoch": 2},
        {"primary_instance_id": "i-3"},
        {"claimant_role": Role.ZOMBIE},
        {"claimant_role": Role.TERMINATED},
    ],
)
def test_a_claim_that_the_books_do_not_bear_out_must_be_given_up(changes: dict[str, Any]) -> None:
    assert isinstance(decide_claim(CLAIM, replace(CLAIM_FACTS, **changes)), Refuse)


@given(epoch=st.integers(1, 9), primary=st.sampled_from(["i-1", "i-2", "i-3", None]), role=st.sampled_from(Role))
def test_a_claim_never_replaces_a_primary_of_its_epoch_or_a_later_one(epoch: int, primary: str | None, role: Role) -> None:
    decided = decide_claim(CLAIM, ClaimFacts(PLAN, is_deleted=False, epoch=epoch, primary_instance_id=primary, claimant_role=role))

    if isinstance(decided, Adopt):
        assert epoch == 3
        assert primary in {"i-1", None}
    if isinstance(decided, Adopted):
        assert (epoch, primary) == (4, "i-2")


def test_only_one_elastic_ip_and_nothing_else_is_a_claim() -> None:
    assert claimable_address([ADDRESS]) == "eipalloc-1"
    assert claimable_address([]) is None
    assert claimable_address([ADDRESS, ADDRESS]) is None


def test_a_successor_that_is_a_side_of_the_move_is_no_rival() -> None:
    assert rivals_of([PLAN], ("i-1", "i-9")) == [PLAN]
    assert rivals_of([PLAN], ("i-1", "i-2")) == []
    assert rivals_of([PLAN], ("i-2", None)) == []


def test_an_order_to_move_a_claim_takes_it_from_no_claimant_and_from_nobody_unseen() -> None:
    payload = {"allocation_id": "eipalloc-1", "allow_reassociation": True, "instance_id": "i-9"}

    guarded = guard_claim(payload, [PLAN])

    assert guarded == {
        **payload,
        "allow_reassociation": False,
        "claimant_instance_ids": ["i-2"],
        "predecessor_instance_ids": ["i-1"],
    }
    assert guard_claim(payload, []) == payload
    assert guard_claim({**payload, "allocation_id": "eipalloc-2"}, [PLAN])["allow_reassociation"] is True


def test_nobody_is_promoted_beside_a_rival_whose_claim_was_not_got() -> None:
    assert why_not_promoted([], []) == ""
    assert why_not_promoted([PLAN], ["eipalloc-1"]) == ""
    assert "i-2" in why_not_promoted([PLAN], [])
    assert "i-2" in why_not_promoted([PLAN, replace(PLAN, allocation_id="eipalloc-2")], ["eipalloc-1"])
