"""Notices and their identity."""

from __future__ import annotations

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from spot_agent.rules.notices import notice_id_of, parse_rebalance, parse_scheduled, parse_termination

BODY = '{"action": "terminate", "time": "2017-09-18T08:22:00Z"}'


@given(st.text(), st.text())
def test_an_id_is_the_hash_of_instance_and_raw_body(instance_id: str, body: str) -> None:
    expected = hashlib.sha256(f"{instance_id}\n{body}".encode()).hexdigest()

    assert notice_id_of(instance_id, body) == expected


@given(st.integers(0, len(BODY) - 1))
def test_a_truncated_notice_is_never_a_notice(length: int) -> None:
    assert parse_termination("i-1", BODY[:length]) is None


@given(st.text())
def test_no_body_makes_a_parser_raise(body: str) -> None:
    assert parse_termination("i-1", body) is None or "action" in body
    assert parse_rebalance("i-1", body) is None or "noticeTime" in body
    assert parse_scheduled(body) is None or body.strip().startswith("[")


@given(st.sampled_from(["terminate", "stop", "hibernate"]))
def test_every_action_of_ec2_is_a_notice(action: str) -> None:
    notice = parse_termination("i-1", json.dumps({"action": action, "time": "2017-09-18T08:22:00Z"}))

    assert notice is not None
    assert notice.action == action


def test_a_rebalance_body_carries_its_time() -> None:
    notice = parse_rebalance("i-1", '{"noticeTime":"2020-10-27T08:22:00Z"}')

    assert notice is not None
    assert notice.at.isoformat() == "2020-10-27T08:22:00+00:00"


def test_scheduled_events_are_kept_as_ec2_words_them() -> None:
    assert parse_scheduled("[]") == ()
    assert parse_scheduled('[{"Code":"system-reboot","State":"active"}]') == ({"Code": "system-reboot", "State": "active"},)
    assert parse_scheduled('{"Code":"system-reboot"}') is None
