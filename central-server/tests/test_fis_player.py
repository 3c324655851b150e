"""FIS as the player of game days: every argument is checked by botocore's model of FIS, every answer is one that the model allows.

The documents are written after the FIS API reference; none was recorded from AWS, where this has never run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from server_support.clock import START
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.fis import FisPlayer
from spot_server.aws.fis_calls import planned_calls, start_arguments, template_arguments
from spot_server.aws.playing import Experiment, ExperimentState, Market, PlayOrder
from spot_server.aws.ports import ControlRole
from spot_server.words import GameDayKind

ROLE = ControlRole("arn:aws:iam::123456789012:role/spot-optimizer", "external-1", "spot-optimizer-test")
ORDER = PlayOrder(
    game_day_id="game-1",
    kind=GameDayKind.NOTICE,
    region="us-east-1",
    instance_id="i-0123456789abcdef0",
    began_at=START,
    account_id="123456789012",
    role=ROLE,
    fis_role_arn="arn:aws:iam::123456789012:role/fis",
)
PLAYED = replace(ORDER, reference={"template_id": "EXT1", "experiment_id": "EXP1"})


def experiment(status: str, reason: str = "") -> dict[str, Any]:
    return {"experiment": {"id": "EXP1", "experimentTemplateId": "EXT1", "state": {"status": status, "reason": reason}}}


class StubbedFis:
    """A gateway to a client that answers what the test lined up, in that order, and nothing else."""

    def __init__(self) -> None:
        self.client: Any = boto3.client("fis", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
        self.stub = Stubber(self.client)
        self.asked: list[tuple[ControlRole, str]] = []

    def fis(self, role: ControlRole, region: str) -> Any:
        self.asked.append((role, region))
        return self.client


@pytest.fixture
def fis() -> Iterator[StubbedFis]:
    stubbed = StubbedFis()
    with stubbed.stub:
        yield stubbed
        stubbed.stub.assert_no_pending_responses()


def test_a_game_day_is_a_template_and_an_experiment_that_carry_its_id(fis: StubbedFis) -> None:
    fis.stub.add_response("create_experiment_template", {"experimentTemplate": {"id": "EXT1"}}, template_arguments(ORDER))
    fis.stub.add_response("start_experiment", experiment("initiating"), start_arguments(ORDER, "EXT1"))

    reference = FisPlayer(fis).play(ORDER)

    assert reference == {"template_id": "EXT1", "experiment_id": "EXP1"}
    assert fis.asked == [(ROLE, "us-east-1")]


def test_a_repeat_sends_the_same_client_tokens() -> None:
    again = replace(ORDER, reference={})

    assert template_arguments(again) == template_arguments(ORDER)
    assert template_arguments(ORDER)["clientToken"] == "template-game-1"
    assert start_arguments(ORDER, "EXT1")["clientToken"] == "experiment-game-1"


@pytest.mark.parametrize(
    ("kind", "resource_type", "action"),
    [
        (GameDayKind.NOTICE, "aws:ec2:spot-instance", "aws:ec2:send-spot-instance-interruptions"),
        (GameDayKind.RECOMMENDATION, "aws:ec2:spot-instance", "aws:ec2:send-spot-instance-interruptions"),
        (GameDayKind.LOSS, "aws:ec2:instance", "aws:ec2:terminate-instances"),
    ],
)
def test_each_kind_names_one_instance_and_one_action(kind: GameDayKind, resource_type: str, action: str) -> None:
    template = template_arguments(replace(ORDER, kind=kind))

    (target,) = template["targets"].values()
    (act,) = template["actions"].values()
    assert target["resourceType"] == resource_type
    assert target["resourceArns"] == ["arn:aws:ec2:us-east-1:123456789012:instance/i-0123456789abcdef0"]
    assert act["actionId"] == action


def test_a_shortage_is_one_zone_for_the_control_role_and_the_notice() -> None:
    order = replace(ORDER, kind=GameDayKind.CAPACITY_SHORTAGE, shortage=Market("m5.large", "use1-az2", "spot"))

    template = template_arguments(order)

    assert template["targets"]["launcher"]["resourceArns"] == [ROLE.role_arn]
    assert template["actions"]["shortage"]["parameters"]["availabilityZoneIdentifiers"] == "use1-az2"
    assert set(template["actions"]) == {"notice", "shortage"}


def test_an_alarm_stops_the_experiment_where_one_was_named() -> None:
    alarm = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:web-errors"

    assert template_arguments(ORDER)["stopConditions"] == [{"source": "none"}]
    named = template_arguments(replace(ORDER, stop_alarm_arn=alarm))
    assert named["stopConditions"] == [{"source": "aws:cloudwatch:alarm", "value": alarm}]


@pytest.mark.parametrize("kind", GameDayKind)
def test_what_a_plan_shows_is_what_botocore_accepts(kind: GameDayKind) -> None:
    order = replace(ORDER, kind=kind, shortage=Market("m5.large", "use1-az2", "spot"))
    fis = StubbedFis()
    for call in planned_calls(order)[:2]:
        method = {"CreateExperimentTemplate": "create_experiment_template", "StartExperiment": "start_experiment"}[call.operation]
        fis.stub.add_response(method, {}, dict(call.parameters))

    with fis.stub:
        fis.client.create_experiment_template(**planned_calls(order)[0].parameters)
        fis.client.start_experiment(**planned_calls(order)[1].parameters)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", ExperimentState.RUNNING),
        ("running", ExperimentState.RUNNING),
        ("completed", ExperimentState.ENDED),
        ("failed", ExperimentState.FAILED),
        ("stopped", ExperimentState.STOPPED),
        ("a state that comes with a later FIS", ExperimentState.RUNNING),
    ],
)
def test_what_fis_says_of_an_experiment_is_understood(fis: StubbedFis, status: str, state: ExperimentState) -> None:
    fis.stub.add_response("get_experiment", experiment(status, "why"), {"id": "EXP1"})

    assert FisPlayer(fis).look(PLAYED) == Experiment(state, "why")


def test_an_experiment_that_fis_forgot_has_ended(fis: StubbedFis) -> None:
    fis.stub.add_client_error("get_experiment", "ResourceNotFoundException", http_status_code=404)

    assert FisPlayer(fis).look(PLAYED).state is ExperimentState.ENDED


def test_closing_stops_what_runs_and_deletes_the_template(fis: StubbedFis) -> None:
    listed = {"experiments": [{"id": "EXP1", "state": {"status": "running"}}, {"id": "EXP0", "state": {"status": "completed"}}]}
    fis.stub.add_response("list_experiments", listed, {"experimentTemplateId": "EXT1"})
    fis.stub.add_response("stop_experiment", experiment("stopping"), {"id": "EXP1"})
    fis.stub.add_response("delete_experiment_template", {"experimentTemplate": {"id": "EXT1"}}, {"id": "EXT1"})

    FisPlayer(fis).close(PLAYED)


def test_what_nobody_answered_about_is_found_by_its_tag_and_never_begun_by_closing(fis: StubbedFis) -> None:
    other = {"id": "EXT0", "tags": {"spot-optimizer:game-day-id": "game-0"}}
    mine = {"id": "EXT1", "tags": {"spot-optimizer:game-day-id": "game-1"}}
    fis.stub.add_response("list_experiment_templates", {"experimentTemplates": [other], "nextToken": "more"}, {})
    fis.stub.add_response("list_experiment_templates", {"experimentTemplates": [mine]}, {"nextToken": "more"})
    fis.stub.add_response("list_experiments", {"experiments": []}, {"experimentTemplateId": "EXT1"})
    fis.stub.add_response("delete_experiment_template", {}, {"id": "EXT1"})

    FisPlayer(fis).close(ORDER)


def test_closing_twice_is_harmless(fis: StubbedFis) -> None:
    fis.stub.add_client_error("list_experiments", "ResourceNotFoundException", http_status_code=404)
    fis.stub.add_client_error("delete_experiment_template", "ResourceNotFoundException", http_status_code=404)

    FisPlayer(fis).close(PLAYED)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("AccessDeniedException", ErrorClass.NOT_AUTHORIZED),
        ("ValidationException", ErrorClass.REFUSED),
        ("ConflictException", ErrorClass.REFUSED),
        ("ServiceQuotaExceededException", ErrorClass.QUOTA),
        ("ThrottlingException", ErrorClass.THROTTLED),
    ],
)
def test_what_fis_refuses_has_a_meaning(fis: StubbedFis, code: str, meaning: ErrorClass) -> None:
    fis.stub.add_client_error("create_experiment_template", code, "no", 400)

    with pytest.raises(AwsFailed) as refused:
        FisPlayer(fis).play(ORDER)

    assert (refused.value.error_class, refused.value.code) == (meaning, code)


def test_a_client_that_took_its_role_back_is_not_played_against(fis: StubbedFis) -> None:
    with pytest.raises(AwsFailed) as refused:
        FisPlayer(fis).play(replace(ORDER, role=None))

    assert refused.value.error_class is ErrorClass.NOT_AUTHORIZED
