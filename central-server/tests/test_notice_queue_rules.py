"""What EventBridge's messages say: the documented shapes are read, everything else is foreign or broken, and nothing raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_server.features.notice_queues.rules import MOST_RECEIVES, Broken, Foreign, Word, is_spent, read_message
from spot_server.words import InterruptionKind

ENVELOPE = {
    "version": "0",
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "account": "123456789012",
    "time": "2021-11-11T21:29:54Z",
    "region": "us-east-1",
}
AT = datetime(2021, 11, 11, 21, 29, 54, tzinfo=UTC)


def event(detail_type: str, detail: Any, source: str = "aws.ec2", **members: Any) -> dict[str, Any]:
    return {
        **ENVELOPE,
        "source": source,
        "detail-type": detail_type,
        "resources": ["arn:aws:ec2:us-east-2:instance/i-1"],
        "detail": detail,
    } | members


WARNING = event("EC2 Spot Instance Interruption Warning", {"instance-id": "i-1", "instance-action": "terminate"})
RECOMMENDATION = event("EC2 Instance Rebalance Recommendation", {"instance-id": "i-1"})
STATE = event("EC2 Instance State-change Notification", {"instance-id": "i-1", "state": "stopping"})
HEALTH_DETAIL = {
    "eventArn": "arn:aws:health:us-east-1::event/EC2/AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED/AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED_1",
    "service": "EC2",
    "eventTypeCode": "AWS_EC2_INSTANCE_RETIREMENT_SCHEDULED",
    "eventTypeCategory": "scheduledChange",
    "startTime": "Sat, 05 Jun 2021 15:10:09 GMT",
    "eventDescription": [{"language": "en_US", "latestDescription": "A description."}],
    "affectedEntities": [{"entityValue": "i-1", "tags": {"stage": "prod"}}, {"entityValue": "i-2"}],
}
HEALTH = event("AWS Health Event", HEALTH_DETAIL, "aws.health")


def words(message: dict[str, Any]) -> tuple[Word, ...]:
    reading = read_message(json.dumps(message))
    assert isinstance(reading, tuple)
    return reading


@pytest.mark.parametrize("action", ["terminate", "stop", "hibernate"])
def test_an_interruption_warning_names_the_instance_the_action_and_when_it_was_announced(action: str) -> None:
    [word] = words(event("EC2 Spot Instance Interruption Warning", {"instance-id": "i-1", "instance-action": action}))

    assert (word.instance_id, word.kind, word.announced_at, word.action_at) == ("i-1", InterruptionKind(action), AT, None)
    assert word.notice_id == "eventbridge/7bf73129-1428-4cd3-a780-95db273d1602"


def test_a_recommendation_and_a_change_of_state_are_read() -> None:
    [recommendation], [state] = words(RECOMMENDATION), words(STATE)

    assert (recommendation.kind, recommendation.instance_id) == (InterruptionKind.REBALANCE, "i-1")
    assert (state.kind, state.state) == (None, "stopping")


def test_scheduled_maintenance_of_several_instances_is_a_word_for_each_with_its_time_and_code() -> None:
    first, second = words(HEALTH)

    assert (first.instance_id, second.instance_id) == ("i-1", "i-2")
    assert first.notice_id != second.notice_id
    assert {one.kind for one in (first, second)} == {InterruptionKind.SCHEDULED}
    assert (first.action_at, first.code, first.is_over) == (datetime(2021, 6, 5, 15, 10, 9, tzinfo=UTC), "instance-retirement", False)


def test_an_update_of_maintenance_has_the_name_of_the_first_word_and_may_say_that_it_is_over() -> None:
    later = event("AWS Health Event", {**HEALTH_DETAIL, "statusCode": "closed"}, "aws.health", id="another")

    assert words(later)[0].notice_id == words(HEALTH)[0].notice_id
    assert words(later)[0].is_over


@pytest.mark.parametrize(
    ("type_code", "code"),
    [
        ("AWS_EC2_PERSISTENT_INSTANCE_RETIREMENT_SCHEDULED", "instance-retirement"),
        ("AWS_EC2_INSTANCE_STOP_SCHEDULED", "instance-stop"),
        ("AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED", "instance-reboot"),
        ("AWS_EC2_SYSTEM_REBOOT_MAINTENANCE_SCHEDULED", "system-reboot"),
        ("AWS_EC2_INSTANCE_NETWORK_MAINTENANCE_SCHEDULED", "system-maintenance"),
        ("AWS_EC2_SOMETHING_NEW", None),
    ],
)
def test_a_health_code_is_what_ec2_calls_it(type_code: str, code: str | None) -> None:
    [word, _other] = words(event("AWS Health Event", {**HEALTH_DETAIL, "eventTypeCode": type_code}, "aws.health"))

    assert word.code == code


@pytest.mark.parametrize(
    "message",
    [
        event("EC2 Spot Instance Request Fulfillment", {"instance-id": "i-1"}),
        event("EC2 Spot Instance Interruption Warning", {"instance-id": "i-1", "instance-action": "terminate"}, "my.own.app"),
        event("AWS Health Event", {**HEALTH_DETAIL, "service": "RDS"}, "aws.health"),
        event("AWS Health Event", {**HEALTH_DETAIL, "eventTypeCategory": "issue"}, "aws.health"),
    ],
)
def test_what_is_none_of_ours_is_foreign(message: dict[str, Any]) -> None:
    assert isinstance(read_message(json.dumps(message)), Foreign)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("", "the body is not JSON"),
        ("[" * 100_000, "the body is not JSON"),
        ("[]", "the body is not a JSON object"),
        ("{}", "source is not a text of 1 to 256 characters"),
        (json.dumps({**WARNING, "detail": None}), "detail is not an object"),
        (json.dumps({**WARNING, "time": "yesterday"}), "time is 'yesterday', not a time"),
        (
            json.dumps({**WARNING, "detail": {"instance-id": "i-1", "instance-action": "melt"}}),
            "instance-action is 'melt', not terminate, stop or hibernate",
        ),
        (json.dumps({**WARNING, "detail": {"instance-action": "stop"}}), "instance-id is not a text of 1 to 64 characters"),
        (json.dumps({**HEALTH, "detail": {**HEALTH_DETAIL, "affectedEntities": "i-1"}}), "affectedEntities is not a list of objects"),
        (json.dumps({**STATE, "detail": {"instance-id": "i-1", "state": "gone"}}), "state is 'gone', which is none of EC2's"),
    ],
)
def test_what_is_not_shaped_so_is_broken_and_says_which_member(body: str, why: str) -> None:
    assert read_message(body) == Broken(why)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.sampled_from([WARNING, RECOMMENDATION, STATE, HEALTH]), st.data())
def test_no_message_however_mangled_raises(message: dict[str, Any], data: st.DataObject) -> None:
    mangled = json.loads(json.dumps(message))
    target = data.draw(st.sampled_from([mangled, mangled["detail"]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)

    assert isinstance(read_message(json.dumps(mangled)), tuple | Foreign | Broken)


@given(st.text(max_size=40))
def test_no_text_raises(body: str) -> None:
    assert isinstance(read_message(body), Foreign | Broken)


def test_a_message_is_given_up_after_its_last_try() -> None:
    assert [is_spent(count) for count in (1, MOST_RECEIVES - 1, MOST_RECEIVES, MOST_RECEIVES + 1)] == [False, False, True, True]
