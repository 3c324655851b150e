"""Target groups with a role's credentials. The client is made at the first call: few agents have a load balancer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spot_server.aws.asking import asked
from spot_server.aws.errors import AwsFailed
from spot_server.aws.ports import TargetFacts

NOT_REGISTERED = "Target.NotRegistered"
"""The reason of a target that its group does not have; its state is then `unused`."""

CODE_INVALID_TARGET = "InvalidTarget"
"""Of a target that no longer exists, which is registered nowhere."""


class Boto3Balancing:
    """The real LoadBalancing. Safe to share between threads."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` gives the same client each time."""
        self._client = client

    def register_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Register an instance."""
        client = self._client()
        asked(lambda: client.register_targets(TargetGroupArn=target_group_arn, Targets=[_target(instance_id, port)]))

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Begin to drain an instance."""
        client = self._client()
        try:
            asked(lambda: client.deregister_targets(TargetGroupArn=target_group_arn, Targets=[_target(instance_id, port)]))
        except AwsFailed as error:
            if error.code != CODE_INVALID_TARGET:
                raise

    def target_state(self, target_group_arn: str, instance_id: str, port: int | None) -> TargetFacts | None:
        """Ask for the health of one target."""
        client = self._client()
        try:
            answer = asked(lambda: client.describe_target_health(TargetGroupArn=target_group_arn, Targets=[_target(instance_id, port)]))
        except AwsFailed as error:
            if error.code == CODE_INVALID_TARGET:
                return None
            raise
        health = next((one.get("TargetHealth", {}) for one in answer["TargetHealthDescriptions"]), None)
        if health is None or health.get("Reason") == NOT_REGISTERED:
            return None
        told = [health.get("Reason"), health.get("Description")]
        return TargetFacts(health.get("State", "unavailable"), ": ".join(text for text in told if text))


def _target(instance_id: str, port: int | None) -> Any:  # noqa: ANN401 - a boto3 TypedDict
    return {"Id": instance_id} if port is None else {"Id": instance_id, "Port": port}
