"""What AWS FIS is asked for a game day: pure, so that a plan shows the very arguments that are sent later.

Action ids, target names and parameters: the FIS actions reference. Never run against AWS: held to botocore's model of FIS by tests.
"""

from __future__ import annotations

from typing import Any

from spot_server.aws.playing import NOTICE_LEAD_SECONDS, PlannedCall, PlayOrder
from spot_server.aws.ports import TAG_MANAGED
from spot_server.words import GameDayKind

TAG_GAME_DAY = "spot-optimizer:game-day-id"
RECOMMENDATION_LEAD_SECONDS = 900
"""FIS sends the recommendation at once, and the notice two minutes before the end: this is the longest time that it allows between them."""

SHORTAGE_SECONDS = 600
TARGET = "agent"
NO_TEMPLATE_YET = "(of the call before)"


def template_arguments(order: PlayOrder) -> dict[str, Any]:
    """Return the arguments of CreateExperimentTemplate; the client token makes a repeat find the first template."""
    targets, actions = _parts(order)
    alarm = order.stop_alarm_arn
    return {
        "clientToken": f"template-{order.game_day_id}",
        "description": f"Spot Optimizer game day {order.game_day_id}: {order.kind} for {order.instance_id}",
        "roleArn": order.fis_role_arn,
        "stopConditions": [{"source": "none"} if alarm is None else {"source": "aws:cloudwatch:alarm", "value": alarm}],
        "targets": targets,
        "actions": actions,
        "tags": tags(order),
    }


def start_arguments(order: PlayOrder, template_id: str) -> dict[str, Any]:
    """Return the arguments of StartExperiment; the client token makes a repeat find the first experiment."""
    return {"clientToken": f"experiment-{order.game_day_id}", "experimentTemplateId": template_id, "tags": tags(order)}


def tags(order: PlayOrder) -> dict[str, str]:
    """Return what tells whose the template and the experiment are."""
    return {TAG_MANAGED: "true", TAG_GAME_DAY: order.game_day_id}


def planned_calls(order: PlayOrder) -> tuple[PlannedCall, ...]:
    """Return every call of the game day, in order."""
    return (
        PlannedCall("fis", "CreateExperimentTemplate", template_arguments(order)),
        PlannedCall("fis", "StartExperiment", start_arguments(order, NO_TEMPLATE_YET)),
        PlannedCall("fis", "DeleteExperimentTemplate", {"id": NO_TEMPLATE_YET}),
    )


def _parts(order: PlayOrder) -> tuple[dict[str, Any], dict[str, Any]]:
    instance = {"resourceArns": [_instance_arn(order)], "selectionMode": "ALL"}
    if order.kind is GameDayKind.LOSS:
        action = {"actionId": "aws:ec2:terminate-instances", "targets": {"Instances": TARGET}}
        return {TARGET: {"resourceType": "aws:ec2:instance", **instance}}, {"loss": action}
    lead_seconds = RECOMMENDATION_LEAD_SECONDS if order.kind is GameDayKind.RECOMMENDATION else NOTICE_LEAD_SECONDS
    notice: dict[str, Any] = {
        "actionId": "aws:ec2:send-spot-instance-interruptions",
        "parameters": {"durationBeforeInterruption": f"PT{lead_seconds // 60}M"},
        "targets": {"SpotInstances": TARGET},
    }
    targets: dict[str, Any] = {TARGET: {"resourceType": "aws:ec2:spot-instance", **instance}}
    actions: dict[str, Any] = {"notice": notice}
    if order.kind is GameDayKind.CAPACITY_SHORTAGE and order.shortage is not None and order.role is not None:
        targets["launcher"] = {"resourceType": "aws:iam:role", "resourceArns": [order.role.role_arn], "selectionMode": "ALL"}
        actions["shortage"] = {
            "actionId": "aws:ec2:api-insufficient-instance-capacity-error",
            "parameters": {
                "availabilityZoneIdentifiers": order.shortage.az_id,
                "duration": f"PT{SHORTAGE_SECONDS // 60}M",
                "percentage": "100",
            },
            "targets": {"Roles": "launcher"},
        }
    return targets, actions


def _instance_arn(order: PlayOrder) -> str:
    partition = "aws" if order.fis_role_arn is None else order.fis_role_arn.split(":")[1]
    return f"arn:{partition}:ec2:{order.region}:{order.account_id}:instance/{order.instance_id}"
