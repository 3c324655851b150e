"""Giving a client a control role: on the command line and over HTTP, with clear words for what cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_support.builders import create_admin_token
from server_support.http import Http
from spot_server.cli import main
from spot_server.db.runner import Database
from spot_server.features.clients.rules import find_role_problem

ARN = "arn:aws:iam::123456789012:role/spot-optimizer"
CLIENTS = "/api/admin/clients"


@pytest.fixture
def admin(database: Database, http: Http) -> Http:
    return http.as_(create_admin_token(database))


@pytest.fixture
def _migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SPOT_DATABASE_URL", f"sqlite:///{tmp_path}/spot.db")
    main(["migrate"])
    capsys.readouterr()


@given(st.text(), st.none() | st.text())
def test_text_that_is_no_arn_is_never_taken_for_a_role(text: str, external_id: str | None) -> None:
    problem = find_role_problem(text, external_id)

    assert problem is not None
    assert (problem.field, problem.value) == ("aws_role_arn", text)


@pytest.mark.parametrize("arn", [ARN, "arn:aws-cn:iam::123456789012:role/path/to/role", "arn:aws-us-gov:iam::123456789012:role/a+b=c"])
def test_roles_of_every_partition_and_path_are_accepted(arn: str) -> None:
    assert find_role_problem(arn, None) is None


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::123456789012:user/spot",
        "arn:aws:iam::12345678901:role/spot",
        "arn:aws:iam::123456789012:role/",
        ARN + "\n",
        ARN + " ",
        "arn:aws:sts::123456789012:assumed-role/spot/x",
    ],
)
def test_what_only_looks_like_a_role_is_refused(arn: str) -> None:
    assert find_role_problem(arn, None) is not None


def test_a_role_over_http_comes_with_an_external_id_of_our_making(admin: Http) -> None:
    first = admin.post(CLIENTS, {"name": "a", "aws_role_arn": ARN})
    second = admin.post(CLIENTS, {"name": "b", "aws_role_arn": ARN})

    listed = {item["name"]: item["aws_external_id"] for item in admin.get(CLIENTS).json["items"]}
    assert (first.status, first.json["aws_role_arn"]) == (201, ARN)
    assert len(first.json["aws_external_id"]) >= 32
    assert first.json["aws_external_id"] != second.json["aws_external_id"]
    assert listed == {"a": first.json["aws_external_id"], "b": second.json["aws_external_id"]}


def test_an_external_id_may_be_given_and_belongs_to_one_client(admin: Http) -> None:
    first = admin.post(CLIENTS, {"name": "a", "aws_role_arn": ARN, "aws_external_id": "mine-1"})
    second = admin.post(CLIENTS, {"name": "b", "aws_role_arn": ARN, "aws_external_id": "mine-1"})

    assert (first.status, first.json["aws_external_id"]) == (201, "mine-1")
    assert (second.status, second.json["field"]) == (409, "aws_external_id")


def test_a_client_without_a_role_has_no_external_id(admin: Http) -> None:
    made = admin.post(CLIENTS, {"name": "a"})

    assert (made.json["aws_role_arn"], made.json["aws_external_id"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a", "aws_role_arn": "arn:x"}, "aws_role_arn"),
        ({"name": "a", "aws_role_arn": ARN, "aws_external_id": "x"}, "aws_external_id"),
        ({"name": "a", "aws_role_arn": ARN, "aws_external_id": "no spaces"}, "aws_external_id"),
        ({"name": "a", "aws_external_id": "alone"}, "aws_external_id"),
    ],
)
def test_what_cannot_be_used_is_named(admin: Http, body: dict[str, str], field: str) -> None:
    answer = admin.post(CLIENTS, body)

    assert (answer.status, field in answer.text) == (422, True)
    assert admin.get(CLIENTS).json["items"] == []


@pytest.mark.usefixtures("_migrated")
def test_the_command_line_prints_the_external_id_below_the_clients(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["create-client", "acme", "--aws-role-arn", ARN])
    made = capsys.readouterr().out.splitlines()

    main(["create-client", "acme", "--if-missing"])

    assert (code, len(made), made[1][:16]) == (0, 2, "external id: so-")
    assert capsys.readouterr().out.splitlines() == made


@pytest.mark.usefixtures("_migrated")
def test_an_external_id_on_the_command_line_is_taken_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    main(["create-client", "acme", "--aws-role-arn", ARN, "--external-id", "mine-1"])

    assert capsys.readouterr().out.splitlines()[1] == "external id: mine-1"


@pytest.mark.usefixtures("_migrated")
@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--aws-role-arn", "arn:x"], "aws_role_arn: 'arn:x' cannot be used; expected the ARN of an IAM role"),
        (["--external-id", "alone"], "aws_external_id: 'alone' cannot be used; expected no external id without a role"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["create-client", "acme", *arguments])

    said = capsys.readouterr().err
    assert (code, said.count("\n")) == (1, 1)
    assert complaint in said


@pytest.mark.usefixtures("_migrated")
def test_a_client_that_is_there_with_another_role_is_not_changed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["create-client", "acme"])

    code = main(["create-client", "acme", "--if-missing", "--aws-role-arn", ARN])

    assert (code, "with no role" in capsys.readouterr().err) == (1, True)


def test_the_role_of_fis_is_kept_and_shown_and_means_nothing_without_a_control_role(admin: Http) -> None:
    fis = "arn:aws:iam::123456789012:role/fis"

    made = admin.post(CLIENTS, {"name": "with-fis", "aws_role_arn": ARN, "fis_role_arn": fis})
    alone = admin.post(CLIENTS, {"name": "alone", "fis_role_arn": fis})
    wrong = admin.post(CLIENTS, {"name": "wrong", "aws_role_arn": ARN, "fis_role_arn": "fis"})

    assert (made.status, made.json["fis_role_arn"]) == (201, fis)
    (problem,) = alone.json["errors"]
    told = (alone.status, problem["field"], problem["reason"])
    assert told == (422, "fis_role_arn", "expected no role for FIS without a control role")
    assert wrong.json["errors"][0]["field"] == "fis_role_arn"


@pytest.mark.usefixtures("_migrated")
def test_the_role_of_fis_is_given_on_the_command_line_and_not_changed_by_a_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["create-client", "acme", "--if-missing", "--aws-role-arn", ARN, "--fis-role-arn"]

    codes = [main([*arguments, "arn:aws:iam::123456789012:role/fis"]), main([*arguments, "arn:aws:iam::123456789012:role/other"])]

    assert codes == [0, 1]
    assert "another role for FIS" in capsys.readouterr().err


def test_the_notice_queue_is_kept_and_shown_must_be_awss_own_and_means_nothing_without_a_control_role(admin: Http) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"

    made = admin.post(CLIENTS, {"name": "with-queue", "aws_role_arn": ARN, "notice_queue_url": url})
    alone = admin.post(CLIENTS, {"name": "alone", "notice_queue_url": url})
    wrong = [
        admin.post(CLIENTS, {"name": "wrong", "aws_role_arn": ARN, "notice_queue_url": one})
        for one in (
            "notices",
            "http://127.0.0.1/123456789012/notices",
            "https://sqs.us-east-1.amazonaws.com.example.org/123456789012/notices",
        )
    ]

    assert (made.status, made.json["notice_queue_url"]) == (201, url)
    assert (alone.status, alone.json["errors"][0]["field"]) == (422, "notice_queue_url")
    assert [(one.status, one.json["errors"][0]["field"]) for one in wrong] == [(422, "notice_queue_url")] * 3


@pytest.mark.usefixtures("_migrated")
def test_the_notice_queue_is_given_on_the_command_line_and_not_changed_by_a_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/"
    arguments = ["create-client", "acme", "--if-missing", "--aws-role-arn", ARN, "--notice-queue-url"]

    codes = [main([*arguments, f"{url}{name}"]) for name in ("notices", "notices", "other")]

    assert codes == [0, 0, 1]
    assert "with another notice queue or none; nothing was changed" in capsys.readouterr().err
