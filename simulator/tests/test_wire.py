"""EC2's parameters and answers."""

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from spot_simulator.ec2.errors import Ec2Error
from spot_simulator.ec2.wire import failure, filters, is_true, members, success, tag_specifications, without


@given(st.lists(st.text(max_size=5), max_size=15))
def test_members_come_in_the_order_of_their_numbers(values: list[str]) -> None:
    parameters = {f"InstanceId.{number}": value for number, value in reversed(list(enumerate(values, start=1)))}

    assert members(parameters, "InstanceId") == values


def test_filters_are_read_by_name() -> None:
    parameters = {
        "Filter.1.Name": "tag:a",
        "Filter.1.Value.1": "x",
        "Filter.1.Value.2": "y",
        "Filter.2.Name": "client-token",
        "Filter.2.Value.1": "t",
    }

    assert filters(parameters) == {"tag:a": ["x", "y"], "client-token": ["t"]}


def test_tags_are_read_for_one_type_of_resource() -> None:
    parameters = {
        "TagSpecification.1.ResourceType": "image",
        "TagSpecification.1.Tag.1.Key": "a",
        "TagSpecification.1.Tag.1.Value": "1",
        "TagSpecification.2.ResourceType": "snapshot",
        "TagSpecification.2.Tag.1.Key": "a",
        "TagSpecification.2.Tag.1.Value": "2",
        "TagSpecification.2.Tag.2.Key": "b",
        "TagSpecification.2.Tag.2.Value": "",
    }

    assert tag_specifications(parameters, "image") == {"a": "1"}
    assert tag_specifications(parameters, "snapshot") == {"a": "2", "b": ""}
    assert without(parameters, "TagSpecification.") == {}


def test_booleans_have_a_default() -> None:
    assert is_true({"DryRun": "true"}, "DryRun")
    assert not is_true({"DryRun": "false"}, "DryRun", default=True)
    assert is_true({}, "DryRun", default=True)


def test_an_answer_carries_lists_as_items_and_leaves_none_out() -> None:
    answer = success("DescribeThings", {"set": [{"id": "1", "gone": None}, {"id": "2"}], "isGood": True})

    assert answer.texts("id") == ["1", "2"]
    assert answer.text("isGood") == "true"
    assert answer.text("gone") is None
    assert ET.fromstring(answer.body).tag.endswith("DescribeThingsResponse")  # noqa: S314


def test_an_error_has_the_status_that_ec2_gives_it() -> None:
    codes = ("InsufficientInstanceCapacity", "RequestLimitExceeded", "UnauthorizedOperation", "InvalidAMIID.NotFound")

    answers = [failure(Ec2Error(code)) for code in codes]

    assert [answer.error_code() for answer in answers] == list(codes)
    assert [answer.status for answer in answers] == [500, 503, 403, 400]
