"""Which traffic handles a client may set, and what is said of one that it may not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from spot_server.features.agent_config.handle_schemas import MEMBERS, MOST_HANDLES
from spot_server.features.agent_config.schemas import ConfigChangeSchema, SeedSettingsSchema
from spot_server.features.switches.plans import CONFIRM_SPECS, MOVE_SPECS
from spot_server.policy import MovePolicy
from spot_server.words import HandleKind

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/shop/0abc"
GOOD: list[dict[str, Any]] = [
    {"kind": "elastic_ip", "allocation_id": "eipalloc-1"},
    {"kind": "secondary_private_ip", "private_ip": "10.0.0.50"},
    {"kind": "target_group", "target_group_arn": GROUP, "port": 8080},
    {"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": "www.example.com", "address": "private", "ttl_seconds": 5},
    {"kind": "hook", "name": "external-dns", "bound_seconds": 10},
]


def loaded(handles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    change: dict[str, Any] = ConfigChangeSchema().load({"traffic_handles": handles})
    listed: list[dict[str, Any]] = change["traffic_handles"]
    return listed


def refusal(handles: list[dict[str, Any]]) -> Any:
    with pytest.raises(ValidationError) as refused:
        loaded(handles)
    messages: Any = refused.value.messages
    return messages["traffic_handles"]


def test_one_of_each_kind_is_taken_as_it_is() -> None:
    assert loaded(GOOD) == GOOD
    assert {handle["kind"] for handle in GOOD} == set(HandleKind)


def test_what_is_left_out_is_filled_in_so_that_everybody_reads_the_same() -> None:
    short = [{"kind": "target_group", "target_group_arn": GROUP}, {"kind": "hook", "name": "ldap"}]
    record = {"kind": "route53_record", "hosted_zone_id": "Z1", "record_name": "www.example.com"}

    filled = loaded([*short, record])

    assert [handle["port"] for handle in filled[:1]] == [None]
    assert filled[1]["bound_seconds"] == 30
    assert (filled[2]["address"], filled[2]["ttl_seconds"]) == ("public", 30)
    assert loaded(filled) == filled


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "dns"}, "kind", "expected one of elastic_ip, secondary_private_ip, target_group, route53_record, hook, not 'dns'"),
    ({"kind": "elastic_ip"}, "allocation_id", "a elastic_ip needs this"),
    ({**GOOD[0], "private_ip": "10.0.0.1"}, "private_ip", "its members are allocation_id, kind"),
    ({**GOOD[1], "private_ip": "10.0.0.256"}, "private_ip", "expected an IPv4 address such as 10.0.0.50, not '10.0.0.256'"),
    ({**GOOD[2], "target_group_arn": "shop"}, "target_group_arn", "targetgroup"),
    ({**GOOD[2], "port": 65_536}, "port", "from 1 to 65535"),
    ({**GOOD[3], "ttl_seconds": 301}, "ttl_seconds", "from 1 to 300"),
    ({**GOOD[3], "address": "elastic"}, "address", "expected one of public, private, not 'elastic'"),
    ({**GOOD[3], "record_name": "www"}, "record_name", "www.example.com"),
    ({**GOOD[4], "name": "a b"}, "name", "external-dns"),
    ({**GOOD[4], "bound_seconds": 111}, "bound_seconds", "from 1 to 110"),
]


@pytest.mark.parametrize(("handle", "member", "told"), BAD, ids=[f"{handle['kind']}-{member}" for handle, member, _told in BAD])
def test_a_handle_that_cannot_be_meant_is_refused_with_its_member_and_what_would_be_right(
    handle: dict[str, Any], member: str, told: str
) -> None:
    messages = refusal([handle])

    assert list(messages[0]) == [member]
    assert told in messages[0][member][0]


@pytest.mark.parametrize("handle", GOOD, ids=[handle["kind"] for handle in GOOD])
def test_the_same_handle_twice_is_refused_by_number(handle: dict[str, Any]) -> None:
    assert "expected each handle once; number 1 has" in refusal([handle, handle])[0]


def test_a_second_elastic_ip_is_refused_because_it_would_replace_the_first() -> None:
    assert "number 1 has the kind 'elastic_ip' of number 0" in refusal([GOOD[0], {**GOOD[0], "allocation_id": "eipalloc-2"}])[0]


def test_there_may_be_eight_and_no_more() -> None:
    many = [{"kind": "hook", "name": f"hook-{number}", "bound_seconds": 5} for number in range(MOST_HANDLES + 1)]

    assert len(loaded(many[:MOST_HANDLES])) == MOST_HANDLES
    assert refusal(many)


def test_a_daemons_seed_may_have_members_that_this_server_does_not_know() -> None:
    seed = SeedSettingsSchema().load({"traffic_handles": [{**GOOD[0], "of_a_newer_daemon": 1}]})

    assert seed["traffic_handles"] == [GOOD[0]]


@given(st.lists(st.sampled_from(GOOD), unique_by=lambda handle: handle["kind"]))
def test_handles_of_different_kinds_stand_beside_each_other_in_any_order(handles: list[dict[str, Any]]) -> None:
    assert loaded(handles) == handles


def test_every_kind_has_members_and_a_way_to_be_moved_and_its_bounds_fit_the_moves() -> None:
    policy = MovePolicy()

    assert set(MEMBERS) == set(MOVE_SPECS) == set(HandleKind)
    assert set(CONFIRM_SPECS) < set(HandleKind)
    assert all(policy.traffic_bound_seconds > handle.get("bound_seconds", 0) for handle in loaded([{**GOOD[4], "bound_seconds": 110}]))
