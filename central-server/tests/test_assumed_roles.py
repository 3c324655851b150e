"""Sessions of control roles: what STS is asked, how long the answer is kept, and what its refusals mean."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from server_support.clock import FakeClock
from spot_server.aws.errors import AwsFailed, ErrorClass
from spot_server.aws.ports import ControlRole
from spot_server.aws.sessions import RENEW_BEFORE_SECONDS, SESSION_SECONDS, AssumedRoles

ROLE = ControlRole("arn:aws:iam::123456789012:role/spot", "external-1", "spot-optimizer-acme")
REGION = "us-east-1"

CREDENTIALS = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>key-{number}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2026-01-01T01:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>
<Message>not allowed to assume it</Message></Error></ErrorResponse>"""


class PretendSts:
    """Answers AssumeRole over HTTP; `refusal` is (status, code) for every call while it is set."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.refusal: tuple[int, str] | None = None
        sts = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                sts.asked.append({name: values[0] for name, values in parse_qs(body).items()})
                status, text = 200, CREDENTIALS.format(number=len(sts.asked))
                if sts.refusal is not None:
                    status, text = sts.refusal[0], REFUSAL.format(code=sts.refusal[1])
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendSts]:
    pretend = PretendSts()
    thread = threading.Thread(target=pretend.server.serve_forever, args=[0.05])
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", pretend.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "server")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "server")
    yield pretend
    pretend.server.shutdown()
    pretend.server.server_close()
    thread.join()


def refusal_of(roles: AssumedRoles) -> AwsFailed:
    with pytest.raises(AwsFailed) as refused:
        roles.ec2(ROLE, REGION)
    return refused.value


pytestmark = pytest.mark.server


def test_the_role_is_assumed_with_its_external_id_under_a_name_that_the_client_recognizes(sts: PretendSts, clock: FakeClock) -> None:
    AssumedRoles(clock).ec2(ROLE, REGION)

    (asked,) = sts.asked
    assert (asked["Action"], asked["RoleArn"], asked["ExternalId"]) == ("AssumeRole", ROLE.role_arn, "external-1")
    assert (asked["RoleSessionName"], asked["DurationSeconds"]) == ("spot-optimizer-acme", str(SESSION_SECONDS))


def test_a_session_is_kept_until_shortly_before_it_expires(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    first = roles.ec2(ROLE, REGION)
    clock.advance(SESSION_SECONDS - RENEW_BEFORE_SECONDS - 1)
    second = roles.ec2(ROLE, REGION)
    clock.advance(1)

    third = roles.ec2(ROLE, REGION)

    assert (first is second, second is third, len(sts.asked)) == (True, False, 2)


def test_one_session_serves_ec2_and_fis_and_both_are_renewed_together(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    roles.ec2(ROLE, REGION)

    first, second = roles.fis(ROLE, REGION), roles.fis(ROLE, REGION)
    asked_before = len(sts.asked)
    clock.advance(SESSION_SECONDS - RENEW_BEFORE_SECONDS)
    third = roles.fis(ROLE, REGION)

    assert (first.meta.service_model.service_name, first.meta.region_name) == ("fis", REGION)
    assert (first is second, second is third) == (True, False)
    assert (asked_before, len(sts.asked)) == (1, 2)


def test_each_role_region_and_external_id_has_a_session_of_its_own(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    other_id = ControlRole(ROLE.role_arn, "external-2", ROLE.session_name)

    made = [roles.ec2(ROLE, REGION), roles.ec2(ROLE, "eu-west-1"), roles.ec2(other_id, REGION)]

    assert len({id(ec2) for ec2 in made}) == len(sts.asked) == 3


def test_a_forgotten_session_is_assumed_anew(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    roles.ec2(ROLE, REGION)

    roles.forget(ROLE, REGION)
    roles.forget(ROLE, REGION)

    roles.ec2(ROLE, REGION)
    assert len(sts.asked) == 2


def test_many_threads_that_need_a_role_assume_it_once(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    threads = [threading.Thread(target=roles.ec2, args=[ROLE, REGION]) for _ in range(6)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(sts.asked) == 1


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "RegionDisabledException"])
def test_a_refusal_by_sts_is_not_authorized_for_the_whole_role(sts: PretendSts, clock: FakeClock, code: str) -> None:
    sts.refusal = (403, code)

    refused = refusal_of(AssumedRoles(clock))

    assert (refused.error_class, refused.code) == (ErrorClass.NOT_AUTHORIZED, f"AssumeRole.{code}")
    assert "not allowed to assume it" in refused.message


def test_a_role_that_was_refused_is_usable_as_soon_as_sts_lets_it(sts: PretendSts, clock: FakeClock) -> None:
    roles = AssumedRoles(clock)
    sts.refusal = (403, "AccessDenied")
    refusal_of(roles)

    sts.refusal = None

    assert roles.ec2(ROLE, REGION) is not None


def test_throttling_and_a_broken_sts_are_no_refusal(sts: PretendSts, clock: FakeClock) -> None:
    sts.refusal = (400, "Throttling")
    throttled = refusal_of(AssumedRoles(clock))
    sts.refusal = (503, "ServiceUnavailable")

    broken = refusal_of(AssumedRoles(clock))

    assert (throttled.error_class, broken.error_class) == (ErrorClass.THROTTLED, ErrorClass.UNREACHABLE)


def test_an_endpoint_that_nobody_listens_on_is_unreachable_and_has_not_acted(
    sts: PretendSts, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    unreachable = refusal_of(AssumedRoles(clock))

    assert (unreachable.error_class, unreachable.may_have_acted) == (ErrorClass.UNREACHABLE, False)


def test_a_server_without_credentials_says_so(sts: PretendSts, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")

    refused = refusal_of(AssumedRoles(clock))

    assert (refused.error_class, refused.code) == (ErrorClass.NOT_AUTHORIZED, "AssumeRole.NoCredentials")
