"""The token protocol of the metadata endpoint. Metadata in memory is read below HTTP, so this is for processes only."""

import pytest

from conformance.http_region import METADATA_PORT, TOKEN, TOKEN_LIFE, HttpRegion
from conformance.marks import processes_only
from conformance.port import HttpAnswer
from conformance.world import World

pytestmark = processes_only("metadata in memory is read below HTTP and its tokens")


class Endpoint:
    """One instance's endpoint."""

    def __init__(self, region: HttpRegion, ip: str) -> None:
        self.region, self.ip = region, ip

    def token(self, life: str = "60", **headers: str) -> HttpAnswer:
        return self.region.http("PUT", self.ip, METADATA_PORT, "/latest/api/token", {TOKEN_LIFE: life, **headers})

    def instance_id(self, token: str | None) -> HttpAnswer:
        headers = {} if token is None else {TOKEN: token}
        return self.region.http("GET", self.ip, METADATA_PORT, "/latest/meta-data/instance-id", headers)


@pytest.fixture
def endpoints(world: World, region: HttpRegion) -> tuple[Endpoint, Endpoint]:
    """Two instances that run."""
    image_id = world.image()
    ids = [world.launch(image_id) for _ in range(2)]
    one, other = (world.wait_for_state(instance_id, "running")["PrivateIpAddress"] for instance_id in ids)
    return Endpoint(region, one), Endpoint(region, other)


def test_without_a_token_nothing_is_told(endpoints: tuple[Endpoint, Endpoint]) -> None:
    one, _ = endpoints

    assert one.instance_id(token=None).status == 401
    assert one.instance_id(token="made-up").status == 401


def test_a_token_has_the_time_to_live_that_was_asked_for(endpoints: tuple[Endpoint, Endpoint]) -> None:
    one, _ = endpoints

    good, too_long, not_a_number = one.token("21600"), one.token("21601"), one.token("soon")

    assert (good.status, good.headers[TOKEN_LIFE]) == (200, "21600")
    assert (too_long.status, not_a_number.status) == (400, 400)


def test_a_forwarded_request_gets_no_token(endpoints: tuple[Endpoint, Endpoint]) -> None:
    one, _ = endpoints

    assert one.token(**{"X-Forwarded-For": "127.0.0.1"}).status == 403


def test_a_token_is_good_on_its_own_instance_only(endpoints: tuple[Endpoint, Endpoint]) -> None:
    one, other = endpoints
    token = one.token().text

    assert one.instance_id(token).status == 200
    assert other.instance_id(token).status == 401


def test_what_is_not_there_has_an_html_body(endpoints: tuple[Endpoint, Endpoint]) -> None:
    one, _ = endpoints

    path = "/latest/meta-data/spot/instance-action"
    answer = one.region.http("GET", one.ip, METADATA_PORT, path, {TOKEN: one.token().text})

    assert answer.status == 404
    assert answer.text.startswith("<html>")
