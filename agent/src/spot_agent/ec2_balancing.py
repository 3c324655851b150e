"""Target groups. The client, and botocore's description of the service, are only made for an agent that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spot_agent.ec2_asking import asked
from spot_agent.ec2_facts import TargetFacts
from spot_agent.errors import Ec2Failed

NOT_REGISTERED = "Target.NotRegistered"
"""The reason of a target that its group does not have; its state is then `unused`."""

CODE_INVALID_TARGET = "InvalidTarget"
"""Of an instance that no longer exists, which is registered nowhere."""


class BotocoreBalancing:
    """Safe to share between threads."""

    def __init__(self, client: Callable[[], Any]) -> None:
        """`client` gives the same client each time."""
        self._client = client

    def register_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Register an instance."""
        asked(lambda: self._client().register_targets(TargetGroupArn=target_group_arn, Targets=[_target(instance_id, port)]))

    def deregister_target(self, target_group_arn: str, instance_id: str, port: int | None) -> None:
        """Begin to drain an instance; one that is gone is registered no more."""
        try:
            asked(lambda: self._client().deregister_targets(TargetGroupArn=target_group_arn, Targets=[_target(instance_id, port)]))
        except Ec2Failed as error:
            if error.code != CODE_INVALID_TARGET:
                raise

    def target_state(self, target_group_arn: str, instance_id: str, port: int | None) -> TargetFacts | None:
        """Ask for the health of one target; None when it is not registered."""
        targets = [_target(instance_id, port)]
        try:
            answer = asked(lambda: self._client().describe_target_health(TargetGroupArn=target_group_arn, Targets=targets))
        except Ec2Failed as error:
            if error.code == CODE_INVALID_TARGET:
                return None
            raise
        health = next((one.get("TargetHealth", {}) for one in answer["TargetHealthDescriptions"]), None)
        if health is None or health.get("Reason") == NOT_REGISTERED:
            return None
        told = [health.get("Reason"), health.get("Description")]
        return TargetFacts(health.get("State", "unavailable"), ": ".join(text for text in told if text))


def _target(instance_id: str, port: int | None) -> dict[str, object]:
    return {"Id": instance_id} if port is None else {"Id": instance_id, "Port": port}
