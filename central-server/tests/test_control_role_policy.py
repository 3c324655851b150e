"""The policies of the documents grant what the server calls with a client's control role, and nothing that it does not call."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from server_support.clock import START
from spot_server.aws import fis_calls
from spot_server.aws.playing import Market, PlayOrder
from spot_server.aws.ports import ControlRole
from spot_server.features.notice_queues.rules import Foreign, read_message
from spot_server.words import GameDayKind

ROOT = Path(__file__).parents[2]
ADAPTERS = ROOT / "central-server" / "src" / "spot_server" / "aws"
SERVICE_OF_MODULE = {
    "ec2.py": "ec2",
    "volumes.py": "ec2",
    "load_balancing.py": "elbv2",
    "dns.py": "route53",
    "fis.py": "fis",
    "queues.py": "sqs",
    "spot_market.py": "ec2",
    "price_list.py": "pricing",
    "sessions.py": "sts",
}
"""By botocore's name of the service that a module calls."""

PREFIXES = {"elbv2": "elasticloadbalancing"}
"""What IAM writes before an action, where that is not botocore's name of the service."""

BASE, NOTICE_QUEUE, GAME_DAYS = "Permissions: only what carries our tag", "Optional: the queue of notices", "Optional: game days by AWS FIS"
TRUST, SERVERS_OWN = "Trust policy", "The server's own permission"
SERVICES_OF_DOCUMENT = {BASE: {"ec2", "elbv2", "route53", "pricing"}, NOTICE_QUEUE: {"sqs"}, GAME_DAYS: {"fis"}, SERVERS_OWN: {"sts"}}

GRANTED_WITHOUT_A_CALL = {
    BASE: {
        "ec2:CreateTags": "what is made with tags",
        "iam:PassRole": "instances get the workload's role",
        "iam:CreateServiceLinkedRole": "the first spot request of an account makes one",
    },
    GAME_DAYS: {"fis:TagResource": "what is made with tags", "iam:PassRole": "templates get the role for FIS"},
}
"""What AWS asks for beside the call's own action, and why."""

LOOKING = re.compile(r"\w+:(?:Describe|List|Get)\w+")
ORDER = PlayOrder(
    game_day_id="game-1",
    kind=GameDayKind.NOTICE,
    region="us-east-1",
    instance_id="i-1",
    began_at=START,
    role=ControlRole("arn:aws:iam::123456789012:role/spot-optimizer", "external-1", "spot-optimizer-test"),
    shortage=Market("m5.large", "use1-az2", "spot"),
)

MOST_CHARACTERS = 6144
"""Of a managed policy, white space left out. Source: the IAM user guide, quotas."""


@cache
def policies(page: str) -> dict[str, Any]:
    """Read the policies of a page by the heading above each."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)
    found = {
        heading: re.findall(r"```json\n(\{\"Version\".*?)```", body, re.DOTALL)
        for heading, body in zip(parts[1::2], parts[2::2], strict=True)
    }
    assert all(len(documents) <= 1 for documents in found.values())
    return {heading: json.loads(documents[0]) for heading, documents in found.items() if documents}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def granted(policy: Any) -> set[str]:
    return {action for statement in policy["Statement"] for action in listed(statement["Action"])}


def called(service: str) -> set[str]:
    """Give the actions of the operations that the service's modules name, as a client's method or as a paginator's operation."""
    paths = [ADAPTERS / module for module, theirs in SERVICE_OF_MODULE.items() if theirs == service]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    operations = botocore.session.get_session().get_service_model(service).operation_names
    return {f"{PREFIXES.get(service, service)}:{name}" for name in operations if botocore.xform_name(name) in names}


def test_every_module_that_asks_aws_is_looked_at() -> None:
    asking = {path.name for path in ADAPTERS.rglob("*.py") if "from spot_server.aws.asking import" in path.read_text(encoding="utf-8")}

    assert asking == set(SERVICE_OF_MODULE)


@pytest.mark.parametrize("document", SERVICES_OF_DOCUMENT)
def test_a_policy_grants_each_action_that_is_called_and_no_other(document: str) -> None:
    wanted = set().union(*(called(service) for service in SERVICES_OF_DOCUMENT[document]))

    assert wanted
    assert granted(policies("control-role.md")[document]) == wanted | GRANTED_WITHOUT_A_CALL.get(document, {}).keys()


def test_every_service_that_is_called_has_its_policy_and_each_once() -> None:
    services = [service for of_document in SERVICES_OF_DOCUMENT.values() for service in of_document]

    assert sorted(services) == sorted(set(SERVICE_OF_MODULE.values()))
    assert set(policies("control-role.md")) == {*SERVICES_OF_DOCUMENT, TRUST}


@pytest.mark.parametrize("document", [BASE, NOTICE_QUEUE, GAME_DAYS])
def test_what_changes_something_is_bounded_by_a_name_or_by_a_condition(document: str) -> None:
    statements = policies("control-role.md")[document]["Statement"]
    unbounded = [one["Sid"] for one in statements if one["Resource"] == "*" and "Condition" not in one]

    assert all(LOOKING.fullmatch(action) for one in statements if one["Sid"] in unbounded for action in listed(one["Action"]))


@pytest.mark.parametrize("document", SERVICES_OF_DOCUMENT)
def test_a_policy_has_room_in_a_managed_one(document: str) -> None:
    assert len(json.dumps(policies("control-role.md")[document], separators=(",", ":"))) < MOST_CHARACTERS


def test_game_days_may_use_the_fis_actions_that_they_use_and_no_other() -> None:
    templates = [fis_calls.template_arguments(replace(ORDER, kind=kind)) for kind in GameDayKind]
    used = {act["actionId"] for template in templates for act in template["actions"].values()}
    [uses] = [one for one in policies("control-role.md")[GAME_DAYS]["Statement"] if one["Sid"] == "ExerciseUses"]

    assert {resource.partition(":action/")[2] for resource in uses["Resource"]} == used


def test_what_a_game_day_makes_carries_the_tag_that_the_policy_asks_for() -> None:
    made = [fis_calls.template_arguments(ORDER), fis_calls.start_arguments(ORDER, "EXT1")]

    assert {arguments["tags"]["spot-optimizer:managed"] for arguments in made} == {"true"}


def test_the_rules_send_what_the_server_reads() -> None:
    text = (ROOT / "docs" / "notices.md").read_text(encoding="utf-8")
    patterns = [json.loads(found) for found in re.findall(r"```json\n(\{\"source\".*?)```", text, re.DOTALL)]
    sent = [(pattern, kind) for pattern in patterns for kind in pattern["detail-type"]]

    for pattern, kind in sent:
        detail = {name: values[0] for name, values in pattern.get("detail", {}).items()}
        assert not isinstance(read_message(json.dumps({"source": pattern["source"][0], "detail-type": kind, "detail": detail})), Foreign)
    assert len(sent) == 4
