"""The adapter of SQS against botocore's own description of it, and against moto."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from spot_server.aws.asking import READ_TIMEOUT_SECONDS
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.queues import MOST_MESSAGES, WAIT_SECONDS, Boto3Queue, QueueMessage

URL = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"
MESSAGE = QueueMessage("message-1", "handle-1", "{}", 2, datetime(2026, 1, 1, tzinfo=UTC))


def client() -> Any:
    return boto3.client("sqs", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.fixture
def stubbed() -> Iterator[tuple[Boto3Queue, Stubber]]:
    """A client that checks every call and answer by botocore's model of SQS."""
    made = client()
    with Stubber(made) as stub:
        yield Boto3Queue(made), stub
        stub.assert_no_pending_responses()


def test_a_question_and_its_answer_are_as_botocore_describes_them(stubbed: tuple[Boto3Queue, Stubber]) -> None:
    queue, stub = stubbed
    asked = {
        "QueueUrl": URL,
        "MaxNumberOfMessages": MOST_MESSAGES,
        "WaitTimeSeconds": WAIT_SECONDS,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
    }
    attributes = {"ApproximateReceiveCount": "2", "SentTimestamp": "1767225600000"}
    told = {"MessageId": "message-1", "ReceiptHandle": "handle-1", "Body": "{}", "Attributes": attributes}
    stub.add_response("receive_message", {"Messages": [told]}, asked)
    stub.add_response("receive_message", {}, asked)
    stub.add_response("delete_message", {}, {"QueueUrl": URL, "ReceiptHandle": "handle-1"})

    received, nothing = queue.receive(URL), queue.receive(URL)
    queue.delete(URL, received[0])

    assert (received, nothing) == ((MESSAGE,), ())


def test_a_wait_ends_before_its_answer_would_count_as_lost() -> None:
    assert WAIT_SECONDS < READ_TIMEOUT_SECONDS


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("AccessDenied", ErrorClass.NOT_AUTHORIZED),
        ("ThrottlingException", ErrorClass.THROTTLED),
        ("AWS.SimpleQueueService.NonExistentQueue", ErrorClass.UNEXPECTED),
    ],
)
def test_a_refusal_has_a_meaning(stubbed: tuple[Boto3Queue, Stubber], code: str, meaning: ErrorClass) -> None:
    queue, stub = stubbed
    stub.add_client_error("receive_message", code, http_status_code=400)

    with pytest.raises(AwsFailed) as refused:
        queue.receive(URL)

    assert refused.value.error_class is meaning


def test_in_moto_a_message_comes_again_until_it_is_deleted_and_each_time_is_counted() -> None:
    with mock_aws():
        sqs = client()
        url = sqs.create_queue(QueueName="notices", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody='{"detail-type": "EC2 Instance Rebalance Recommendation"}')
        queue = Boto3Queue(sqs)

        counts = [queue.receive(url)[0].receive_count for _ in range(2)]
        [message] = queue.receive(url)
        queue.delete(url, message)
        queue.delete(url, message)

        left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
        assert counts == [1, 2]
        assert message.body == '{"detail-type": "EC2 Instance Rebalance Recommendation"}'
        assert message.sent_at is not None
        assert left == {"ApproximateNumberOfMessages": "0"}
