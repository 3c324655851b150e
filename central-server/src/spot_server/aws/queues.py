"""SQS: the port, and its adapter over a boto3 client."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from spot_server.aws.asking import asked
from spot_server.aws.ports import ControlRole

WAIT_SECONDS = 8
"""How long one question waits for messages. Below the time after which an answer counts as lost."""

MOST_MESSAGES = 10
"""Of one answer. Source: the SQS API reference, ReceiveMessage."""


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """One delivery of a message: the same message may come again, with another handle. `receive_count` >= 1."""

    message_id: str
    handle: str
    body: str
    receive_count: int
    sent_at: datetime | None


class Queue(Protocol):
    """A client's queue. Every call may raise AwsFailed and may be repeated."""

    def receive(self, queue_url: str) -> tuple[QueueMessage, ...]:
        """Wait a little for messages; those that are received are hidden from others until they are deleted or their time is over."""

    def delete(self, queue_url: str, message: QueueMessage) -> None:
        """Delete a message that was received; one that is gone already changes nothing."""


class QueueGateway(Protocol):
    """The way from a client's role to that client's queues."""

    def queue(self, role: ControlRole, region: str) -> Queue:
        """Return SQS of the role's account. Raises AwsFailed."""

    def forget(self, role: ControlRole, region: str) -> None:
        """Drop the role's session."""


class Boto3Queue:
    """SQS through boto3."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3 publishes no types of SQS here
        """`client` is boto3's for SQS, with bounds on its waiting."""
        self._client = client

    def receive(self, queue_url: str) -> tuple[QueueMessage, ...]:
        """As the port says."""
        answer = asked(
            lambda: self._client.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=MOST_MESSAGES,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            )
        )
        return tuple(_message(told) for told in answer.get("Messages", ()))

    def delete(self, queue_url: str, message: QueueMessage) -> None:
        """As the port says."""
        asked(lambda: self._client.delete_message(QueueUrl=queue_url, ReceiptHandle=message.handle))


def _message(told: Any) -> QueueMessage:  # noqa: ANN401 - a part of boto3's answer
    attributes = told.get("Attributes", {})
    sent_ms = attributes.get("SentTimestamp")
    return QueueMessage(
        message_id=str(told["MessageId"]),
        handle=str(told["ReceiptHandle"]),
        body=str(told.get("Body", "")),
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=None if sent_ms is None else datetime.fromtimestamp(int(sent_ms) / 1000, UTC),
    )
