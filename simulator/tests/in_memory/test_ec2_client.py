"""The client in memory: loud where it ends, and failing as botocore fails."""

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectTimeoutError, ParamValidationError, ReadTimeoutError

from in_memory.place import START, Place
from spot_simulator.memory.parameters import NotInMemory
from spot_simulator.model.faults import ANY_ACTION, Fault, Mishap


@pytest.mark.parametrize(
    ("operation", "parameters", "named"),
    [
        ("run_instances", {"ImageId": "ami-1", "Ipv6AddressCount": 1}, "RunInstances.Ipv6AddressCount"),
        ("run_instances", {"InstanceMarketOptions": {"SpotOptions": {"ValidUntil": START}}}, "SpotOptions.ValidUntil"),
        ("run_instances", {"TagSpecifications": [{"ResourceType": "volume", "Colour": "red"}]}, r"TagSpecifications\[\].Colour"),
        ("describe_instances", {"Filters": [{"Name": "hypervisor", "Values": ["xen"]}]}, "hypervisor"),
        ("describe_images", {"Filters": [{"Name": "name", "Values": ["web-*"]}]}, "wildcards"),
    ],
)
def test_what_the_region_lacks_is_no_answer_of_ec2(operation: str, parameters: dict[str, Any], named: str) -> None:
    with pytest.raises(NotInMemory, match=named):
        getattr(Place().ec2, operation)(**parameters)


def test_an_operation_that_the_region_lacks_is_not_there() -> None:
    with pytest.raises(AttributeError, match="create_fleet"):
        Place().ec2.create_fleet()


@pytest.mark.parametrize(("operation", "options"), [("describe_addresses", {}), ("describe_images", {"MaxItems": 3})])
def test_paging_that_the_region_lacks_fails(operation: str, options: dict[str, int]) -> None:
    with pytest.raises(NotInMemory):
        list(Place().ec2.get_paginator(operation).paginate(PaginationConfig=options))


@pytest.mark.parametrize(
    "parameters",
    [
        {"InstanceIds": "i-1"},
        {"InstanceIds": [None]},
        {"InstanceIds": ["i-1"], "DryRun": "yes"},
        {"Filters": [["image-id", "ami-1"]]},
        {"MaxResults": True},
    ],
)
def test_a_value_of_a_wrong_type_is_refused_as_boto3_does(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParamValidationError, match="Invalid type"):
        Place().ec2.describe_instances(**parameters)


def test_a_refusal_names_its_code_its_status_and_the_operation() -> None:
    with pytest.raises(ClientError) as caught:
        Place().ec2.terminate_instances(InstanceIds=["i-1"])

    assert caught.value.operation_name == "TerminateInstances"
    assert caught.value.response["Error"]["Code"] == "InvalidInstanceID.NotFound"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_answers_belong_to_whoever_gets_them() -> None:
    place = Place()
    instance_id = place.launch(place.base_image())

    first = place.ec2.describe_instances(InstanceIds=[instance_id])
    first["Reservations"][0]["Instances"][0]["Tags"].clear()

    assert place.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]["Tags"]


def test_a_repeated_launch_gets_an_answer_of_its_own_whatever_the_order_of_its_fields() -> None:
    place = Place()
    image_id = place.base_image()
    request: dict[str, Any] = {"ClientToken": "t", "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"}}
    first = place.launch(image_id, **request)

    again = place.launch(image_id, **{**request, "MetadataOptions": {"HttpEndpoint": "enabled", "HttpTokens": "required"}})

    assert again == first


def order(place: Place, mishap: Mishap, action: str = "CreateTags", **more: Any) -> None:
    place.region.control.add_fault(Fault(action, mishap, **more))


def tagged(place: Place, caller: str = "test", attempts: int = 1) -> Any:
    """Tag the one subnet as a caller."""
    subnet_id = next(iter(place.region.books.subnets))
    client = place.region.ec2_client(caller, attempts=attempts)
    return client.create_tags(Resources=[subnet_id], Tags=[{"Key": "colour", "Value": "red"}])


def is_tagged(place: Place) -> bool:
    return place.region.books.tags(next(iter(place.region.books.subnets))) == {"colour": "red"}


@pytest.mark.parametrize(
    ("mishap", "error", "seconds", "is_done"),
    [
        (Mishap.ANSWER_CUT, ConnectionClosedError, 0, True),
        (Mishap.ANSWER_LATE, ReadTimeoutError, 10, True),
        (Mishap.UNREACHABLE, ConnectTimeoutError, 3, False),
    ],
)
def test_a_call_without_an_answer_fails_as_botocore_fails(mishap: Mishap, error: type[Exception], seconds: int, is_done: bool) -> None:
    place = Place()
    order(place, mishap)

    with pytest.raises(error):
        tagged(place)

    assert is_tagged(place) == is_done
    assert place.scheduler.now() - START == timedelta(seconds=seconds)


def test_a_fault_of_one_caller_is_nobody_else_s() -> None:
    place = Place()
    order(place, Mishap.UNREACHABLE, ANY_ACTION, remaining=None, caller="i-1")

    tagged(place, "i-2")
    for _ in range(2):
        with pytest.raises(ConnectTimeoutError):
            tagged(place, "i-1")
    place.region.control.clear_faults("i-1")

    tagged(place, "i-1")


def test_a_client_that_retries_survives_a_throttle_and_waits_between_its_attempts() -> None:
    place = Place()
    order(place, Mishap.REFUSED, code="RequestLimitExceeded", remaining=2)

    answer = tagged(place, attempts=3)

    assert answer["ResponseMetadata"]["RetryAttempts"] == 2
    assert timedelta(0) < place.scheduler.now() - START <= timedelta(seconds=1 + 2)


def test_a_client_gives_up_after_its_attempts() -> None:
    place = Place()
    order(place, Mishap.REFUSED, code="RequestLimitExceeded", remaining=3)

    with pytest.raises(ClientError):
        tagged(place, attempts=3)

    assert not is_tagged(place)
    tagged(place)


def test_a_refusal_that_is_final_is_not_retried() -> None:
    place = Place()
    order(place, Mishap.REFUSED, code="UnauthorizedOperation", remaining=1)

    with pytest.raises(ClientError):
        tagged(place, attempts=5)
    tagged(place)


def test_a_lost_answer_is_made_good_by_a_client_that_retries() -> None:
    place = Place()
    order(place, Mishap.ANSWER_LATE)

    tagged(place, attempts=2)

    assert is_tagged(place)


def test_a_full_subnet_says_so() -> None:
    place = Place()
    image_id = place.base_image()
    place.launch(image_id, MinCount=508, MaxCount=508)

    with pytest.raises(ClientError, match="InsufficientFreeAddressesInSubnet"):
        place.launch(image_id)
